import { useEffect, useRef } from "react";
import { follow } from "../data/follow";
import { paths } from "../data/paths";
import { source } from "../data/source";
import type { RunPage } from "../records";

const AT_MOST_EVERY = 1000;

/** Calls back when something of a run that is being written has changed, once a second at most. */
export function useRunStream(page: RunPage, changed: () => void, stepped?: (line: unknown) => void): void {
  const latest = useRef({ changed, stepped });
  latest.current = { changed, stepped };
  const watch = source.live && (page.writing || page.open > 0);
  useEffect(() => {
    if (!watch) return;
    let timer = 0;
    const soon = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        latest.current.changed();
      }, AT_MOST_EVERY);
    };
    const stop = follow({
      path: () => `${paths.run(page.id)}/stream`,
      kinds: { episode: soon, step: (line) => latest.current.stepped?.(line), writing: (is) => is === false && soon() },
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [page.id, watch]);
}
