/** The places the scrubber stops at: each turn, and the end once the episode is over. */
import type { IconName } from "../app/Icon";
import { visible } from "../text/visible";
import { walk } from "../workflow/tree";
import type { Played, Turn } from "./turns";

export interface Stop {
  readonly turn: Turn;
  /** Behind the last turn: what came of it. */
  readonly end: boolean;
  readonly sign: IconName;
  readonly label: string;
  readonly tone: "accepted" | "rejected" | "open" | "right" | "wrong" | "over";
}

export function stopsOf({ turns, ended, graded }: Played): Stop[] {
  const stops: Stop[] = turns.map((turn) => ({
    turn,
    end: false,
    sign: signOf(turn),
    label: visible(`${turn.number === 0 ? "Run" : `Turn ${turn.number}`}: ${saidOf(turn)}`),
    tone: turn.edit ? (turn.edit.kind === "edit_applied" ? "accepted" : "rejected") : turn.number === 0 ? "accepted" : "open",
  }));
  const last = turns.at(-1);
  if (ended && last) {
    const score = graded?.score ?? null;
    const tone = score === null ? "over" : score >= 1 ? "right" : "wrong";
    stops.push({ turn: last, end: true, sign: "end", label: visible(`The end: ${ended.reason}`), tone });
  }
  return stops;
}

/** What a turn did, in a word or two. */
export function saidOf({ edit, number }: Turn): string {
  if (!edit) return number === 0 ? "the workflow ran" : "the Director has replied";
  return edit.kind === "edit_applied" ? edit.echo : `refused: ${edit.reason}`;
}

function signOf({ edit, change, number }: Turn): IconName {
  if (!edit) return number === 0 ? "play" : "dots";
  if (edit.kind === "edit_rejected") return "cross";
  const made = [...walk(edit.workflow.nodes)].find((node) => node.type !== "step" && edit.new.includes(node.id));
  if (made && made.type !== "step") return made.type;
  const marks = [...change.marks.values()];
  if (marks.includes("added")) return "plus";
  if (change.removed.length > 0) return "minus";
  return marks.length > 0 ? "pen" : "check";
}
