import { Link } from "../app/Link";
import type { EpisodePage, GroupMember } from "../records";
import { figure, signed } from "../text/figures";
import { Inline } from "../text/Text";

/** Terms that say what a workflow was; the answer's worth is released once they make up for the base. */
const SKELETON = ["base", "verification", "formatting", "operators", "structure"];

/** The reward term by term, the gate, and the group it was compared in. */
export function Reward({ page }: { page: EpisodePage }) {
  const { summary, group } = page;
  if (!summary || (summary.reward === null && Object.keys(summary.terms).length === 0)) return null;
  const terms = Object.entries(summary.terms);
  const most = Math.max(1, ...terms.map(([, value]) => Math.abs(value)));
  return (
    <section>
      <h3>Reward <strong className="figure">{figure(summary.reward)}</strong></h3>
      <Gate terms={summary.terms} />
      <ul className="terms">
        {terms.map(([name, value]) => (
          <li key={name}>
            <span>{name.replaceAll("_", " ")}</span>
            <svg viewBox="-50 0 100 8" preserveAspectRatio="none" aria-hidden="true">
              <line x1="0" x2="0" y1="0" y2="8" className="axis" />
              <rect x={Math.min(0, (48 * value) / most)} width={Math.abs((48 * value) / most)} y="1.5" height="5" rx="1" className={value < 0 ? "minus" : "plus"} />
            </svg>
            <span className="figure">{signed(value)}</span>
          </li>
        ))}
      </ul>
      {group && group.length > 0 && <Group run={page.run} episode={page.episode} group={group} />}
    </section>
  );
}

function Gate({ terms }: { terms: Readonly<Record<string, number>> }) {
  if (!("base" in terms)) return null;
  const skeleton = SKELETON.reduce((sum, name) => sum + (terms[name] ?? 0), 0);
  const open = skeleton > -1e-9;
  return (
    <p className={`gate ${open ? "open" : "shut"}`}>
      <span aria-hidden="true">{open ? "◉" : "◎"}</span> Gate {open ? "open: the workflow has its skeleton, so the answer counts" : `shut: ${figure(-skeleton)} of the skeleton is missing, so the answer does not count`}
    </p>
  );
}

/** The episodes of a group with their rewards; the one in hand stands out. */
export function Group({ run, episode, group }: { run: string; episode?: string; group: readonly GroupMember[] }) {
  const sorted = [...group].sort((one, other) => (other.reward ?? -9) - (one.reward ?? -9));
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label="Its group">
      <table className="figures group-table">
        <thead><tr><th scope="col" className="n">reward</th><th scope="col" className="n">advantage</th><th scope="col" className="n">score</th><th scope="col">workflow</th></tr></thead>
        <tbody>
          {sorted.map((one) => (
            <tr key={one.episode} className={one.episode === episode ? "current" : ""}>
              <td className="n">{figure(one.reward)}</td>
              <td className={`n ${(one.advantage ?? 0) < 0 ? "bad" : "good"}`}>{signed(one.advantage)}</td>
              <td className="n">{figure(one.score)}</td>
              <td><Link to={{ view: "episode", run, episode: one.episode, stop: null, node: null }} current={one.episode === episode} className="mono"><Inline text={one.dsl || "(empty)"} /></Link></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
