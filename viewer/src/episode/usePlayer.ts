import { useEffect, useMemo, useRef, useState } from "react";
import type { EpisodePage, Event } from "../records";
import { flows, type Flow, type Operators } from "./flow";
import { kept, type Standing, standings } from "./state";
import { type Stop, stopsOf } from "./stops";
import { played, type Played } from "./turns";

export interface Player {
  readonly run: string;
  readonly played: Played;
  readonly stops: readonly Stop[];
  readonly at: number;
  readonly stop: Stop | null;
  readonly flow: Flow | null;
  readonly standings: ReadonlyMap<string, Standing>;
  readonly operators: Operators;
  readonly live: boolean;
  readonly go: (at: number) => void;
}

/** An episode put in the order of its turns, and the turn one looks at: the last one, until another is chosen. */
export function usePlayer(page: EpisodePage, events: readonly Event[], live: boolean, asked: number | null): Player {
  const [chosen, choose] = useState<number | null>(asked);
  const whole = useMemo(() => played(events), [events]);
  const operators = useMemo(() => known(page, whole), [page, whole.started]);
  const stops = useMemo(() => stopsOf(whole), [whole]);
  const all = useMemo(() => flows(whole.turns, operators), [whole, operators]);
  const last = stops.length - 1;
  const at = chosen === null ? last : Math.max(0, Math.min(chosen, last));
  const stop = stops[at] ?? null;
  const flow = stop ? (all[whole.turns.indexOf(stop.turn)] ?? null) : null;
  const going = live && at === last && !stop?.turn.feedback;
  const former = useRef<ReadonlyMap<string, Standing>>(new Map());
  const states = useMemo(
    () => kept(former.current, stop && flow ? standings(stop.turn, flow, going) : new Map<string, Standing>()),
    [stop, flow, going],
  );
  useEffect(() => {
    former.current = states;
  }, [states]);
  const go = (to: number) => choose(live && to >= last ? null : Math.max(0, Math.min(to, last)));
  return { run: page.run, played: whole, stops, at, stop, flow, standings: states, operators, live, go };
}

/** What operators are: as the server says, else their categories as far as the record tells them. */
function known(page: EpisodePage, { started }: Played): Operators {
  if (Object.keys(page.operators ?? {}).length > 0) return page.operators;
  const categories = Object.entries(started?.settings?.rules.categories ?? {});
  return Object.fromEntries(categories.map(([name, category]) => [name, { category }]));
}
