/** How each step of a workflow stands at a turn. */
import type { NodeRan } from "../records";
import { steps } from "../workflow/tree";
import type { Flow, Visit } from "./flow";
import type { Turn } from "./turns";

export type State = "waiting" | "running" | "ok" | "passed" | "objected" | "failed" | "skipped";

export interface Standing {
  readonly state: State;
  readonly visits: readonly Visit[];
  /** The last run. */
  readonly run: NodeRan | null;
  /** Whether it ran in this turn; else what it had come to before still holds. */
  readonly fresh: boolean;
  /** Whether its result had been known: the very same call had been made before. */
  readonly cached: boolean;
  readonly tokens: number;
  readonly seconds: number;
}

/** Words for a state; they stand beside its sign, which is not to be told by colour alone. */
export const WORDS: Record<State, string> = {
  waiting: "not run yet",
  running: "running",
  ok: "ran",
  passed: "check passed",
  objected: "check found a fault",
  failed: "failed",
  skipped: "not on the path taken",
};

/** The standing of all steps; `live` if the turn is still going on. */
export function standings(turn: Turn, flow: Flow, live: boolean): Map<string, Standing> {
  return new Map(steps(turn.workflow.nodes).map(({ id }) => [id, standing(flow.visits.get(id) ?? [], turn.number, live)]));
}

/** Those of the former standings that still hold, in place of equal ones: what did not change is not drawn anew. */
export function kept(former: ReadonlyMap<string, Standing>, now: ReadonlyMap<string, Standing>): Map<string, Standing> {
  return new Map([...now].map(([id, standing]) => {
    const held = former.get(id);
    return [id, held && alike(held, standing) ? held : standing];
  }));
}

function alike(one: Standing, other: Standing): boolean {
  return (
    one.state === other.state && one.fresh === other.fresh && one.run === other.run && one.cached === other.cached &&
    one.visits.length === other.visits.length && one.visits.every((visit, index) => visit.run === other.visits[index]?.run)
  );
}

function standing(visits: readonly Visit[], turn: number, live: boolean): Standing {
  const runs = visits.flatMap(({ run }) => (run ? [run] : []));
  const pending = visits.some(({ run }) => !run);
  const run = runs.at(-1) ?? null;
  return {
    state: pending ? (live ? "running" : "waiting") : run ? outcome(run) : live ? "waiting" : "skipped",
    visits,
    run,
    fresh: runs.some((one) => one.turn === turn),
    cached: runs.length > 0 && runs.every((one) => one.memo),
    tokens: runs.reduce((sum, { usage }) => sum + usage.prompt_tokens + usage.completion_tokens, 0),
    seconds: runs.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

function outcome(run: NodeRan): State {
  if (run.failure) return "failed";
  const { verdict } = run.wrote;
  return verdict ? (verdict.passed ? "passed" : "objected") : "ok";
}
