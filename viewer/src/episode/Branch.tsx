import { useState } from "react";
import { go } from "../app/useRoute";
import { paths } from "../data/paths";
import type { SourceError } from "../data/contract";
import { source } from "../data/source";
import { asSourceError } from "../data/useResource";
import type { BranchMade, EpisodePage } from "../records";
import { Inline } from "../text/Text";

/** From a turn of a finished episode on, take the seat in a new one with the same edits so far. */
export function Branch({ page, turn, live }: { page: EpisodePage; turn: number; live: boolean }) {
  const [error, setError] = useState<SourceError | null>(null);
  const [asked, setAsked] = useState(false);
  if (!source.live || live || turn === 0) return null;
  const branch = () => {
    setAsked(true);
    source
      .post(`${paths.episode(page.run, page.episode)}/branch`, { turn })
      .then((made) => {
        const { run, episode } = made as BranchMade;
        go({ view: "episode", run, episode, stop: null, node: null });
      })
      .catch((failed: unknown) => {
        setAsked(false);
        setError(asSourceError(failed));
      });
  };
  return (
    <section className="branch">
      <button type="button" onClick={branch} disabled={asked}>Branch here</button>
      <span className="dim small">Take the Director's seat in a new episode that begins with turns 1 to {turn}.</span>
      {error && <p className="bad small" role="alert"><Inline text={`${error.message} ${error.hint}`} /></p>}
    </section>
  );
}
