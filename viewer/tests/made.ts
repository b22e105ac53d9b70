/** Workflows and events for tests. */
import type { Draft, EditApplied, Event, NodeRan, Workflow, WorkflowNode } from "../src/records";

export const step = (number: number, operator = "Custom", prompt?: string): Extract<WorkflowNode, { type: "step" }> => ({
  type: "step", id: `node_${number}`, operator, ...(prompt ? { prompt } : {}),
});
export const parallel = (number: number, ...branches: WorkflowNode[][]): WorkflowNode => ({ type: "parallel", id: `node_${number}`, branches });
export const loop = (number: number, count: number, ...body: WorkflowNode[]): WorkflowNode => ({ type: "loop", id: `node_${number}`, count, body });
export const conditional = (number: number, check: Extract<WorkflowNode, { type: "step" }>, if_fail: WorkflowNode[], if_pass: WorkflowNode[] = []): WorkflowNode => ({
  type: "conditional", id: `node_${number}`, check, if_fail, if_pass,
});
export const workflow = (...nodes: WorkflowNode[]): Workflow => ({ version: 1, next_number: 99, nodes });

export const edit = (turn: number, after: Workflow, ...fresh: string[]): EditApplied => ({
  kind: "edit_applied", turn, echo: "done", new: fresh, dsl: "", workflow: after,
});

export const ran = (turn: number, node: number, operator: string, wrote: Draft, more: Partial<NodeRan> = {}): NodeRan => ({
  kind: "node_ran", turn, node: `node_${node}`, operator, iteration: [], memo: false, wrote, failure: null, backend: "simulated:",
  usage: { calls: 1, prompt_tokens: 10, completion_tokens: 5, seconds: 0, cost: 0 }, retries: 0, seconds: 0.1, requests: [],
  ...more,
});

export const verdict = (passed: boolean) => ({ passed, feedback: "", confidence: null, by: "Verify" });

export const OPERATORS = {
  Plan: { category: "planning", reads: ["subproblems"], writes: ["plan"] },
  Custom: { category: "solving", reads: ["plan"], writes: ["solution", "code", "output", "candidates", "verdict", "answer"] },
  Verify: { category: "verification", reads: ["answer"], writes: ["verdict"] },
  Revise: { category: "revision", reads: ["answer", "verdict"], writes: ["solution", "code", "output", "candidates", "verdict", "answer"] },
  ScEnsemble: { category: "ensemble", reads: ["candidates"], writes: ["solution", "code", "output", "candidates", "verdict", "answer"] },
};

export type { Event };
