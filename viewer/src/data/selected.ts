/** Episodes narrowed and sorted as the server does it, for a page without one. */
import type { Filter } from "../app/route";
import type { EpisodeRow } from "../records";

export function selected(rows: readonly EpisodeRow[], filter: Filter): EpisodeRow[] {
  const matching = rows.filter((row) => matches(row, filter));
  const { sort = "number", order = "asc" } = filter;
  const sign = order === "desc" ? -1 : 1;
  return matching.sort((one, other) => {
    const [a, b] = [sortKey(one, sort || "number"), sortKey(other, sort || "number")];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  });
}

function matches(row: EpisodeRow, filter: Filter): boolean {
  const { summary } = row;
  const score = summary?.score ?? null;
  return (
    (!filter.q || found(row, filter.q)) &&
    (!filter.system || summary?.system === filter.system) &&
    (!filter.dataset || summary?.dataset === filter.dataset) &&
    (!filter.type || summary?.type === filter.type) &&
    (!filter.failure || (summary?.failures[filter.failure] ?? 0) > 0) &&
    (!filter.min || (score !== null && score >= Number(filter.min))) &&
    (!filter.max || (score !== null && score <= Number(filter.max))) &&
    (!filter.state || inState(row, filter.state))
  );
}

function found(row: EpisodeRow, q: string): boolean {
  const { summary } = row;
  if (q.startsWith("task:")) return summary?.task === q.slice(5);
  const text = [row.question, row.answer, summary?.dsl, ...Object.keys(summary?.failures ?? {})].join("\n").toLowerCase();
  return q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function inState(row: EpisodeRow, state: string): boolean {
  if (state === "right" || state === "wrong") return row.right === (state === "right");
  if (state === "failed") return Object.keys(row.summary?.failures ?? {}).length > 0;
  return row.state === state;
}

function sortKey({ number, summary }: EpisodeRow, sort: string): number | string | null {
  switch (sort) {
    case "number":
      return number;
    case "tokens":
      return summary && summary.director_tokens + summary.executor_tokens;
    case "score":
    case "reward":
    case "cost":
    case "seconds":
    case "turns":
    case "system":
    case "dataset":
    case "task":
      return summary?.[sort] ?? null;
    default:
      return null;
  }
}
