import { useEffect, useState } from "react";
import { Answered } from "../app/Answered";
import { Link } from "../app/Link";
import { address, type Filter } from "../app/route";
import { note } from "../app/useRoute";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import type { RunPage } from "../records";
import { count, plural } from "../text/figures";
import { Inline } from "../text/Text";
import { EpisodesTable } from "./EpisodesTable";
import { Filters } from "./Filters";
import { usePagedRows } from "./pagedRows";
import { RunTabs } from "./RunTabs";
import { useReading } from "./useReading";
import { useRunStream } from "./useRunStream";

export function EpisodesView({ run, filter: asked }: { run: string; filter: Filter }) {
  const page = useResource<RunPage>(paths.run(run));
  return <Answered of={page}>{(data) => <Episodes key={address({ view: "episodes", run, filter: asked })} page={data} asked={asked} reload={page.reload} />}</Answered>;
}

function Episodes({ page, asked, reload }: { page: RunPage; asked: Filter; reload: () => void }) {
  const run = page.id;
  const [filter, setFilter] = useState(asked);
  const [picked, setPicked] = useState<readonly string[]>([]);
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();
  const rows = usePagedRows(`${paths.episodes(run)}${query ? `?${query}` : ""}`);
  useEffect(() => note({ view: "episodes", run, filter }), [run, filter]);
  useRunStream(page, () => {
    rows.refresh();
    reload();
  });
  useReading(page, reload);
  const { refresh } = rows;
  useEffect(() => refresh(), [page.indexed, refresh]);
  const pick = (episode: string) =>
    setPicked((now) => (now.includes(episode) ? now.filter((one) => one !== episode) : [...now, episode].slice(-2)));
  const [left, right] = picked;
  return (
    <div className="page wide fill">
      <RunTabs page={page} view="episodes" />
      <Filters page={page} filter={filter} narrow={setFilter}>
        <p className="matched" role="status">
          {rows.total === null ? "…" : rows.matched === rows.total ? plural(rows.total, "episode") : `${count(rows.matched)} of ${count(rows.total)}`}
          {page.indexed < 1 && `, ${Math.floor(100 * page.indexed)} % of the run read`}
        </p>
        {left && right ? (
          <Link to={{ view: "compare", run, left, right }} className="button">Compare the two</Link>
        ) : (
          <span className="dim hint">{left ? "Tick one more to compare" : "Tick two to compare"}</span>
        )}
      </Filters>
      {rows.error ? (
        <div className="notice" role="alert"><strong><Inline text={rows.error.message} /></strong><p><Inline text={rows.error.hint} /></p></div>
      ) : rows.total !== null && rows.matched === 0 ? (
        <p className="empty">No episode matches. <button type="button" className="quiet" onClick={() => setFilter({})}>Show all</button></p>
      ) : (
        <EpisodesTable run={run} rows={rows} filter={filter} narrow={setFilter} picked={picked} pick={pick} />
      )}
    </div>
  );
}
