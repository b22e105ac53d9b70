import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import { figure, percent, seconds } from "../text/figures";
import { type Chart, smoothed } from "./series";

const TONES = ["solving", "revision", "ensemble", "verification", "planning", "formatting"];
const HEIGHT = 190;
const WORDS = { share: percent, seconds, figure: (value: number | null | undefined) => figure(value, 3) };
const SYNC = "training";

/** A chart of curves over steps; what stands under the pointer is read off in its legend, in all charts at once. */
export function Curve({ chart, steps, x = "step" }: { chart: Chart; steps: readonly number[]; x?: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const theme = useColours();
  const names = chart.lines.map(({ label }) => label).join("\n");
  const banded = chart.lines.some(({ low }) => low);
  const data = useMemo(() => dataOf(chart, steps, banded), [chart, steps, banded]);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const drawn = new uPlot(options(chart, banded, colours(box), box.clientWidth, setAt), data, box);
    plot.current = drawn;
    const watching = new ResizeObserver(() => drawn.setSize({ width: box.clientWidth, height: HEIGHT }));
    watching.observe(box);
    return () => {
      watching.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [names, theme, banded, chart.title]);
  useEffect(() => plot.current?.setData(data), [data]);
  const index = at ?? steps.length - 1;
  const word = WORDS[chart.unit];
  const summary = chart.lines.map(({ label, values }) => `${label} from ${word(values[0])} to ${word(values.at(-1))}`).join("; ");
  return (
    <figure className="chart">
      <figcaption><strong>{chart.title}</strong> <span className="dim">{chart.says}</span></figcaption>
      <div ref={place} role="img" aria-label={`${chart.title} over ${steps.length} steps: ${summary}`} className="curve" />
      <ul className="legend inline">
        <li className="dim at-step">{x} {steps[index] ?? "–"}</li>
        {chart.lines.map(({ label, values }, line) => (
          <li key={label} className={`series s${line % TONES.length}${line < TONES.length ? "" : " dashed"}`}>
            <span className="swatch" aria-hidden="true" />{label} <span className="figure">{word(values[index])}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

/** Columns of a plot: steps; then for each line its values and their running mean, or its ends and itself. */
function dataOf(chart: Chart, steps: readonly number[], banded: boolean): uPlot.AlignedData {
  const window = Math.max(1, Math.round(steps.length / 16));
  const columns = chart.lines.flatMap(({ values, low, high }) =>
    banded ? [low ?? values, high ?? values, values] : [values, smoothed(values, window)],
  );
  return [steps, ...columns] as unknown as uPlot.AlignedData;
}

interface Colours {
  ink: string;
  line: string;
  tones: string[];
}

function options(chart: Chart, banded: boolean, { ink, line, tones }: Colours, width: number, show: (at: number | null) => void): uPlot.Options {
  const tone = (index: number) => tones[index % tones.length] ?? ink;
  const none = { points: { show: false } };
  const dash = (index: number) => (index < tones.length ? {} : { dash: [5, 4] });
  const series = chart.lines.flatMap((_, index) =>
    banded
      ? [{ ...none, stroke: "transparent" }, { ...none, stroke: "transparent" }, { ...none, ...dash(index), stroke: tone(index), width: 2 }]
      : [{ ...none, stroke: tone(index), width: 1, alpha: 0.28 }, { ...none, ...dash(index), stroke: tone(index), width: 2 }],
  );
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px Inter Variable, sans-serif" };
  const word = WORDS[chart.unit];
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: SYNC }, y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: false }, ...(chart.unit === "share" ? { y: { range: [0, 1] } } : {}) },
    axes: [
      { ...axis, grid: { show: false }, size: 26, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
      { ...axis, size: 52, values: (_plot, ticks) => ticks.map((tick) => word(tick)) },
    ],
    series: [{}, ...series],
    ...(banded ? { bands: chart.lines.map((_, index) => ({ series: [3 * index + 2, 3 * index + 1] as [number, number], fill: faint(tone(index)) })) } : {}),
    hooks: { setCursor: [(plot) => show(plot.cursor.idx ?? null)] },
  };
}

/** The design's colours as a canvas takes them. */
function colours(within: HTMLElement): Colours {
  const probe = within.appendChild(document.createElement("i"));
  const read = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = { ink: read("dim"), line: read("line"), tones: TONES.map(read) };
  probe.remove();
  return found;
}

function faint(colour: string): string {
  return `color-mix(in oklch, ${colour} 16%, transparent)`;
}

/** Changes whenever the colours do. */
function useColours(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const changed = () => setChanges((number) => number + 1);
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const watching = new MutationObserver(changed);
    watching.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    dark.addEventListener("change", changed);
    return () => {
      watching.disconnect();
      dark.removeEventListener("change", changed);
    };
  }, []);
  return changes;
}
