import { describe, expect, it } from "vitest";
import { flows } from "../src/episode/flow";
import { standings } from "../src/episode/state";
import { stopsOf } from "../src/episode/stops";
import { played } from "../src/episode/turns";
import { conditional, edit, type Event, loop, OPERATORS, parallel, ran, step, verdict, workflow } from "./made";

function last(events: Event[]) {
  const whole = played(events);
  const flow = flows(whole.turns, OPERATORS).at(-1);
  const turn = whole.turns.at(-1);
  if (!flow || !turn) throw new Error("no turn");
  return { flow, turn, states: standings(turn, flow, false) };
}

describe("flow", () => {
  it("hands the draft from step to step", () => {
    const { flow } = last([edit(1, workflow(step(1, "Plan"), step(2))), ran(1, 1, "Plan", { plan: "p" }), ran(1, 2, "Custom", { answer: "4" })]);
    expect(flow.visits.get("node_2")?.[0]?.before).toEqual({ plan: "p" });
    expect(flow.draft).toEqual({ plan: "p", answer: "4" });
  });

  it("takes the branch that the check decides", () => {
    const of = workflow(step(1), conditional(2, step(3, "Verify"), [step(4, "Revise")]));
    const failed = last([edit(1, of), ran(1, 1, "Custom", { answer: "4" }), ran(1, 3, "Verify", { verdict: verdict(false) }), ran(1, 4, "Revise", { answer: "5" })]);
    expect(failed.flow.reached).toContain("node_2.true");
    expect(failed.flow.draft).toEqual({ answer: "5" });
    const passed = last([edit(1, of), ran(1, 1, "Custom", { answer: "4" }), ran(1, 3, "Verify", { verdict: verdict(true) })]);
    expect(passed.flow.reached).toContain("node_2.false");
    expect(passed.states.get("node_4")?.state).toBe("skipped");
    expect(passed.states.get("node_3")?.state).toBe("passed");
  });

  it("goes round a loop until a check passes", () => {
    const of = workflow(step(1), loop(2, 3, step(3, "Verify"), step(4, "Revise")));
    const { flow, states } = last([
      edit(1, of), ran(1, 1, "Custom", { answer: "4" }),
      ran(1, 3, "Verify", { verdict: verdict(false) }, { iteration: [0] }), ran(1, 4, "Revise", { answer: "5" }, { iteration: [0] }),
      ran(1, 3, "Verify", { verdict: verdict(true) }, { iteration: [1] }),
    ]);
    expect(flow.rounds.get("node_2")).toBe(2);
    expect(states.get("node_3")?.visits.map(({ iteration }) => iteration)).toEqual([[0], [1]]);
    expect(flow.draft.answer).toBe("5");
  });

  it("joins branches as candidates", () => {
    const { flow } = last([
      edit(1, workflow(step(1, "Plan"), parallel(2, [step(3)], [step(4)]), step(5, "ScEnsemble"))), ran(1, 1, "Plan", { plan: "p" }),
      ran(1, 4, "Custom", { answer: "b" }), ran(1, 3, "Custom", { answer: "a" }), ran(1, 5, "ScEnsemble", { answer: "b" }),
    ]);
    expect(flow.visits.get("node_5")?.[0]?.before.candidates?.map(({ answer }) => answer)).toEqual(["a", "b"]);
    expect(flow.draft.candidates).toBeUndefined();
  });

  it("finds again what had been known before an edit was undone", () => {
    const [one, two] = [workflow(step(1, "Plan"), step(2)), workflow(step(2))];
    const { flow } = last([
      edit(1, one), ran(1, 1, "Plan", { plan: "p" }), ran(1, 2, "Custom", { answer: "with" }),
      edit(2, two), ran(2, 2, "Custom", { answer: "without" }), edit(3, one),
    ]);
    expect(flow.draft.answer).toBe("with");
  });

  it("changes nothing where a step failed", () => {
    const failure = { kind: "timeout", message: "", error: "", place: "", trace: "" };
    const { flow, states } = last([edit(1, workflow(step(1), step(2))), ran(1, 1, "Custom", { answer: "4" }), ran(1, 2, "Custom", {}, { failure })]);
    expect(flow.draft).toEqual({ answer: "4" });
    expect(states.get("node_2")?.state).toBe("failed");
  });

  it("shows where a live turn stands", () => {
    const whole = played([edit(1, workflow(step(1), step(2))), ran(1, 1, "Custom", { answer: "4" })]);
    const [flow] = flows(whole.turns, OPERATORS);
    const [turn] = whole.turns;
    if (!flow || !turn) throw new Error("no turn");
    expect(standings(turn, flow, true).get("node_2")?.state).toBe("running");
  });
});

it("stops at each turn and at the end", () => {
  const whole = played([
    edit(1, workflow(step(1)), "node_1"),
    { kind: "edit_rejected", turn: 2, parsed: true, reason: "no", choices: [] },
    { kind: "episode_ended", answer: "", finished: true, reason: "finished", turns: 2, stated: "", dsl: "", workflow: workflow(step(1)),
      director_usage: ran(0, 0, "", {}).usage, executor_usage: ran(0, 0, "", {}).usage, seconds: 1,
      requests: [] },
  ]);
  expect(stopsOf(whole).map(({ sign, tone }) => [sign, tone])).toEqual([["plus", "accepted"], ["cross", "rejected"], ["end", "over"]]);
});
