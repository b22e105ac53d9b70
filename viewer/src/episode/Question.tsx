import { useState } from "react";
import type { EpisodeStarted } from "../records";
import { Block } from "../text/Text";
import { visible } from "../text/visible";

const SHORT = 220;

/** The task, in short until all of it is asked for. */
export function Question({ started }: { started: EpisodeStarted | null }) {
  const [whole, setWhole] = useState(false);
  if (!started) return <h1 className="question dim">…</h1>;
  const { question, context, answer_form: form, prompt_code: code } = started.task;
  const more = question.length > SHORT || !!context || !!code;
  return (
    <div className="asked">
      <h1 className="question"><bdi>{visible(question.length > SHORT ? `${question.slice(0, SHORT)}…` : question)}</bdi></h1>
      {more && <button type="button" className="quiet" aria-expanded={whole} onClick={() => setWhole(!whole)}>{whole ? "Less" : "All of the task"}</button>}
      {whole && (
        <div className="card task">
          <Block text={question} />
          {context && <><h3>Context</h3><Block text={context} /></>}
          {code && <><h3>Code</h3><Block text={code} code /></>}
          {form && <p className="dim">Answer as: {visible(form)}</p>}
        </div>
      )}
    </div>
  );
}
