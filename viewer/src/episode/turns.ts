/** The events of an episode as the turns they tell of. */
import type {
  EditApplied,
  EditRejected,
  EpisodeEnded,
  EpisodeStarted,
  Event,
  FeedbackGiven,
  Graded,
  NodeRan,
  TurnTaken,
  Voted,
  Workflow,
} from "../records";
import { change, type Change, UNCHANGED } from "../workflow/change";
import { EMPTY } from "../workflow/tree";

export interface Turn {
  /** 0 where there is no Director: the workflow just runs. */
  readonly number: number;
  readonly taken: TurnTaken | null;
  readonly edit: EditApplied | EditRejected | null;
  readonly runs: readonly NodeRan[];
  readonly feedback: FeedbackGiven | null;
  /** As it stands after the turn. */
  readonly workflow: Workflow;
  readonly change: Change;
}

export interface Played {
  readonly started: EpisodeStarted | null;
  readonly turns: readonly Turn[];
  readonly ended: EpisodeEnded | null;
  readonly graded: Graded | null;
  readonly voted: Voted | null;
  /** The workflow as it stands last. */
  readonly workflow: Workflow;
}

interface Draft {
  number: number;
  taken: TurnTaken | null;
  edit: EditApplied | EditRejected | null;
  runs: NodeRan[];
  feedback: FeedbackGiven | null;
}

/** Reads a stream of events, finished or not. */
export function played(events: readonly Event[]): Played {
  const turns = new Map<number, Draft>();
  const at = (number: number): Draft => {
    const held = turns.get(number) ?? { number, taken: null, edit: null, runs: [], feedback: null };
    turns.set(number, held);
    return held;
  };
  let [started, ended, graded, voted]: [EpisodeStarted | null, EpisodeEnded | null, Graded | null, Voted | null] = [
    null, null, null, null,
  ];
  for (const event of events) {
    switch (event.kind) {
      case "episode_started": started = event; break;
      case "turn_taken": at(event.turn).taken = event; break;
      case "edit_applied":
      case "edit_rejected": at(event.turn).edit = event; break;
      case "node_ran": at(event.turn).runs.push(event); break;
      case "feedback_given": at(event.turn).feedback = event; break;
      case "episode_ended": ended = event; break;
      case "graded": graded = event; break;
      case "voted": voted = event; break;
    }
  }
  const listed = withWorkflows([...turns.values()], ended);
  const workflow = ended?.workflow ?? listed.at(-1)?.workflow ?? EMPTY;
  return { started, turns: listed, ended, graded, voted, workflow };
}

function withWorkflows(turns: readonly Draft[], ended: EpisodeEnded | null): Turn[] {
  let workflow = EMPTY;
  return turns.map((turn) => {
    const before = workflow;
    if (turn.edit?.kind === "edit_applied") workflow = same(before, turn.edit.workflow);
    else if (turn.number === 0 && ended) workflow = ended.workflow;
    return { ...turn, workflow, change: turn.number === 0 ? UNCHANGED : change(before, workflow) };
  });
}

/** The former of two equal workflows, so that what is known of it is found again. */
function same(before: Workflow, after: Workflow): Workflow {
  return JSON.stringify(before.nodes) === JSON.stringify(after.nodes) ? before : after;
}
