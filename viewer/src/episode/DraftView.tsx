import type { Draft } from "../records";
import { Block, Inline } from "../text/Text";

const FIELDS = ["answer", "verdict", "solution", "code", "output", "plan", "subproblems", "candidates"] as const;

/** The fields of a draft; those that differ from another draft stand out. */
export function DraftView({ draft, beside, empty }: { draft: Draft; beside?: Draft; empty: string }) {
  const shown = FIELDS.filter((name) => holds(draft, name) || (beside && holds(beside, name)));
  if (shown.length === 0) return <p className="dim">{empty}</p>;
  return (
    <dl className="draft">
      {shown.map((name) => {
        const differs = beside !== undefined && JSON.stringify(draft[name] ?? null) !== JSON.stringify(beside[name] ?? null);
        return (
          <div key={name} className={differs ? "differs" : ""}>
            <dt>{name}{differs && <span className="dim"> {!holds(draft, name) ? "cleared" : beside && holds(beside, name) ? "rewritten" : "new"}</span>}</dt>
            <dd>{holds(draft, name) ? <Field draft={draft} name={name} /> : <span className="dim">–</span>}</dd>
          </div>
        );
      })}
    </dl>
  );
}

function Field({ draft, name }: { draft: Draft; name: (typeof FIELDS)[number] }) {
  const { verdict, subproblems, candidates } = draft;
  switch (name) {
    case "verdict":
      return verdict && (
        <>
          <span className={verdict.passed ? "good" : "bad"}>{verdict.passed ? "✓ passed" : "! found a fault"}</span>
          {verdict.confidence !== null && <span className="dim"> confidence {verdict.confidence}</span>}
          {verdict.by && <span className="dim"> by <Inline text={verdict.by} /></span>}
          {verdict.feedback && <Block text={verdict.feedback} />}
        </>
      );
    case "subproblems":
      return <ol className="parts">{subproblems?.map((part, index) => <li key={index}><Inline text={part} /></li>)}</ol>;
    case "candidates":
      return (
        <ul className="candidates">
          {candidates?.map((one, index) => (
            <li key={index}>
              <span className="mono dim"><Inline text={one.source} /></span>
              <Block text={one.answer || one.solution || one.code} />
            </li>
          ))}
        </ul>
      );
    default:
      return <Block text={draft[name] ?? ""} code={name === "code" || name === "output"} label={name} />;
  }
}

function holds(draft: Draft, name: (typeof FIELDS)[number]): boolean {
  const value = draft[name];
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}
