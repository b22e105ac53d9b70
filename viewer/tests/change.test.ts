import { describe, expect, it } from "vitest";
import { change } from "../src/workflow/change";
import { homes, toDsl } from "../src/workflow/tree";
import { conditional, loop, parallel, step, workflow } from "./made";

const before = workflow(step(1, "Plan"), step(2), step(3, "Verify"));

describe("change", () => {
  it("marks what is added", () => {
    const after = workflow(...before.nodes, parallel(4, [step(5)], [step(6)]));
    expect([...change(before, after).marks]).toEqual([["node_4", "added"], ["node_5", "added"], ["node_6", "added"]]);
  });

  it("names what is removed, a structure alone", () => {
    const with4 = workflow(...before.nodes, loop(4, 2, step(5)));
    expect(change(with4, before).removed.map(({ id }) => id)).toEqual(["node_4"]);
  });

  it("marks what is wrapped, and what moved into it", () => {
    const after = workflow(step(1, "Plan"), loop(4, 3, step(2), step(3, "Verify")));
    expect(Object.fromEntries(change(before, after).marks)).toEqual({ node_4: "wrapped", node_2: "moved", node_3: "moved" });
  });

  it("marks another operator or instruction", () => {
    const after = workflow(step(1, "Plan", "be short"), step(2, "Programmer"), step(3, "Verify"));
    expect([...change(before, after).marks]).toEqual([["node_1", "changed"], ["node_2", "changed"]]);
  });
});

it("knows where each node stands", () => {
  const of = workflow(conditional(1, step(2, "Verify"), [step(3)]), parallel(4, [step(5)], [step(6)]));
  expect(Object.fromEntries(homes(of.nodes))).toMatchObject({ node_1: "", node_2: "node_1.check", node_3: "node_1.true", node_6: "node_4.2" });
});

it("writes a workflow as the rest of FlowSteer does", () => {
  const of = workflow(step(1, "Plan"), parallel(2, [step(3, "A"), step(4, "B")], [step(5, "C")]), loop(6, 3, step(7, "Verify"), conditional(8, step(9, "Test"), [step(10, "Revise")])));
  expect(toDsl([{ ...step(1, "Custom"), backend: "big" }, { ...step(2, "Plan"), backend: "a:b" }])).toBe('Custom@big -> Plan@"a:b"');
  expect(toDsl(of.nodes)).toBe("Plan -> [A -> B, C] -> (Verify -> Test ? Revise : done) * 3");
});
