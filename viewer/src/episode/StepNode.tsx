import { memo } from "react";
import type { Step } from "../records";
import { brief, seconds } from "../text/figures";
import { Inline } from "../text/Text";
import type { Mark } from "../workflow/change";
import { resultOf } from "./brief";
import { type Standing, type State, WORDS } from "./state";

export const SIGNS: Record<State, string> = {
  waiting: "○",
  running: "◌",
  ok: "●",
  passed: "✓",
  objected: "!",
  failed: "✗",
  skipped: "–",
};

const MARKS: Record<Mark, string> = { added: "new", changed: "changed", wrapped: "wrapped", moved: "moved" };

interface Props {
  step: Step;
  category: string;
  standing: Standing | undefined;
  mark: Mark | undefined;
  selected: boolean;
  select: (id: string) => void;
}

/** One operator on the canvas. */
export const StepNode = memo(function StepNode({ step, category, standing, mark, selected, select }: Props) {
  const state = standing?.state ?? "waiting";
  const run = standing?.run;
  const result = run ? resultOf(run) : WORDS[state];
  const rounds = standing && standing.visits.length > 1 ? ` ×${standing.visits.length}` : "";
  const classes = ["step", `cat-${category}`, `is-${state}`, mark && `mark-${mark}`, selected && "selected", standing?.fresh && "fresh"];
  return (
    <button type="button" className={classes.filter(Boolean).join(" ")} aria-pressed={selected} onClick={() => select(step.id)}>
      <span className="step-head">
        <span className="step-name"><Inline text={step.operator} />{step.prompt && <span className="prompted" title="has an instruction of its own"><span aria-hidden="true">✎</span><span className="hidden"> with an instruction of its own</span></span>}</span>
        {mark && <span className={`mark-word w-${mark}`}>{MARKS[mark]}</span>}
        <span className={`state s-${state}`} title={WORDS[state]}><span aria-hidden="true">{SIGNS[state]}</span><span className="hidden">{category} {WORDS[state]}</span></span>
      </span>
      <span className="step-result"><Inline text={result} /></span>
      <span className="step-foot">
        <span>{step.id.replace("node_", "#")}{rounds}</span>
        {run && <span>{standing.cached ? "cached" : `${standing.tokens ? `${brief(standing.tokens)} tok · ` : ""}${seconds(standing.seconds)}`}</span>}
      </span>
    </button>
  );
});
