import { useEffect, useState } from "react";
import { Answered } from "../app/Answered";
import { Link } from "../app/Link";
import { paths } from "../data/paths";
import { source } from "../data/source";
import { useResource } from "../data/useResource";
import type { RunListed, RunsPage } from "../records";
import { ago, count, percent } from "../text/figures";
import { Inline } from "../text/Text";
import { RunView } from "./RunView";

export function RunsView() {
  const runs = useResource<RunsPage>(paths.runs);
  const { data, reload } = runs;
  useEffect(() => {
    if (!data?.runs.some(growing)) return;
    const timer = window.setTimeout(reload, LOOK_AGAIN);
    return () => window.clearTimeout(timer);
  }, [data, reload]);
  return (
    <Answered of={runs}>
      {(page) => {
        const [only, ...others] = page.runs;
        return !source.live && only && others.length === 0 ? <RunView run={only.id} /> : <Runs page={page} />;
      }}
    </Answered>
  );
}

const LOOK_AGAIN = 2000;

/** Whether more will be told of a run soon: it is being written, or not all of it is listed yet. */
function growing(run: RunListed): boolean {
  return run.open > 0 || run.indexed < 1;
}

function Runs({ page }: { page: RunsPage }) {
  const [q, setQ] = useState("");
  const [kind, setKind] = useState("");
  const kinds = [...new Set(page.runs.map((run) => run.kind))];
  const shown = page.runs.filter((run) => (!kind || run.kind === kind) && matches(run, q));
  return (
    <div className="page">
      <div className="title">
        <h1>Runs</h1>
        <p className="dim"><Inline text={page.root} className="mono" /></p>
      </div>
      <div className="bar" role="group" aria-label="Filter">
        <input type="search" value={q} onChange={(event) => setQ(event.target.value)} placeholder="Name, system, dataset" aria-label="Filter runs by name, system or dataset" />
        <div className="chips" role="group" aria-label="Kind">
          {["", ...kinds].map((one) => (
            <button type="button" key={one} aria-pressed={kind === one} onClick={() => setKind(one)}>{one || "all"}</button>
          ))}
        </div>
      </div>
      {shown.length === 0 ? (
        <p className="empty">{page.runs.length === 0 ? "No run has been made here yet. Try: flowsteer solve, eval or train with --run." : "No run matches."}</p>
      ) : (
        <ul className="runs">{shown.map((run) => <Run key={run.id} run={run} />)}</ul>
      )}
    </div>
  );
}

function Run({ run }: { run: RunListed }) {
  const [first, ...others] = run.systems;
  return (
    <li className="card run">
      <div className="run-name">
        <span className={`kind kind-${run.kind}`}>{run.kind}</span>
        <Link to={{ view: run.kind === "study" ? "study" : "run", run: run.id }} className="stretched"><Inline text={run.id === "~" ? run.name : run.id} /></Link>
        {run.open > 0 && <span className="live-dot">{run.open} open</span>}
      </div>
      <p className="run-what dim">
        {first && <Inline text={first} className="mono clip" />}
        {others.length > 0 && <span> and {others.length} more</span>}
        {run.error && <span>cannot be read: <Inline text={run.error} /></span>}
        {run.datasets.length > 0 && <span className="run-data"><Inline text={run.datasets.join(", ")} /></span>}
      </p>
      <dl className="run-figures">
        <div><dt>episodes</dt><dd>{count(run.finished)}</dd></div>
        {run.lost > 0 && <div><dt>lost</dt><dd>{count(run.lost)}</dd></div>}
        <div><dt>score</dt><dd>{percent(run.accuracy)}</dd></div>
        <div><dt>last written</dt><dd>{ago(run.modified)}</dd></div>
      </dl>
    </li>
  );
}

function matches(run: RunListed, q: string): boolean {
  const text = [run.id, run.name, run.kind, ...run.systems, ...run.datasets].join("\n").toLowerCase();
  return q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
