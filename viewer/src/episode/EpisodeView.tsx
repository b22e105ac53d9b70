import { useCallback, useEffect, useState } from "react";
import { Answered } from "../app/Answered";
import { Icon } from "../app/Icon";
import { Link } from "../app/Link";
import { useKeys } from "../app/useKeys";
import { go, note } from "../app/useRoute";
import type { EpisodePage, EpisodeStarted } from "../records";
import { Inline } from "../text/Text";
import { visible } from "../text/visible";
import { Branch } from "./Branch";
import { NodePanel } from "./NodePanel";
import { OutcomePanel } from "./OutcomePanel";
import { Question } from "./Question";
import { Seat } from "./Seat";
import { Stage } from "./Stage";
import { TurnPanel } from "./TurnPanel";
import { useEpisode, type Watched } from "./useEpisode";
import { usePlayer } from "./usePlayer";

interface Props {
  run: string;
  episode: string;
  stop: number | null;
  node: string | null;
}

export function EpisodeView(props: Props) {
  const watched = useEpisode(props.run, props.episode);
  return <Answered of={watched}>{(page) => <Theatre {...props} page={page} watched={watched} />}</Answered>;
}

/** Browsers take only so many changes of the address a second. */
const SETTLED = 250;

function Theatre({ run, episode, stop, node, page, watched }: Props & { page: EpisodePage; watched: Watched }) {
  const player = usePlayer(page, watched.events, watched.live, stop);
  const [selected, select] = useState<string | null>(node);
  const { at, stop: here, played } = player;
  const last = player.stops.length - 1;
  useEffect(() => {
    const timer = window.setTimeout(() => note({ view: "episode", run, episode, stop: at === last ? null : at, node: selected }), SETTLED);
    return () => window.clearTimeout(timer);
  }, [run, episode, at, last, selected]);
  const to = (other: string | null) => other && go({ view: "episode", run, episode: other, stop: null, node: null });
  useKeys({ Escape: () => select(null), "[": () => to(page.previous), "]": () => to(page.next) });
  const toggle = useCallback((id: string | null) => select((now) => (now === id ? null : id)), []);
  const maxTurns = played.started?.settings?.max_turns ?? 0;
  return (
    <div className="theatre">
      <div className="prologue">
        <Question started={played.started} />
        <Facts page={page} watched={watched} started={played.started} />
      </div>
      <Stage player={player} selected={selected} select={toggle} />
      <aside className="panel" aria-label={selected ? "The node" : "The turn"} aria-live={watched.live ? "polite" : undefined}>
        {watched.live && <Seat episode={episode} played={played} selected={selected} />}
        {selected ? <NodePanel player={player} id={selected} close={() => select(null)} />
          : here?.end ? <OutcomePanel page={page} played={played} />
          : here ? <TurnPanel run={run} turn={here.turn} maxTurns={maxTurns} operators={player.operators} select={toggle} />
          : <p className="empty">Nothing has happened yet.</p>}
        {!selected && here && <Branch page={page} turn={here.turn.number} live={watched.live} />}
      </aside>
    </div>
  );
}

function Facts({ page, watched, started }: { page: EpisodePage; watched: Watched; started: EpisodeStarted | null }) {
  const { run, summary, parent } = page;
  const system = summary?.system ?? started?.director;
  return (
    <p className="episode-facts">
      {watched.live && <span className="live-dot">{watched.connected ? "live" : "reconnecting…"}</span>}
      {page.number !== null && <span>episode {page.number}</span>}
      {page.state === "lost" && <span className="bad">broke off{summary?.lost ? `: ${summary.lost.kind}` : ""}</span>}
      {system && <span className="mono clip" title={visible(system)}><Inline text={system} /></span>}
      {summary?.task && <Link to={{ view: "episodes", run, filter: { q: `task:${summary.task}` } }}><Inline text={summary.task} /></Link>}
      {parent && <span>branched from <Link to={{ view: "episode", run: page.parent_run ?? run, episode: parent, stop: null, node: null }}>its parent</Link>{page.parent_turn !== null && ` after turn ${page.parent_turn}`}</span>}
      <span className="steps">
        {page.previous && <Link to={{ view: "episode", run, episode: page.previous, stop: null, node: null }} label="Episode before" className="icon"><Icon name="left" /></Link>}
        {page.next && <Link to={{ view: "episode", run, episode: page.next, stop: null, node: null }} label="Episode after" className="icon"><Icon name="right" /></Link>}
      </span>
    </p>
  );
}
