import { type ReactNode, useEffect, useState } from "react";
import type { Filter, FilterName } from "../app/route";
import type { RunPage } from "../records";
import { visible } from "../text/visible";

const STATES = ["right", "wrong", "failed", "finished", "open", "lost"];

/** What the list is narrowed to. */
export function Filters({ page, filter, narrow, children }: { page: RunPage; filter: Filter; narrow: (filter: Filter) => void; children?: ReactNode }) {
  const [q, setQ] = useState(filter.q ?? "");
  useEffect(() => {
    if (q === (filter.q ?? "")) return;
    const timer = window.setTimeout(() => narrow({ ...filter, q }), 200);
    return () => window.clearTimeout(timer);
  }, [q, filter, narrow]);
  const set = (name: FilterName) => (value: string) => narrow({ ...filter, [name]: value });
  const systems = [...new Set(page.systems.map((one) => one.system))];
  const datasets = [...new Set(page.systems.map((one) => one.dataset))].filter(Boolean);
  return (
    <div className="bar" role="group" aria-label="Filter">
      <input type="search" value={q} onChange={(event) => setQ(event.target.value)} placeholder="Question, answer, workflow, failure" aria-label="Filter by question, answer, workflow or failure; task:ID for one task" maxLength={200} />
      <Choice name="outcome" value={filter.state} of={STATES} choose={set("state")} />
      {systems.length > 1 && <Choice name="system" value={filter.system} of={systems} choose={set("system")} />}
      {datasets.length > 1 && <Choice name="dataset" value={filter.dataset} of={datasets} choose={set("dataset")} />}
      <Choice name="failure" value={filter.failure} of={page.failures.map(({ kind }) => kind)} choose={set("failure")} />
      {children}
    </div>
  );
}

function Choice({ name, value = "", of, choose }: { name: string; value: string | undefined; of: readonly string[]; choose: (value: string) => void }) {
  if (of.length === 0) return null;
  const all = value && !of.includes(value) ? [value, ...of] : of;
  return (
    <select aria-label={name} value={value} onChange={(event) => choose(event.target.value)} className={value ? "set" : ""}>
      <option value="">any {name}</option>
      {all.map((one) => <option key={one} value={one}>{visible(one)}</option>)}
    </select>
  );
}
