import { useEffect, useMemo, useRef, useState } from "react";
import { paths } from "../data/paths";
import { source } from "../data/source";
import { type Resource, useResource } from "../data/useResource";
import type { RunPage, TrainingPage } from "../records";
import { useRunStream } from "../runs/useRunStream";
import type { Metrics } from "./series";

export interface Training extends Resource<TrainingPage> {
  readonly lines: readonly Metrics[];
}

/** An autopsy takes the server some seconds, and comes with a later answer. */
const [LOOK_AGAIN, MOST_LOOKS] = [2500, 8];

/** The metrics of a training run, each step as it is made. */
export function useTraining(page: RunPage): Training {
  const training = useResource<TrainingPage>(paths.training(page.id, 0));
  const [more, setMore] = useState<readonly Metrics[]>([]);
  const { data, reload } = training;
  useRunStream(page, () => undefined, { stepped: (line) => setMore((held) => [...held, line as Metrics]), began: reload });
  const looks = useRef(0);
  useEffect(() => {
    if (!source.live || !data || data.lines.length === 0 || data.verdicts.length > 0 || looks.current >= MOST_LOOKS) return;
    const timer = window.setTimeout(() => {
      looks.current += 1;
      reload();
    }, LOOK_AGAIN);
    return () => window.clearTimeout(timer);
  }, [data, reload]);
  const known = (training.data?.lines ?? []) as readonly Metrics[];
  const lines = useMemo(() => bySteps([...known, ...more]), [known, more]);
  return { ...training, lines };
}

/** One line a step, the last one said, in their order: a resumed run says some again. */
function bySteps(lines: readonly Metrics[]): Metrics[] {
  const found = new Map<number, Metrics>();
  for (const line of lines) if (typeof line.step === "number") found.set(line.step, line);
  return [...found.values()].sort((one, other) => (one.step ?? 0) - (other.step ?? 0));
}
