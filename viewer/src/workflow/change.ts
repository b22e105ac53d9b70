/** What an edit did to a workflow, read off the tree before and after it. */
import type { Workflow, WorkflowNode } from "../records";
import { homes, owner, walk } from "./tree";

export type Mark = "added" | "changed" | "wrapped" | "moved";

export interface Change {
  readonly marks: ReadonlyMap<string, Mark>;
  /** Nodes that are gone, a structure without naming what was inside it too. */
  readonly removed: readonly WorkflowNode[];
}

export const UNCHANGED: Change = { marks: new Map(), removed: [] };

/** What stands in `after` and not, or otherwise, in `before`. */
export function change(before: Workflow, after: Workflow): Change {
  if (before === after) return UNCHANGED;
  const [old, now] = [byId(before), byId(after)];
  const [oldHomes, newHomes] = [homes(before.nodes), homes(after.nodes)];
  const marks = new Map<string, Mark>();
  for (const [id, node] of now) {
    const was = old.get(id);
    if (!was) marks.set(id, "added");
    else if (differs(was, node)) marks.set(id, "changed");
  }
  for (const id of now.keys()) {
    const [from, to] = [oldHomes.get(id), newHomes.get(id)];
    if (from === undefined || to === undefined || from === to) continue;
    if (!marks.has(id)) marks.set(id, "moved");
    if (marks.get(owner(to)) === "added") marks.set(owner(to), "wrapped");
  }
  const gone = (id: string) => old.has(id) && !now.has(id);
  const removed = [...old.values()].filter(({ id }) => gone(id) && !gone(owner(oldHomes.get(id) ?? "")));
  return { marks, removed };
}

function byId(workflow: Workflow): Map<string, WorkflowNode> {
  return new Map([...walk(workflow.nodes)].map((node) => [node.id, node]));
}

function differs(was: WorkflowNode, node: WorkflowNode): boolean {
  if (was.type === "step" && node.type === "step")
    return was.operator !== node.operator || was.prompt !== node.prompt || was.backend !== node.backend;
  return was.type === "loop" && node.type === "loop" && was.count !== node.count;
}
