import { useEffect, useRef } from "react";
import { follow } from "../data/follow";
import { paths } from "../data/paths";
import { source } from "../data/source";
import type { RunPage } from "../records";

const AT_MOST_EVERY = 1000;

/** What is heard of a training: each step, and that all steps from now on are heard. */
export interface Steps {
  readonly stepped: (line: unknown) => void;
  readonly began: () => void;
}

/** Calls back when something of a run that is being written has changed, once a second at most. */
export function useRunStream(page: RunPage, changed: () => void, steps?: Steps): void {
  const latest = useRef({ changed, steps });
  latest.current = { changed, steps };
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
    let heard = false;
    const writing = (is: unknown) => {
      if (!heard) latest.current.steps?.began();
      heard = true;
      if (is === false) soon();
    };
    const stop = follow({
      path: (_, last) => paths.stream(page.id, last),
      kinds: { episode: soon, step: (line) => latest.current.steps?.stepped(line), writing },
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [page.id, watch]);
}
