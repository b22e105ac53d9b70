import { useEffect, useState } from "react";
import { follow } from "../data/follow";
import { paths } from "../data/paths";
import { source } from "../data/source";
import { type Resource, useResource } from "../data/useResource";
import type { EpisodePage, Event } from "../records";

export interface Watched extends Resource<EpisodePage> {
  readonly events: readonly Event[];
  /** Whether it is still going on. */
  readonly live: boolean;
  readonly connected: boolean;
}

/** An episode, with what happens in it as it happens. */
export function useEpisode(run: string, episode: string): Watched {
  const page = useResource<EpisodePage>(paths.episode(run, episode));
  const [more, setMore] = useState<{ of: EpisodePage | null; events: readonly Event[] }>({ of: null, events: [] });
  const [connected, setConnected] = useState(true);
  const { data, reload } = page;
  const live = source.live && data?.state === "open";
  useEffect(() => {
    if (!live || !data) return;
    const waiting: Event[] = [];
    let frame = 0;
    const flush = () => {
      frame = 0;
      const come = waiting.splice(0);
      setMore((held) => ({ of: data, events: held.of === data ? [...held.events, ...come] : come }));
    };
    const stop = follow({
      path: (seen) => `${paths.episode(run, episode)}/stream?after=${seen}`,
      counted: "fact",
      seen: data.events.length,
      connected: setConnected,
      kinds: {
        fact: (event) => {
          waiting.push(event as Event);
          frame ||= requestAnimationFrame(flush);
        },
        end: () => reload(),
      },
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [live, data, run, episode, reload]);
  const known = data?.events ?? [];
  const events = more.of === data && more.events.length > 0 ? [...known, ...more.events] : known;
  return { ...page, events, live, connected };
}
