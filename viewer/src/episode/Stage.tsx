import { useMemo } from "react";
import { toDsl } from "../workflow/tree";
import { Canvas } from "./Canvas";
import { Scrubber } from "./Scrubber";
import type { Player } from "./usePlayer";
import { EMPTY } from "../workflow/tree";
import { UNCHANGED } from "../workflow/change";

/** The canvas and the turns below it. */
export function Stage({ player, selected, select, keys = true }: { player: Player; selected: string | null; select: (id: string | null) => void; keys?: boolean }) {
  const { played, stop } = player;
  const workflow = stop?.turn.workflow ?? EMPTY;
  const workflows = useMemo(() => [...new Set(played.turns.map((turn) => turn.workflow))], [played.turns]);
  const dsl = toDsl(workflow.nodes);
  return (
    <div className="stage">
      <Canvas workflow={workflow} workflows={workflows} change={stop && !stop.end ? stop.turn.change : UNCHANGED} flow={player.flow} standings={player.standings}
        operators={player.operators} selected={selected} select={select} label={`Workflow: ${dsl || "empty"}`} />
      <Scrubber player={player} keys={keys} />
    </div>
  );
}
