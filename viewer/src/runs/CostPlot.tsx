import { Link } from "../app/Link";
import type { RunPage, SystemFigures } from "../records";
import { brief, money, percent } from "../text/figures";
import { Inline } from "../text/Text";

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT] = [520, 290, 44, 14, 30, 18];

interface Pooled extends Pick<SystemFigures, "system"> {
  accuracy: number;
  low: number;
  high: number;
  spent: number;
}

/** What a system costs against how often it is right; tokens where the price is unknown or nothing. */
export function CostPlot({ page }: { page: RunPage }) {
  const priced = page.systems.length > 0 && page.systems.every(({ cost }) => cost !== null && cost > 0);
  const points = pooled(page.systems, priced);
  if (points.length === 0) return null;
  const most = Math.max(...points.map(({ spent }) => spent)) * 1.08 || 1;
  const x = (spent: number) => LEFT + (spent / most) * (WIDTH - LEFT - RIGHT);
  const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const words = priced ? money : brief;
  return (
    <section aria-labelledby="cost">
      <h2 id="cost">{priced ? "Cost" : "Tokens"} against score</h2>
      <svg className="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={points.map((one) => `${one.system}: ${percent(one.accuracy)} for ${words(one.spent)}`).join("; ")}>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <g key={share}>
            <line className="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(share)} y2={y(share)} />
            <text x={LEFT - 8} y={y(share) + 4} textAnchor="end">{100 * share}</text>
          </g>
        ))}
        {[0, 0.5, 1].map((part) => (
          <text key={part} x={x((part * most) / 1.08)} y={HEIGHT - BOTTOM + 18} textAnchor="middle">{words((part * most) / 1.08)}</text>
        ))}
        {points.map((one, index) => (
          <g key={one.system} className={`series s${index % 6}`}>
            <line className="whisker" x1={x(one.spent)} x2={x(one.spent)} y1={y(one.low)} y2={y(one.high)} />
            <circle cx={x(one.spent)} cy={y(one.accuracy)} r="5" />
          </g>
        ))}
      </svg>
      <p className="dim small">Across: {priced ? "US dollars" : "tokens"} an episode. Up: score in %, with 95 % intervals, mean over datasets.</p>
      <ul className="legend">
        {points.map((one, index) => (
          <li key={one.system} className={`series s${index % 6}`}>
            <span className="swatch" aria-hidden="true" />
            <Link to={{ view: "episodes", run: page.id, filter: { system: one.system } }} className="mono"><Inline text={one.system} /></Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Means over datasets; the interval of a mean of independent means is the root of the summed squares. */
function pooled(systems: readonly SystemFigures[], priced: boolean): Pooled[] {
  const names = [...new Set(systems.map(({ system }) => system))];
  return names.flatMap((system) => {
    const rows = systems.filter((one) => one.system === system && one.accuracy !== null);
    if (rows.length === 0) return [];
    const accuracy = mean(rows.map((one) => one.accuracy ?? 0));
    const half = (end: "low" | "high") =>
      Math.hypot(...rows.map((one) => Math.abs((one[end] ?? one.accuracy ?? 0) - (one.accuracy ?? 0)))) / rows.length;
    const spent = mean(rows.map((one) => (priced ? (one.cost ?? 0) : one.tokens)));
    return [{ system, accuracy, low: Math.max(0, accuracy - half("low")), high: Math.min(1, accuracy + half("high")), spent }];
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
