import { Link } from "../app/Link";
import type { RunPage, SystemFigures } from "../records";
import { brief, count, money, percent, seconds } from "../text/figures";
import { Inline } from "../text/Text";

/** Each system on each dataset; its name leads to its episodes. */
export function SystemsTable({ page }: { page: RunPage }) {
  const datasets = [...new Set(page.systems.map(({ dataset }) => dataset))];
  const gated = page.systems.some(({ gate }) => gate !== null);
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label="Systems and their figures">
      <table className="figures">
        <thead>
          <tr>
            <th scope="col">system</th><th scope="col" className="n">n</th><th scope="col">score, 95 % interval</th>
            {gated && <th scope="col" className="n">gate open</th>}
            <th scope="col" className="n">finished</th><th scope="col" className="n">tokens</th>
            <th scope="col" className="n">time</th><th scope="col" className="n">cost</th>
          </tr>
        </thead>
        {datasets.map((dataset) => (
          <tbody key={dataset}>
            {dataset && <tr className="dataset"><th scope="rowgroup" colSpan={8}><Inline text={dataset} /></th></tr>}
            {page.systems.filter((one) => one.dataset === dataset).map((one) => (
              <Row key={one.system} run={page.id} one={one} gated={gated} best={best(page, dataset)} />
            ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}

function Row({ run, one, gated, best }: { run: string; one: SystemFigures; gated: boolean; best: number | null }) {
  const filter = { system: one.system, dataset: one.dataset };
  return (
    <tr>
      <th scope="row"><Link to={{ view: "episodes", run, filter }} className="mono system"><Inline text={one.system} /></Link></th>
      <td className="n">{count(one.n)}{one.scored < one.n && <span className="dim"> · {count(one.n - one.scored)} not scored</span>}</td>
      <td><Interval one={one} best={one.accuracy !== null && one.accuracy === best} /></td>
      {gated && <td className="n">{percent(one.gate)}</td>}
      <td className="n">{percent(one.finished)}</td>
      <td className="n">{brief(one.tokens)}</td>
      <td className="n">{seconds(one.seconds)}</td>
      <td className="n">{money(one.cost)}</td>
    </tr>
  );
}

/** A mean score as a point, its interval as a line, both in figures beside them. */
function Interval({ one: { accuracy, low, high }, best }: { one: SystemFigures; best: boolean }) {
  if (accuracy === null) return <span className="dim">not scored</span>;
  const [left, right] = [100 * (low ?? accuracy), 100 * (high ?? accuracy)];
  return (
    <span className={best ? "interval best" : "interval"}>
      <span className="interval-figure">{percent(accuracy)}</span>
      <svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
        <line x1="0" x2="100" y1="6" y2="6" className="axis" />
        <line x1={left} x2={right} y1="6" y2="6" className="whisker" />
        <line x1={100 * accuracy} x2={100 * accuracy} y1="1" y2="11" className="mean" />
      </svg>
      <span className="dim interval-ends">{low === null ? "" : `${Math.round(left)}–${Math.round(right)}`}{best && <span className="hidden">, highest</span>}</span>
    </span>
  );
}

function best(page: RunPage, dataset: string): number | null {
  const scores = page.systems.flatMap((one) => (one.dataset === dataset && one.accuracy !== null ? [one.accuracy] : []));
  return scores.length > 1 ? Math.max(...scores) : null;
}
