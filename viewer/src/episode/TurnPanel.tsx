import type { Condition, NodeRan } from "../records";
import { count, seconds } from "../text/figures";
import { Block, Inline } from "../text/Text";
import { resultOf } from "./brief";
import type { Operators } from "./flow";
import { Requests } from "./Requests";
import { saidOf } from "./stops";
import type { Turn } from "./turns";

interface Props {
  run: string;
  turn: Turn;
  maxTurns: number;
  operators: Operators;
  select: (id: string) => void;
}

/** What was said and done in one turn: the Director's words, what came of them, the canvas's answer. */
export function TurnPanel({ run, turn, maxTurns, operators, select }: Props) {
  const { taken, edit, feedback, runs, change } = turn;
  const unmet = feedback?.feedback?.unmet ?? [];
  return (
    <>
      <h2>{turn.number === 0 ? "Run" : `Turn ${turn.number}`}{maxTurns > 0 && turn.number > 0 && <span className="dim"> of {maxTurns}</span>}</h2>
      {edit && (
        <p className={`verdict ${edit.kind === "edit_applied" ? "accepted" : "rejected"}`}>
          <span aria-hidden="true">{edit.kind === "edit_applied" ? "✓" : "✗"}</span>
          <span>
            <strong>{edit.kind === "edit_applied" ? "Accepted" : edit.parsed ? "Refused" : "Not an action"}</strong>{" "}
            <Inline text={edit.kind === "edit_applied" ? saidOf(turn) : edit.reason} />
          </span>
        </p>
      )}
      {edit?.kind === "edit_rejected" && edit.choices.length > 0 && (
        <p className="choices"><span className="dim">legal here:</span> {edit.choices.map((one) => <code key={one}><Inline text={one} /></code>)}</p>
      )}
      {change.removed.length > 0 && (
        <p className="removed"><span className="dim">removed:</span> {change.removed.map((node) => (
          <del key={node.id}>{node.type === "step" ? <Inline text={node.operator} /> : node.type} <span className="dim">{node.id}</span></del>
        ))}</p>
      )}
      {taken && (
        <section>
          <h3>Director</h3>
          {taken.reasoning && <details><summary>Reasoning</summary><Block text={taken.reasoning} /></details>}
          <Block text={taken.text} />
          <Requests key={turn.number} run={run} keys={taken.requests} />
          <p className="dim small">
            {taken.usage.calls > 0 && `${count(taken.usage.prompt_tokens)} tokens read, ${count(taken.usage.completion_tokens)} written · `}
            {seconds(taken.seconds)}{taken.folded > 0 && ` · ${taken.folded} earlier turns in short`}
          </p>
        </section>
      )}
      {runs.length > 0 && <Ran runs={runs} operators={operators} select={select} />}
      {feedback && (
        <section>
          <h3>Canvas</h3>
          {unmet.length > 0 && <ul className="unmet">{unmet.map((one, index) => <li key={index}>{needed(one)}</li>)}</ul>}
          {feedback.text ? <details open={unmet.length === 0}><summary>What the Director was told</summary><Block text={feedback.text} /></details> : <p className="dim">The Director was told nothing.</p>}
        </section>
      )}
    </>
  );
}

function Ran({ runs, operators, select }: { runs: readonly NodeRan[]; operators: Operators; select: (id: string) => void }) {
  return (
    <section>
      <h3>Ran in this turn</h3>
      <ul className="ran">
        {runs.map((run, index) => (
          <li key={index}>
            <button type="button" onClick={() => select(run.node)} className={`cat-${operators[run.operator]?.category ?? ""}${run.failure ? " failed" : ""}`}>
              <span className="ran-name"><Inline text={run.operator} />{run.iteration.length > 0 && <span className="dim"> round {run.iteration.map((one) => one + 1).join(".")}</span>}</span>
              <span className="ran-time">{run.memo ? "cached" : seconds(run.seconds)}</span>
              <span className="ran-result">{run.failure && "✗ "}<Inline text={resultOf(run)} /></span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A finish condition that is not met, in words. */
function needed({ kind, name = "", choices = [], least = 0, found = 0 }: Condition): string {
  switch (kind) {
    case "steps":
      return `A finish needs ${least} operators; there are ${found}`;
    case "category":
      return `A finish needs a ${name} operator: ${choices.join(", ")}`;
    case "operator":
      return `A finish needs ${name}`;
    case "structure":
      return "A finish needs a parallel, conditional or loop";
    case "never":
      return "Nothing is finished here; it is only edited";
  }
}
