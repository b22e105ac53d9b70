import { useState } from "react";
import { Icon } from "../app/Icon";
import type { Step, WorkflowNode } from "../records";
import { count, money, seconds } from "../text/figures";
import { Block, Inline } from "../text/Text";
import { inside, type Structure, toDsl, walk } from "../workflow/tree";
import { DraftView } from "./DraftView";
import { only, type Visit } from "./flow";
import { cameTo, nameOf } from "./GroupNode";
import { Requests } from "./Requests";
import { SIGNS } from "./StepNode";
import { WORDS } from "./state";
import type { Player } from "./usePlayer";

interface Props {
  player: Player;
  id: string;
  close: () => void;
}

/** All that is known of one node at a turn. */
export function NodePanel({ player, id, close }: Props) {
  const node = [...walk(player.stop?.turn.workflow.nodes ?? [])].find((one) => one.id === id);
  return (
    <>
      <div className="panel-head">
        <h2>{node ? <Name node={node} /> : id}</h2>
        <button type="button" className="icon" onClick={close} aria-label="Back to the turn"><Icon name="cross" /></button>
      </div>
      {!node && <p className="empty">It is not in the workflow at this turn.</p>}
      {node?.type === "step" && <StepDetail key={id} player={player} step={node} />}
      {node && node.type !== "step" && <StructureDetail player={player} node={node} />}
    </>
  );
}

function Name({ node }: { node: WorkflowNode }) {
  return <>{node.type === "step" ? <Inline text={node.operator} /> : nameOf(node)} <span className="dim mono">{node.id}</span></>;
}

function StepDetail({ player, step }: { player: Player; step: Step }) {
  const standing = player.standings.get(step.id);
  const facts = player.operators[step.operator];
  const visits = standing?.visits ?? [];
  const [chosen, choose] = useState<number | null>(null);
  const at = Math.min(chosen ?? visits.length - 1, visits.length - 1);
  const visit = visits[at];
  return (
    <>
      <p className="node-facts">
        {facts && <span className={`tag cat-${facts.category}`}>{facts.category}</span>}
        {standing && <span className={`state-word s-${standing.state}`}><span aria-hidden="true">{SIGNS[standing.state]}</span> {WORDS[standing.state]}</span>}
        {standing?.run && !standing.fresh && <span className="dim">since turn {standing.run.turn}</span>}
      </p>
      <section>
        <h3>Instruction</h3>
        {step.prompt ? <Block text={step.prompt} /> : <p className="dim">The operator's own.</p>}
        {step.backend && <p className="small"><span className="dim">backend</span> <Inline text={step.backend} className="mono" /></p>}
      </section>
      {visits.length > 1 && (
        <div className="chips" role="group" aria-label="Iteration">
          {visits.map((one, index) => (
            <button type="button" key={index} aria-pressed={index === at} onClick={() => choose(index)}>
              {one.iteration.length ? `round ${one.iteration.map((round) => round + 1).join(".")}` : `run ${index + 1}`}{one.run?.failure && " ✗"}
            </button>
          ))}
        </div>
      )}
      {visit ? <VisitDetail key={at} of={player.run} visit={visit} reads={facts?.reads} /> : <p className="empty">The draft did not come this way.</p>}
    </>
  );
}

function VisitDetail({ of, visit: { before, run, after }, reads }: { of: string; visit: Visit; reads: readonly string[] | undefined }) {
  const rest = reads ? Object.keys(before).filter((name) => !reads.includes(name)) : [];
  return (
    <>
      {run?.failure && (
        <section className="failure">
          <h3>Failed: <Inline text={run.failure.kind} /></h3>
          <Block text={run.failure.message} />
          {run.failure.trace && <details><summary>Traceback</summary><Block text={run.failure.trace} code label="traceback" /></details>}
        </section>
      )}
      <section>
        <h3>Draft out</h3>
        {run ? <DraftView draft={after} beside={before} empty="Empty." /> : <p className="dim">Not yet.</p>}
      </section>
      <section>
        <h3>Draft in{reads && <span className="dim"> · reads {reads.join(", ") || "nothing of it"}</span>}</h3>
        <DraftView draft={reads ? only(before, reads) : before} empty={reads ? "Of what it reads, nothing has been written." : "Empty."} />
        {rest.length > 0 && <details><summary>Not read: {rest.join(", ")}</summary><DraftView draft={only(before, rest)} empty="" /></details>}
      </section>
      {run && (
        <section>
          <h3>Call</h3>
          <dl className="facts">
            <div><dt>backend</dt><dd><Inline text={run.backend} className="mono" /></dd></div>
            {run.memo ? <div><dt>cached</dt><dd>the very same call had been made before</dd></div> : (
              <>
                <div><dt>tokens</dt><dd>{count(run.usage.prompt_tokens)} read, {count(run.usage.completion_tokens)} written</dd></div>
                <div><dt>requests</dt><dd>{count(run.usage.calls)}{run.retries > 0 && `, ${run.retries} asked for again`}</dd></div>
                <div><dt>cost</dt><dd>{money(run.usage.cost)}</dd></div>
              </>
            )}
            <div><dt>time</dt><dd>{seconds(run.seconds)}</dd></div>
            <div><dt>turn</dt><dd>{run.turn || "–"}</dd></div>
          </dl>
          <Requests run={of} keys={run.requests} />
        </section>
      )}
    </>
  );
}

function StructureDetail({ player, node }: { player: Player; node: Structure }) {
  const came = cameTo(node, player.flow);
  return (
    <>
      {came && <p>{came}</p>}
      <ul className="branches">
        {inside(node).map(([name, nodes], index) => {
          const taken = player.flow?.reached.has(name);
          const label = node.type === "conditional" ? (index === 0 ? "if it fails" : "else") : node.type === "loop" ? "body" : `branch ${index + 1}`;
          return (
            <li key={name} className={taken ? "" : "faint"}>
              <strong>{label}</strong> <span className="dim">{taken ? "taken" : "not taken"}</span>
              <p className="mono"><Inline text={toDsl(nodes) || "done"} /></p>
            </li>
          );
        })}
      </ul>
    </>
  );
}
