import { Answered } from "../app/Answered";
import { Link } from "../app/Link";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import type { SearchPage } from "../records";
import { plural } from "../text/figures";
import { Inline } from "../text/Text";
import { Outcome } from "./EpisodesTable";

export function SearchView({ q }: { q: string }) {
  const found = useResource<SearchPage>(q ? paths.search(q) : null);
  if (!q) return <div className="page"><h1>Search</h1><p className="empty">Type what you look for: words of a question, an answer, a workflow or a failure.</p></div>;
  return (
    <div className="page">
      <div className="title"><h1>Search</h1><p className="dim">for “<Inline text={q} />”</p></div>
      <Answered of={found}>
        {({ rows }) =>
          rows.length === 0 ? <p className="empty">Nothing was found.</p> : (
            <>
              <p className="dim" role="status">{plural(rows.length, "episode")}{rows.length === 50 && ", the first of them"}</p>
              <ul className="found">
                {rows.map(({ run, row }) => (
                  <li key={`${run} ${row.episode}`} className="card">
                    <Outcome row={row} />
                    <div>
                      <Link to={{ view: "episode", run, episode: row.episode, stop: null, node: null }} className="stretched"><Inline text={row.question || row.episode} /></Link>
                      <p className="dim mono"><Inline text={row.summary?.dsl || row.summary?.system || ""} /></p>
                    </div>
                    <span className="dim"><Inline text={run} /></span>
                  </li>
                ))}
              </ul>
            </>
          )
        }
      </Answered>
    </div>
  );
}
