/** The tree of a workflow: its containers by name, its nodes in reading order. */
import type { Step, Workflow, WorkflowNode } from "../records";

export type Sequence = readonly WorkflowNode[];
export type Structure = Exclude<WorkflowNode, Step>;

export const EMPTY: Workflow = { version: 1, next_number: 1, nodes: [] };

/** A node's containers by name, in drawing order: `node_3.1`, `node_3.true` (the check FAILED), `node_6` (a loop's body). */
export function inside(node: WorkflowNode): [name: string, sequence: Sequence][] {
  switch (node.type) {
    case "step":
      return [];
    case "parallel":
      return node.branches.map((branch, index) => [`${node.id}.${index + 1}`, branch]);
    case "conditional":
      return [
        [`${node.id}.true`, node.if_fail],
        [`${node.id}.false`, node.if_pass],
      ];
    case "loop":
      return [[node.id, node.body]];
  }
}

/** All nodes in reading order, a structure before its contents, a conditional's check first among them. */
export function* walk(nodes: Sequence): Generator<WorkflowNode> {
  for (const node of nodes) {
    yield node;
    if (node.type === "conditional") yield node.check;
    for (const [, sequence] of inside(node)) yield* walk(sequence);
  }
}

/** All steps in reading order, checks included. */
export function steps(nodes: Sequence): Step[] {
  return [...walk(nodes)].filter((node) => node.type === "step");
}

/** The container each node stands in, `""` for the top level; a check stands in its conditional. */
export function homes(nodes: Sequence, home = "", found = new Map<string, string>()): Map<string, string> {
  for (const node of nodes) {
    found.set(node.id, home);
    if (node.type === "conditional") found.set(node.check.id, `${node.id}.check`);
    for (const [name, sequence] of inside(node)) homes(sequence, name, found);
  }
  return found;
}

/** The structure that owns a container: `node_3` of `node_3.1`. */
export function owner(container: string): string {
  return container.split(".")[0] ?? "";
}

/** The workflow as one line of text, as the rest of FlowSteer writes it. */
export function toDsl(nodes: Sequence): string {
  return nodes.map(term).join(" -> ");
}

function term(node: WorkflowNode): string {
  switch (node.type) {
    case "step":
      return step(node);
    case "parallel":
      return `[${node.branches.map(toDsl).join(", ")}]`;
    case "loop":
      return `(${toDsl(node.body)}) * ${node.count}`;
    case "conditional":
      return `${step(node.check)} ? ${branch(node.if_fail)} : ${branch(node.if_pass)}`;
  }
}

/** An operator, and its backend if it names one: in quotes unless that is a plain name. */
function step({ operator, backend }: Step): string {
  if (!backend) return operator;
  return `${operator}@${/^\w+([.-]\w+)*$/.test(backend) ? backend : `"${backend}"`}`;
}

function branch(nodes: Sequence): string {
  if (nodes.length === 0) return "done";
  const only = nodes.length === 1 ? nodes[0] : undefined;
  return only && only.type !== "conditional" ? term(only) : `(${toDsl(nodes)})`;
}
