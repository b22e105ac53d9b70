import type { TrainingPage } from "../records";
import type { Chart } from "./series";

/** Share of edits that were refused, by kind of action, part by part of a training; null where it is not told. */
export function rejected({ rejections }: TrainingPage): { chart: Chart; steps: readonly number[] } | null {
  const steps = [...new Set(rejections.flatMap((one) => one.steps))].sort((one, other) => one - other);
  if (steps.length === 0) return null;
  const lines = rejections.map(({ action, steps: tried, tries, rejected: refused }) => ({
    label: action,
    values: steps.map((step) => {
      const part = tried.indexOf(step);
      return part < 0 || !tries[part] ? null : (refused[part] ?? 0) / tries[part];
    }),
  }));
  return { chart: { title: "Rejected", says: "share of edits that were refused, by kind of action, in parts of the training", unit: "share", lines }, steps };
}
