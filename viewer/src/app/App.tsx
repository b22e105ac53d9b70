import { useEffect, useMemo, useRef, useState } from "react";
import { EpisodeView } from "../episode/EpisodeView";
import { CompareView } from "../episode/CompareView";
import { EpisodesView } from "../runs/EpisodesView";
import { RunsView } from "../runs/RunsView";
import { RunView } from "../runs/RunView";
import { SearchView } from "../runs/SearchView";
import { GroupsView } from "../training/GroupsView";
import { StudyView } from "../training/StudyView";
import { TrainingView } from "../training/TrainingView";
import { Header } from "./Header";
import { KeysHelp } from "./KeysHelp";
import { Link } from "./Link";
import { parse, type Route } from "./route";
import { useTheme } from "./theme";
import { useKeys } from "./useKeys";
import { useHash } from "./useRoute";

export function App() {
  const hash = useHash();
  const route = useMemo(() => parse(hash), [hash]);
  const [theme, nextTheme] = useTheme();
  const [keysShown, showKeys] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useKeys({ "?": () => showKeys(true), t: nextTheme, "/": () => search.current?.focus() });
  useEffect(() => {
    document.title = title(route);
  }, [route]);
  return (
    <>
      <Header route={route} theme={theme} nextTheme={nextTheme} showKeys={() => showKeys(true)} search={search} />
      <main id="content" tabIndex={-1} className={`view-${route.view}`}><View route={route} /></main>
      <KeysHelp open={keysShown} close={() => showKeys(false)} />
    </>
  );
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case "runs":
      return <RunsView />;
    case "search":
      return <SearchView q={route.q} />;
    case "run":
      return <RunView key={route.run} run={route.run} />;
    case "episodes":
      return <EpisodesView key={route.run} run={route.run} filter={route.filter} />;
    case "episode":
      return <EpisodeView key={`${route.run} ${route.episode}`} {...route} />;
    case "compare":
      return <CompareView {...route} />;
    case "training":
      return <TrainingView key={route.run} run={route.run} />;
    case "groups":
      return <GroupsView run={route.run} step={route.step} />;
    case "study":
      return <StudyView run={route.run} />;
    case "unknown":
      return (
        <div className="notice" role="alert">
          <h1>There is no such page</h1>
          <p><Link to={{ view: "runs" }}>All runs</Link></p>
        </div>
      );
  }
}

function title(route: Route): string {
  const where = "run" in route ? `${route.view === "run" ? "" : `${route.view} · `}${route.run}` : route.view;
  return `${where} · FlowSteer`;
}
