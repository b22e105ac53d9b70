import type { Placed } from "../workflow/layout";

/** Where the flow begins and ends, and a branch that does nothing. */
export function Ends({ placed }: { placed: Placed }) {
  if (placed.kind === "done") return <div className="done">done</div>;
  return <div className={`terminal terminal-${placed.id}`}>{placed.id}</div>;
}
