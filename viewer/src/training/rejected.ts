import type { TrainingPage } from "../records";
import type { Chart } from "./series";

interface Rejections {
  windows?: readonly number[];
  rejections?: readonly { action: string; tries: readonly number[]; rejected: readonly number[] }[];
}

/** Share of edits that were refused, by kind of action, window by window; null where it is not told. */
export function rejected(page: TrainingPage): { chart: Chart; steps: readonly number[] } | null {
  const { windows = [], rejections = [] } = page as TrainingPage & Rejections;
  if (windows.length === 0 || rejections.length === 0) return null;
  const lines = rejections.map(({ action, tries, rejected: refused }) => ({
    label: action,
    values: tries.map((tried, index) => (tried > 0 ? (refused[index] ?? 0) / tried : null)),
  }));
  return { chart: { title: "Rejected", says: "share of edits that were refused, by kind of action", unit: "share", lines }, steps: windows };
}
