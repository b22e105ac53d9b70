/**
 * The way a draft takes through the workflow of each turn, from the records of its nodes: which steps it passes, in which
 * iterations, with what going in and coming out, which branches are taken. It follows the executor's own rules: a failed
 * step changes nothing, a check's verdict decides a conditional and ends a loop, branches start from the same draft.
 */
import type { Draft, NodeRan, Step, Workflow, WorkflowNode } from "../records";
import { inside, type Sequence, toDsl } from "../workflow/tree";
import type { Turn } from "./turns";

export interface OperatorFacts {
  readonly category: string;
  /** Fields of the draft that it reads and writes, where that is told. */
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
}
export type Operators = Readonly<Record<string, OperatorFacts>>;

export interface Visit {
  readonly iteration: readonly number[];
  readonly before: Draft;
  /** What was recorded; null while it has not run. */
  readonly run: NodeRan | null;
  readonly after: Draft;
}

export interface Flow {
  readonly visits: ReadonlyMap<string, readonly Visit[]>;
  /** Containers that the draft entered, such as `node_3.1`; `""` is the top level. */
  readonly reached: ReadonlySet<string>;
  /** Loops by how often their body ran. */
  readonly rounds: ReadonlyMap<string, number>;
  readonly draft: Draft;
}

const NEW_SOLUTION = ["solution", "code", "output", "candidates", "verdict", "answer"];

/** The flow at the end of each turn, in their order. */
export function flows(turns: readonly Turn[], operators: Operators): Flow[] {
  const remembered = new Map<string, NodeRan>();
  return turns.map((turn) => new Walk(turn, operators, remembered).through(turn.workflow));
}

class Walk {
  private readonly visits = new Map<string, Visit[]>();
  private readonly reached = new Set<string>([""]);
  private readonly rounds = new Map<string, number>();
  private readonly fresh: Map<string, NodeRan>;

  constructor(
    turn: Turn,
    private readonly operators: Operators,
    private readonly remembered: Map<string, NodeRan>,
  ) {
    this.fresh = new Map(turn.runs.map((run) => [`${run.node} ${run.iteration}`, run]));
  }

  through(workflow: Workflow): Flow {
    const [draft] = this.sequence(workflow.nodes, {}, [], false);
    return { visits: this.visits, reached: this.reached, rounds: this.rounds, draft };
  }

  /** The draft behind the nodes, and whether a check passed that ends the loop around; null if it has not come so far. */
  private sequence(nodes: Sequence, start: Draft, at: number[], inLoop: boolean): [Draft, boolean, stuck?: true] {
    let draft = start;
    for (const node of nodes) {
      const [next, passed, stuck] = this.node(node, draft, at, inLoop);
      draft = next;
      if (stuck) return [draft, false, true];
      if (passed && inLoop) return [draft, true];
    }
    return [draft, false];
  }

  private node(node: WorkflowNode, draft: Draft, at: number[], inLoop: boolean): [Draft, boolean, stuck?: true] {
    switch (node.type) {
      case "step": {
        const { after, verdict, run } = this.step(node, draft, at);
        return run ? [after, verdict === true] : [after, false, true];
      }
      case "conditional":
        return this.conditional(node, draft, at, inLoop);
      case "loop":
        return this.loop(node, draft, at);
      case "parallel":
        return this.parallel(node, draft, at);
    }
  }

  private conditional(
    node: Extract<WorkflowNode, { type: "conditional" }>,
    start: Draft,
    at: number[],
    inLoop: boolean,
  ): [Draft, boolean, stuck?: true] {
    const { after, verdict, run } = this.step(node.check, start, at);
    if (!run) return [after, false, true];
    if (verdict === null) return [after, false];
    this.reached.add(`${node.id}.${verdict ? "false" : "true"}`);
    if (!verdict) return this.sequence(node.if_fail, after, at, inLoop);
    const [draft, , stuck] = this.sequence(node.if_pass, after, at, inLoop);
    return stuck ? [draft, false, true] : [draft, true];
  }

