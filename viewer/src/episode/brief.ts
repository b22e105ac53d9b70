/** What a step wrote, in one line. */
import type { Draft, NodeRan } from "../records";
import { line } from "../text/visible";

export function resultOf(run: NodeRan): string {
  if (run.failure) return line(`${run.failure.kind}: ${run.failure.message}`);
  return written(run.wrote) || "nothing new";
}

function written(draft: Draft): string {
  const { verdict } = draft;
  if (verdict) return line(`${verdict.passed ? "passed" : "fault"}${verdict.feedback ? `: ${verdict.feedback}` : ""}`);
  for (const text of [draft.answer, draft.output, draft.solution, draft.code, draft.plan]) if (text) return line(text);
  return draft.subproblems ? line(draft.subproblems.join(" · ")) : "";
}
