/** What a study's summary holds, as `flowsteer study` writes it. */
import type { Chart } from "./series";

export interface Estimate {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
}

export interface ArmRow {
  readonly world: string;
  readonly swap: string;
  readonly temperature: number;
  readonly arm: string;
  readonly figures: Readonly<Record<string, Estimate | null>>;
  readonly by_type: Readonly<Record<string, Estimate | null>>;
  readonly collapsed: number;
  readonly seeds: number;
}

export interface Difference {
  readonly world: string;
  readonly swap: string;
  readonly temperature: number;
  readonly measure: string;
  readonly arm: string;
  readonly minus: string;
  readonly comparison: { readonly difference: Estimate; readonly p: number };
  readonly p_holm: number;
}

export interface StudySummary {
  readonly done?: number;
  readonly cells?: number;
  readonly rows?: readonly ArmRow[];
  readonly differences?: readonly Difference[];
  readonly curves?: readonly { world: string; arm: string; figure: string; points: readonly Estimate[] }[];
}

const HEADS: Readonly<Record<string, string>> = { cwrpo: "the paper's R", accuracy: "accuracy", gate_open: "gate open", valid: "valid edits" };

/** A chart for each figure of each world, an arm a line, with bands. */
export function studyCharts({ curves = [] }: StudySummary): { world: string; chart: Chart; steps: number[] }[] {
  const keys = [...new Set(curves.map(({ world, figure }) => `${world}\n${figure}`))];
  return keys.map((key) => {
    const [world = "", figure = ""] = key.split("\n");
    const found = curves.filter((curve) => curve.world === world && curve.figure === figure);
    const lines = found.map(({ arm, points }) => ({
      label: arm,
      values: points.map(({ mean }) => mean),
      low: points.map(({ low, mean }) => low ?? mean),
      high: points.map(({ high, mean }) => high ?? mean),
    }));
    const steps = Array.from({ length: Math.max(...found.map(({ points }) => points.length)) }, (_, index) => index + 1);
    const unit = figure === "cwrpo" ? "figure" : "share";
    return { world, chart: { title: HEADS[figure] ?? figure, says: `in ${world}`, unit, lines }, steps };
  });
}
