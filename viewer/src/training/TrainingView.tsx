import { useMemo } from "react";
import { Answered } from "../app/Answered";
import { Link } from "../app/Link";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import type { RunPage, TrainingPage, WorkflowFrequency } from "../records";
import { RunTabs } from "../runs/RunTabs";
import { count, percent } from "../text/figures";
import { Inline } from "../text/Text";
import { Curve } from "./Curve";
import { rejected } from "./rejected";
import { charts } from "./series";
import { useTraining } from "./useTraining";

export function TrainingView({ run }: { run: string }) {
  const page = useResource<RunPage>(paths.run(run));
  return <Answered of={page}>{(data) => <Training page={data} />}</Answered>;
}

function Training({ page }: { page: RunPage }) {
  const training = useTraining(page);
  const { lines, data } = training;
  const steps = useMemo(() => lines.map((line) => line.step ?? 0), [lines]);
  const drawn = useMemo(() => charts(lines), [lines]);
  const refused = useMemo(() => (data ? rejected(data) : null), [data]);
  return (
    <div className="page wide">
      <RunTabs page={page} view="training" />
      <Answered of={training}>
        {({ verdicts, workflows }) => (
          <>
            {verdicts.length > 0 && (
              <section aria-labelledby="verdicts">
                <h2 id="verdicts">What the autopsy says</h2>
                <ul className="verdicts">{verdicts.map(({ verdict, text }, index) => <li key={index}><strong><Inline text={verdict} /></strong> <Inline text={text} /></li>)}</ul>
              </section>
            )}
            {lines.length === 0 ? <p className="empty">No step has been made yet.</p> : (
              <section aria-labelledby="curves">
                <h2 id="curves">Curves <span className="dim">{count(lines.length)} steps; thin: each step, thick: running mean</span></h2>
                <div className="charts">
                  {drawn.map((chart) => <Curve key={chart.title} chart={chart} steps={steps} />)}
                  {refused && <Curve chart={refused.chart} steps={refused.steps} />}
                </div>
              </section>
            )}
            <Workflows run={page.id} of={workflows} />
          </>
        )}
      </Answered>
    </div>
  );
}

function Workflows({ run, of: { before, after } }: { run: string; of: TrainingPage["workflows"] }) {
  const types = [...new Set([...before, ...after].map(({ type }) => type))];
  if (types.length === 0) return null;
  return (
    <section aria-labelledby="workflows">
      <h2 id="workflows">Workflows before and after</h2>
      <div className="before-after">
        {types.map((type) => (
          <div key={type} className="card">
            <h3>{type}</h3>
            {([["before", before], ["after", after]] as const).map(([when, rows]) => (
              <div key={when}>
                <p className="dim small">{when}</p>
                <ul>{rows.filter((row) => row.type === type).map((row) => <Frequent key={row.dsl} run={run} row={row} />)}</ul>
              </div>
            ))}
          </div>
        ))}
      </div>
    </section>
  );
}

function Frequent({ run, row }: { run: string; row: WorkflowFrequency }) {
  return (
    <li>
      <Link to={{ view: "episodes", run, filter: { q: row.dsl, type: row.type } }} className="mono"><Inline text={row.dsl || "(empty)"} /></Link>
      <span className="dim small"> {count(row.count)}×, right {percent(row.accuracy)}</span>
    </li>
  );
}
