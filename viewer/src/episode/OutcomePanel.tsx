import type { EpisodePage } from "../records";
import { count, figure, money, seconds } from "../text/figures";
import { Block, Inline } from "../text/Text";
import { Reward } from "./Reward";
import type { Played } from "./turns";

/** What came of an episode: shown at its end only, as the right answer is. */
export function OutcomePanel({ page, played }: { page: EpisodePage; played: Played }) {
  const { ended, graded, voted } = played;
  const { summary, gold } = page;
  if (!ended) return null;
  const score = summary?.score ?? graded?.score ?? null;
  const reason = page.grade_reason || graded?.reason || "";
  return (
    <>
      <h2>The end <span className="dim"><Inline text={ended.reason} /></span></h2>
      <section>
        <h3>Answer {score !== null && <span className={score >= 1 ? "good" : "bad"}>{score >= 1 ? "✓ right" : "✗ wrong"}{score !== 0 && score !== 1 && ` ${figure(score)}`}</span>}</h3>
        {ended.answer ? <Block text={ended.answer} /> : <p className="dim">None.</p>}
        {ended.stated && ended.stated !== ended.answer && <p className="small"><span className="dim">stated in the finish, not scored:</span> <Inline text={ended.stated} /></p>}
        {voted && <p className="small">{voted.agreed} of {voted.answers.length} episodes gave this answer.</p>}
      </section>
      {gold && gold.length > 0 && (
        <section><h3>Right answer</h3>{gold.map((one, index) => <Block key={index} text={one} />)}</section>
      )}
      {(reason || graded?.failure) && (
        <section>
          <h3>Grader</h3>
          {reason && <p><Inline text={reason} /></p>}
          {graded?.failure && <Block text={`${graded.failure.kind}: ${graded.failure.message}`} />}
        </section>
      )}
      <Reward page={page} />
      <section>
        <h3>Spent</h3>
        <table className="figures">
          <thead><tr><th scope="col"><span className="hidden">who</span></th><th scope="col" className="n">calls</th><th scope="col" className="n">read</th><th scope="col" className="n">written</th><th scope="col" className="n">cost</th></tr></thead>
          <tbody>
            {([["Director", ended.director_usage], ["operators", ended.executor_usage]] as const).map(([who, usage]) => (
              <tr key={who}><th scope="row">{who}</th><td className="n">{count(usage.calls)}</td><td className="n">{count(usage.prompt_tokens)}</td><td className="n">{count(usage.completion_tokens)}</td><td className="n">{money(usage.cost)}</td></tr>
            ))}
          </tbody>
        </table>
        <p className="dim small">{ended.turns > 0 && `${ended.turns} turns · `}{seconds(ended.seconds)} in all</p>
      </section>
      <section><h3>Workflow</h3><pre className="text code dsl" tabIndex={0} role="group" aria-label="workflow"><Inline text={ended.dsl || "(empty)"} /></pre></section>
    </>
  );
}
