import { Answered } from "../app/Answered";
import { Link } from "../app/Link";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import type { RunPage } from "../records";
import { count } from "../text/figures";
import { Block, Inline } from "../text/Text";
import { StudyView } from "../training/StudyView";
import { CostPlot } from "./CostPlot";
import { RunTabs } from "./RunTabs";
import { SystemsTable } from "./SystemsTable";
import { useReading } from "./useReading";
import { useRunStream } from "./useRunStream";

export function RunView({ run }: { run: string }) {
  const page = useResource<RunPage>(paths.run(run));
  return <Answered of={page}>{(data) => (data.kind === "study" ? <StudyView run={run} /> : <Run page={data} reload={page.reload} />)}</Answered>;
}

function Run({ page, reload }: { page: RunPage; reload: () => void }) {
  useRunStream(page, reload);
  useReading(page, reload);
  const { id: run } = page;
  return (
    <div className="page">
      <RunTabs page={page} view="run" />
      <ul className="tallies">
        <li><Link to={{ view: "episodes", run, filter: {} }}><strong>{count(page.finished)}</strong> finished</Link></li>
        {page.open > 0 && <li><Link to={{ view: "episodes", run, filter: { state: "open" } }} className="live-dot"><strong>{count(page.open)}</strong> in flight</Link></li>}
        {page.lost > 0 && <li><Link to={{ view: "episodes", run, filter: { state: "lost" } }}><strong>{count(page.lost)}</strong> lost</Link></li>}
      </ul>
      {page.systems.length > 0 && (
        <section aria-labelledby="systems"><h2 id="systems">Systems</h2><SystemsTable page={page} /></section>
      )}
      {page.indexed < 1 ? (
        <p className="empty" role="status">The run is read for the first time: {Math.floor(100 * page.indexed)} %.</p>
      ) : (
        <div className="two">
          <CostPlot page={page} />
          <Failures page={page} />
        </div>
      )}
      <details className="config">
        <summary>What the run was asked to do</summary>
        <Block text={JSON.stringify(page.config, null, 2)} code label="configuration" />
      </details>
    </div>
  );
}

function Failures({ page }: { page: RunPage }) {
  const { failures, id: run } = page;
  const most = Math.max(1, ...failures.map((one) => one.count));
  return (
    <section aria-labelledby="failures">
      <h2 id="failures">Failures by kind</h2>
      {failures.length === 0 ? <p className="empty">Nothing failed.</p> : (
        <ul className="bars">
          {failures.map(({ kind, count: number }) => (
            <li key={kind}>
              <Link to={{ view: "episodes", run, filter: { failure: kind } }}>
                <span className="bar-name"><Inline text={kind} /></span>
                <span className="bar-track"><span style={{ width: `${(100 * number) / most}%` }} /></span>
                <span className="bar-figure">{count(number)}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
