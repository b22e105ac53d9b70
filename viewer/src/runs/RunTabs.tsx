import { Link } from "../app/Link";
import type { Route } from "../app/route";
import type { RunPage } from "../records";
import { Inline } from "../text/Text";

/** The name of a run and the ways to look at it. */
export function RunTabs({ page, view }: { page: RunPage; view: Route["view"] }) {
  const { id: run } = page;
  const tabs: [label: string, to: Route][] =
    page.kind === "study"
      ? [["Study", { view: "study", run }]]
      : [
          ["Overview", { view: "run", run }],
          ["Episodes", { view: "episodes", run, filter: {} }],
        ];
  if (page.training) tabs.push(["Training", { view: "training", run }], ["Groups", { view: "groups", run, step: null }]);
  return (
    <div className="title tabs-title">
      <h1><span className={`kind kind-${page.kind}`}>{page.kind}</span> <Inline text={page.name} /></h1>
      {page.writing && <span className="live-dot" role="status">being written</span>}
      <nav aria-label="Views of the run" className="tabs">
        {tabs.map(([label, to]) => <Link key={label} to={to} current={to.view === view}>{label}</Link>)}
      </nav>
    </div>
  );
}
