import { type FormEvent, useEffect, useState } from "react";
import { paths } from "../data/paths";
import { source } from "../data/source";
import { asSourceError, useResource } from "../data/useResource";
import type { LegalMove, MoveOutcome, MovesPage } from "../records";
import { Inline } from "../text/Text";
import type { Played } from "./turns";

/** The Director's seat of a live episode: what the rules allow now, by click. */
export function Seat({ episode, played, selected }: { episode: string; played: Played; selected: string | null }) {
  const moves = useResource<MovesPage>(paths.moves(episode));
  const [outcome, setOutcome] = useState<MoveOutcome | null>(null);
  const [busy, setBusy] = useState(false);
  const answered = played.turns.filter((turn) => turn.feedback).length;
  const { reload, data } = moves;
  const seated = data !== null;
  useEffect(() => {
    if (seated) reload();
  }, [answered, seated, reload]);
  if (!data) return null;
  const act = (body: object) => {
    setBusy(true);
    source
      .post(paths.act(episode), body)
      .then((done) => setOutcome(done as MoveOutcome))
      .catch((error: unknown) => setOutcome({ accepted: false, status: asSourceError(error).message }))
      .finally(() => {
        setBusy(false);
        reload();
      });
  };
  return (
    <section className="seat" aria-label="The Director's seat">
      <h2>The seat</h2>
      {outcome && !outcome.accepted && <p className="verdict rejected" role="alert"><span aria-hidden="true">✗</span><Inline text={outcome.status || "Refused."} /></p>}
      {data.done ? <p className="dim">The episode is over.</p> : data.seat === "model" ? <p className="dim">A model directs.</p> : (
        <>
          <p className="dim">Turn {data.turn}: what the rules allow {selected ? <>with <span className="mono">{selected}</span></> : "with the workflow; select a node to change, wrap or delete it"}.</p>
          <Moves key={`${data.turn} ${selected}`} moves={data.moves.filter(({ node }) => node === selected)} busy={busy} act={(text) => act({ text })} />
        </>
      )}
      {!data.done && data.seat === "human" && (
        <div className="seat-end">
          <button type="button" disabled={busy || !data.can_undo} onClick={() => act({ undo: true })}>Undo</button>
          <GiveBack busy={busy} give={(spec) => act({ seat: spec })} />
        </div>
      )}
    </section>
  );
}

const ORDER = ["add", "parallel", "conditional", "loop", "modify", "instruction", "delete", "finish"] as const;
const HEADS: Record<(typeof ORDER)[number], string> = {
  add: "Add", parallel: "In parallel", conditional: "Check, then", loop: "Repeat", modify: "Change the operator",
  instruction: "Instruct", delete: "Delete", finish: "Finish",
};

function Moves({ moves, busy, act }: { moves: readonly LegalMove[]; busy: boolean; act: (text: string) => void }) {
  return (
    <div className="moves">
      {moves.length === 0 && <p className="dim">Nothing.</p>}
      {ORDER.filter((kind) => moves.some((move) => move.kind === kind)).map((kind) => (
        <div key={kind} role="group" aria-label={HEADS[kind]}>
          <h3>{HEADS[kind]}</h3>
          {moves.filter((move) => move.kind === kind).map((move) => <Move key={`${move.label} ${move.text}`} move={move} busy={busy} act={act} />)}
        </div>
      ))}
    </div>
  );
}

function Move({ move, busy, act }: { move: LegalMove; busy: boolean; act: (text: string) => void }) {
  const fields = move.fields ?? [];
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    act(filled(move, Object.fromEntries(fields.map(({ name }) => [name, String(given.get(name) ?? "")]))));
  };
  return (
    <form className="move" onSubmit={submit}>
      {fields.map(({ name, choices }) => (
        <label key={name}>
          <span>{name.replaceAll("_", " ")}</span>
          {choices ? <select name={name} required>{choices.map((one) => <option key={one}>{one}</option>)}</select> : <textarea name={name} rows={2} maxLength={4000} />}
        </label>
      ))}
      <button type="submit" disabled={busy}><Inline text={move.label} /></button>
    </form>
  );
}

/** The action to send: each `{name}` in it is what was chosen. */
export function filled(move: LegalMove, given: Readonly<Record<string, string>>): string {
  return move.text.replace(/\{(\w+)\}/g, (whole, name: string) => given[name] ?? whole);
}

function GiveBack({ busy, give }: { busy: boolean; give: (spec: string) => void }) {
  const [spec, setSpec] = useState("");
  return (
    <form className="give" onSubmit={(event) => { event.preventDefault(); give(spec); }}>
      <input value={spec} onChange={(event) => setSpec(event.target.value)} placeholder="a Director, as in --director" aria-label="Director to give the seat to" maxLength={400} required />
      <button type="submit" disabled={busy || !spec}>Give the seat</button>
    </form>
  );
}
