import { memo } from "react";
import type { Structure } from "../workflow/tree";
import type { Mark } from "../workflow/change";
import type { Flow } from "./flow";

interface Props {
  node: Structure;
  came: string;
  mark: Mark | undefined;
  selected: boolean;
  select: (id: string) => void;
}

/** A structure: a box around its branches. */
export const GroupNode = memo(function GroupNode({ node, came, mark, selected, select }: Props) {
  const classes = ["group", `group-${node.type}`, mark && `mark-${mark}`, selected && "selected"].filter(Boolean).join(" ");
  return (
    <div className={classes}>
      <button type="button" className="group-head" aria-pressed={selected} onClick={() => select(node.id)}>
        <span className="group-name">{nameOf(node)}<span className="hidden"> {node.id} {mark}</span></span>
        {came && <span className="group-came">{came}</span>}
        {mark === "wrapped" && <span className="mark-word w-wrapped">wrapped</span>}
      </button>
    </div>
  );
});

export function nameOf(node: Structure): string {
  switch (node.type) {
    case "parallel":
      return "parallel";
    case "conditional":
      return "conditional";
    case "loop":
      return `loop ≤ ${node.count}×`;
  }
}

/** What happened to it: rounds of a loop, the branch taken. */
export function cameTo(node: Structure, flow: Flow | null): string {
  if (!flow) return "";
  switch (node.type) {
    case "parallel":
      return "";
    case "conditional":
      return flow.reached.has(`${node.id}.true`) ? "check failed" : flow.reached.has(`${node.id}.false`) ? "check passed" : "";
    case "loop": {
      const rounds = flow.rounds.get(node.id) ?? 0;
      return rounds === 0 ? "" : `${rounds} round${rounds === 1 ? "" : "s"}`;
    }
  }
}
