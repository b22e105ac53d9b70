import type { EpisodePage, EpisodeRow, GroupsPage, RunPage, RunsPage, TrainingPage } from "../records";

/** What a page that was saved as a file holds of its run. */
export interface Embedded {
  readonly runs: RunsPage;
  readonly run: RunPage;
  readonly episodes: readonly EpisodeRow[];
  readonly episode: Readonly<Record<string, EpisodePage>>;
  /** Scripts beside the page that hold the other episodes. */
  readonly parts?: Readonly<Record<string, string>>;
  readonly training?: TrainingPage | null;
  readonly groups?: Readonly<Record<string, GroupsPage>> | null;
  readonly study?: unknown;
}

/** The data in the page; null if it was served. */
export function embedded(): Embedded | null {
  const text = document.getElementById("flowsteer-data")?.textContent;
  return text ? (JSON.parse(text) as Embedded) : null;
}
