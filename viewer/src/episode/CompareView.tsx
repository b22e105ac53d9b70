import { useCallback, useState } from "react";
import { Answered } from "../app/Answered";
import { Link } from "../app/Link";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import type { ComparePage, EpisodePage } from "../records";
import { brief, figure, seconds } from "../text/figures";
import { Inline } from "../text/Text";
import { NodePanel } from "./NodePanel";
import { OutcomePanel } from "./OutcomePanel";
import { Question } from "./Question";
import { Stage } from "./Stage";
import { TurnPanel } from "./TurnPanel";
import { usePlayer } from "./usePlayer";

/** Two episodes side by side, each with its own turns. */
export function CompareView({ run, left, right }: { run: string; left: string; right: string }) {
  const both = useResource<ComparePage>(paths.compare(run, left, right));
  return (
    <Answered of={both}>
      {(pages) => (
        <div className="compare">
          <Side key={pages.left.episode} page={pages.left} side="Left" keys />
          <Side key={`${pages.right.episode} `} page={pages.right} side="Right" keys={false} />
        </div>
      )}
    </Answered>
  );
}

function Side({ page, side, keys }: { page: EpisodePage; side: string; keys: boolean }) {
  const player = usePlayer(page, page.events, false, null);
  const [selected, select] = useState<string | null>(null);
  const { stop: here, played } = player;
  const { summary } = page;
  const toggle = useCallback((id: string | null) => select((now) => (now === id ? null : id)), []);
  return (
    <section className="side" aria-label={side}>
      <div className="prologue">
        <Question started={played.started} />
        <p className="episode-facts">
          <Link to={{ view: "episode", run: page.run, episode: page.episode, stop: null, node: null }}>episode {page.number}</Link>
          <span className="mono clip"><Inline text={summary?.system ?? ""} /></span>
          <span>score {figure(summary?.score)}</span>
          {summary && <span>{brief(summary.director_tokens + summary.executor_tokens)} tokens</span>}
          <span>{seconds(summary?.seconds)}</span>
        </p>
      </div>
      <Stage player={player} selected={selected} select={toggle} keys={keys} />
      <div className="panel">
        {selected ? <NodePanel player={player} id={selected} close={() => select(null)} />
          : here?.end ? <OutcomePanel page={page} played={played} />
          : here && <TurnPanel run={page.run} turn={here.turn} maxTurns={played.started?.settings?.max_turns ?? 0} operators={player.operators} select={toggle} />}
      </div>
    </section>
  );
}