  private loop(node: Extract<WorkflowNode, { type: "loop" }>, start: Draft, at: number[]): [Draft, boolean, stuck?: true] {
    let draft = start;
    this.reached.add(node.id);
    for (let round = 0; round < node.count; round += 1) {
      const [next, passed, stuck] = this.sequence(node.body, draft, [...at, round], true);
      this.rounds.set(node.id, round + 1);
      draft = next;
      if (stuck) return [draft, false, true];
      if (passed) break;
    }
    return [draft, false];
  }

  private parallel(node: Extract<WorkflowNode, { type: "parallel" }>, draft: Draft, at: number[]): [Draft, boolean, stuck?: true] {
    const { candidates: _, ...start } = draft;
    const ends = inside(node).map(([name, branch]) => {
      this.reached.add(name);
      return this.sequence(branch, start, at, false);
    });
    if (ends.some(([, , stuck]) => stuck)) return [draft, false, true];
    return [joined(draft, start, node.branches, ends.map(([end]) => end)), false];
  }

  private step(step: Step, before: Draft, at: number[]) {
    const facts = this.operators[step.operator];
    const reads = facts?.reads ? only(before, facts.reads) : before;
    const key = JSON.stringify([step.id, at, step.operator, step.prompt, step.backend, reads]);
    const run = this.fresh.get(`${step.id} ${at}`) ?? this.remembered.get(key) ?? null;
    if (run) this.remembered.set(key, run);
    const after = run && !run.failure ? merged(before, run.wrote, facts?.writes ?? written(run.wrote)) : before;
    const checks = facts ? facts.category === "verification" : !!run?.wrote.verdict;
    const verdict = run && !run.failure && checks ? !!after.verdict?.passed : null;
    const seen = this.visits.get(step.id) ?? [];
    this.visits.set(step.id, [...seen, { iteration: [...at], before, run, after }]);
    return { after, verdict, run };
  }
}

/** The draft with these fields alone. */
export function only(draft: Draft, names: readonly string[]): Draft {
  return Object.fromEntries(Object.entries(draft).filter(([name]) => names.includes(name)).sort());
}

function merged(draft: Draft, wrote: Draft, names: readonly string[]): Draft {
  const kept = Object.entries(draft).filter(([name]) => !names.includes(name));
  return { ...Object.fromEntries(kept), ...only(wrote, names) };
}

/** What an operator wrote, where it is not told: a new solution replaces all of the former one. */
function written(wrote: Draft): string[] {
  const names = Object.keys(wrote);
  return names.some((name) => ["solution", "code", "answer"].includes(name)) ? [...names, ...NEW_SOLUTION] : names;
}

const WORK = ["solution", "code", "output", "answer"] as const;

function joined(before: Draft, start: Draft, branches: readonly Sequence[], ends: readonly Draft[]): Draft {
  const isNew = (end: Draft) => WORK.some((name) => (end[name] ?? "") !== (start[name] ?? ""));
  const fresh = ends.map((end, index) => ({ end, source: toDsl(branches[index] ?? []) })).filter(({ end }) => isNew(end));
  const plan = ends.find((end) => end.plan && end.plan !== start.plan)?.plan ?? before.plan;
  const parts = ends.find((end) => JSON.stringify(end.subproblems) !== JSON.stringify(start.subproblems))?.subproblems ?? before.subproblems;
  const first = fresh[0]?.end;
  if (first) {
    const candidates = fresh.map(({ end, source }) => ({
      source, answer: end.answer ?? "", solution: end.solution ?? "", code: end.code ?? "",
    }));
    return tidy({ ...only(first, [...WORK, "verdict"]), plan, subproblems: parts, candidates });
  }
  const checks = ends.flatMap((end) => (end.verdict && end.verdict !== start.verdict ? [end.verdict] : []));
  const verdict = checks.find((check) => !check.passed) ?? checks[0] ?? before.verdict;
  return tidy({ ...before, plan, subproblems: parts, verdict });
}

function tidy(draft: { [name in keyof Draft]: Draft[name] | undefined }): Draft {
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined && value !== null)) as Draft;
}
