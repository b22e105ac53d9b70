/** The curves of a training run, out of its lines of metrics. */

export interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
  /** Ends of a band around it. */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
}

export interface Chart {
  readonly title: string;
  readonly says: string;
  readonly unit: "share" | "figure" | "seconds";
  readonly lines: readonly Line[];
}

export type Metrics = Readonly<Record<string, number>>;

interface Plan {
  title: string;
  says: string;
  unit: Chart["unit"];
  /** A metric's name, or the beginning of several, with `*` for what names the curve. */
  of: readonly string[];
}

const PLANS: readonly Plan[] = [
  { title: "Reward", says: "mean of an episode: what was paid, and the paper's R", unit: "figure", of: ["episodes/reward", "episodes/cwrpo"] },
  { title: "Accuracy", says: "share of right answers, by type of task", unit: "share", of: ["episodes/accuracy", "types/*/accuracy"] },
  { title: "Reward terms", says: "mean of each term", unit: "figure", of: ["terms/*"] },
  { title: "Gate", says: "share of workflows with the whole skeleton, by type of task", unit: "share", of: ["episodes/gate_open", "types/*/gate_open"] },
  { title: "Edits", says: "share of turns that are accepted, of replies that are an action, of episodes that finish", unit: "share", of: ["episodes/valid", "episodes/parsed", "episodes/finished"] },
  { title: "Entropy", says: "of the policy, a token", unit: "figure", of: ["entropy"] },
  { title: "KL", says: "to the policy at the start", unit: "figure", of: ["kl"] },
  { title: "Signal", says: "variance of the reward's terms within a group; none is the share of groups without any", unit: "figure", of: ["signal/*"] },
  { title: "Workflows", says: "operators, kinds of operators and turns of an episode", unit: "figure", of: ["episodes/operators", "episodes/operator_types", "episodes/turns"] },
  { title: "Structures", says: "how many a workflow has", unit: "figure", of: ["structures/*"] },
  { title: "Shortcuts", says: "share of workflows of one step, padded ones, and ones that repeat an operator", unit: "share", of: ["episodes/one_step", "episodes/padded", "episodes/repeated"] },
  { title: "Seconds", says: "of a step, by stage", unit: "seconds", of: ["seconds/*"] },
];

/** Every chart that there is something to draw in. */
export function charts(lines: readonly Metrics[]): Chart[] {
  const names = [...new Set(lines.flatMap((line) => Object.keys(line)))].sort();
  return PLANS.flatMap((plan) => {
    const found = plan.of.flatMap((pattern) => matching(names, pattern));
    if (found.length === 0) return [];
    const drawn = found.map(({ name, label }) => ({ label, values: lines.map((line) => line[name] ?? null) }));
    return [{ title: plan.title, says: plan.says, unit: plan.unit, lines: drawn }];
  });
}

function matching(names: readonly string[], pattern: string): { name: string; label: string }[] {
  const [before = "", after] = pattern.split("*", 2);
  if (after === undefined) return names.includes(pattern) ? [{ name: pattern, label: worded(pattern.split("/").at(-1) ?? pattern) }] : [];
  return names
    .filter((name) => name.startsWith(before) && name.endsWith(after) && name.length > before.length + after.length)
    .map((name) => ({ name, label: worded(name.slice(before.length, name.length - after.length)) }));
}

function worded(name: string): string {
  return name === "cwrpo" ? "paper's R" : name.replaceAll("_", " ");
}

/** Running means over so many points; where a value is missing, so it is there. */
export function smoothed(values: readonly (number | null)[], window: number): (number | null)[] {
  return values.map((value, index) => {
    if (value === null) return null;
    const near = values.slice(Math.max(0, index - window + 1), index + 1).filter((one) => one !== null);
    return near.reduce((sum, one) => sum + one, 0) / near.length;
  });
}
