import { useMemo } from "react";
import { Answered } from "../app/Answered";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import { figure, signed } from "../text/figures";
import { Inline } from "../text/Text";
import { Curve } from "./Curve";
import { type ArmRow, type Difference, type Estimate, studyCharts, type StudySummary } from "./study";

/** A study: its arms with intervals, their curves with bands, their differences. */
export function StudyView({ run }: { run: string }) {
  const study = useResource<StudySummary>(paths.study(run));
  return <Answered of={study}>{(summary) => <Study run={run} summary={summary} />}</Answered>;
}

function Study({ run, summary }: { run: string; summary: StudySummary }) {
  const { rows = [], differences = [], done = 0, cells = 0 } = summary;
  const charts = useMemo(() => studyCharts(summary), [summary]);
  const tests = [...new Set(rows.map((row) => testOf(row)))];
  return (
    <div className="page wide">
      <div className="title tabs-title">
        <h1><span className="kind">study</span> <Inline text={run} /></h1>
        {cells > 0 && <p className="dim">{done} of {cells} cells are done</p>}
      </div>
      {rows.length === 0 && <p className="empty">The study has no result yet.</p>}
      {tests.map((test) => <Arms key={test} test={test} rows={rows.filter((row) => testOf(row) === test)} />)}
      {charts.length > 0 && (
        <section aria-labelledby="curves">
          <h2 id="curves">Along training <span className="dim">means over seeds, bands of 95 %</span></h2>
          <div className="charts">{charts.map(({ world, chart, steps }) => <Curve key={world + chart.title} chart={chart} steps={steps} />)}</div>
        </section>
      )}
      {differences.length > 0 && <Differences of={differences} />}
    </div>
  );
}

const SHOWN: readonly [name: string, head: string, share: boolean][] = [
  ["accuracy", "accuracy %", true],
  ["cwrpo", "paper's R", false],
  ["gate_open", "gate open %", true],
  ["valid", "valid %", true],
  ["finished", "finished %", true],
  ["turns", "turns", false],
  ["operators", "operators", false],
];

function Arms({ test, rows }: { test: string; rows: readonly ArmRow[] }) {
  return (
    <section aria-label={test}>
      <h2><Inline text={test} /></h2>
      <div className="scroll" tabIndex={0} role="group" aria-label={`Arms, ${test}`}>
        <table className="figures">
          <thead><tr><th scope="col">arm</th>{SHOWN.map(([name, head]) => <th scope="col" key={name}>{head}</th>)}<th scope="col" className="n">seeds</th><th scope="col" className="n">collapsed</th></tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.arm}>
                <th scope="row"><Inline text={row.arm} /></th>
                {SHOWN.map(([name, , share]) => <td key={name}><Estimated of={row.figures[name] ?? null} share={share} /></td>)}
                <td className="n">{row.seeds}</td><td className="n">{row.collapsed}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Estimated({ of, share }: { of: Estimate | null; share: boolean }) {
  if (!of) return <span className="dim">–</span>;
  const shown = (value: number) => (share ? figure(100 * value, 1) : figure(value));
  return (
    <span className="estimate">
      <strong>{shown(of.mean)}</strong>
      {of.low !== null && of.high !== null && <span className="dim"> [{shown(of.low)}, {shown(of.high)}]</span>}
    </span>
  );
}

function Differences({ of }: { of: readonly Difference[] }) {
  return (
    <section aria-labelledby="differences">
      <h2 id="differences">Differences <span className="dim">on the same tasks with the same seeds</span></h2>
      <div className="scroll" tabIndex={0} role="group" aria-label="Differences between arms">
        <table className="figures">
          <thead><tr><th scope="col">test</th><th scope="col">figure</th><th scope="col">arm</th><th scope="col">minus</th><th scope="col">difference</th><th scope="col" className="n">p</th><th scope="col" className="n">p (Holm)</th></tr></thead>
          <tbody>
            {of.map((one, index) => {
              const { mean, low, high } = one.comparison.difference;
              return (
                <tr key={index}>
                  <td><Inline text={testOf(one)} /></td><td>{one.measure === "cwrpo" ? "paper's R" : one.measure}</td>
                  <td><Inline text={one.arm} /></td><td><Inline text={one.minus} /></td>
                  <td><strong>{signed(mean)}</strong>{low !== null && <span className="dim"> [{figure(low)}, {figure(high)}]</span>}</td>
                  <td className="n">{figure(one.comparison.p, 3)}</td><td className="n">{figure(one.p_holm, 3)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function testOf({ world, swap, temperature }: { world: string; swap: string; temperature: number }): string {
  return [world, swap, `temperature ${temperature}`].filter(Boolean).join(", ");
}
