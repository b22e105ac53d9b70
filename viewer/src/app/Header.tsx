import { type FormEvent, type MouseEvent, type RefObject } from "react";
import { source } from "../data/source";
import { Inline } from "../text/Text";
import { Icon } from "./Icon";
import { Link } from "./Link";
import type { Route } from "./route";
import type { Theme } from "./theme";
import { go } from "./useRoute";

interface Props {
  route: Route;
  theme: Theme;
  nextTheme: () => void;
  showKeys: () => void;
  search: RefObject<HTMLInputElement | null>;
}

export function Header({ route, theme, nextTheme, showKeys, search }: Props) {
  const seek = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    go({ view: "search", q: search.current?.value.trim() ?? "" });
  };
  return (
    <header className="top">
      <a className="skip" href="#content" onClick={toContent}>Skip to the content</a>
      <nav aria-label="Where you are" className="trail">
        <Link to={{ view: "runs" }} className="brand" label="FlowSteer, all runs"><Mark /> <span>FlowSteer</span></Link>
        {"run" in route && <Trail route={route} />}
      </nav>
      <form role="search" onSubmit={seek} className="search">
        <input ref={search} type="search" name="q" placeholder={source.live ? "Search all runs" : "Search"} aria-label="Search questions, answers, workflows and failures" maxLength={200} defaultValue={route.view === "search" ? route.q : ""} key={route.view === "search" ? route.q : ""} />
        <kbd aria-hidden="true">/</kbd>
      </form>
      <button type="button" className="icon" onClick={nextTheme} aria-label={`Theme: ${theme}; change`} title={`Theme: ${theme}`}>
        <Icon name={theme} />
      </button>
      <button type="button" className="icon" onClick={showKeys} aria-label="Show the keys" title="Keys">?</button>
    </header>
  );
}

/** The address is the place in the viewer, so a jump within the page is made by hand. */
function toContent(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector("main")?.focus();
}

function Trail({ route }: { route: Extract<Route, { run: string }> }) {
  const { run } = route;
  const name = run === "~" ? "this run" : run;
  return (
    <>
      <span className="sep" aria-hidden="true">/</span>
      <Link to={{ view: "run", run }} current={route.view === "run"}><Inline text={name} /></Link>
      {route.view !== "run" && (
        <>
          <span className="sep" aria-hidden="true">/</span>
          {route.view === "episode" ? (
            <Link to={{ view: "episodes", run, filter: {} }}>episodes</Link>
          ) : (
            <span aria-current="page">{route.view}</span>
          )}
        </>
      )}
    </>
  );
}

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
      <path d="M12 4v3M12 7C12 11 6 9 6 13M12 7c0 4 6 2 6 6M6 13c0 4 6 2 6 6M18 13c0 4-6 2-6 6" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />
      <circle cx="12" cy="4" r="2.2" fill="currentColor" />
      <circle cx="6" cy="13" r="2.2" className="mark-a" />
      <circle cx="18" cy="13" r="2.2" className="mark-b" />
      <circle cx="12" cy="20" r="2.2" fill="currentColor" />
    </svg>
  );
}
