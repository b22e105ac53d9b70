import { describe, expect, it } from "vitest";
import type { Workflow, WorkflowNode } from "../src/records";
import { extent, fitted, readable } from "../src/workflow/frame";
import { layout, type Placed } from "../src/workflow/layout";
import { rounded } from "../src/workflow/path";
import { walk } from "../src/workflow/tree";
import { conditional, loop, parallel, step, workflow } from "./made";

/** Any workflow of a size, from a small generator of numbers. */
function anyWorkflow(seed: number, size: number): Workflow {
  let [state, id] = [seed * 2654435761 + 1, 1];
  const draw = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state % below;
  };
  const sequence = (left: number, deep: number): WorkflowNode[] =>
    Array.from({ length: 1 + draw(3) }, () => node(left, deep));
  const node = (left: number, deep: number): WorkflowNode => {
    const number = id++;
    if (deep > 2 || id > size) return step(number);
    switch (draw(5)) {
      case 0: return parallel(number, sequence(left, deep + 1), sequence(left, deep + 1));
      case 1: return conditional(number, step(id++, "Verify"), sequence(left, deep + 1), draw(2) ? sequence(left, deep + 1) : []);
      case 2: return loop(number, 3, ...sequence(left, deep + 1));
      default: return step(number);
    }
  };
  return workflow(...sequence(size, 0), ...sequence(size, 0));
}

const overlap = (a: Placed, b: Placed) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const holds = (a: Placed, b: Placed) =>
  a.x <= b.x && a.y <= b.y && a.x + a.width >= b.x + b.width && a.y + a.height >= b.y + b.height;

describe("layout", () => {
  for (const direction of ["down", "right"] as const)
    it(`places every node once, without overlaps, ${direction}`, () => {
      for (let seed = 1; seed < 60; seed += 1) {
        const of = anyWorkflow(seed, 24);
        const { placed, wires, width, height } = layout(of, direction);
        const boxes = placed.filter(({ kind }) => kind === "step" || kind === "group");
        expect(boxes.map(({ id }) => id).sort()).toEqual([...walk(of.nodes)].map(({ id }) => id).sort());
        const crossing = placed.flatMap((one) => placed.filter((other) => one !== other && overlap(one, other) && !holds(one, other) && !holds(other, one)));
        expect(crossing).toEqual([]);
        const leaves = placed.filter(({ kind }) => kind !== "group");
        expect(leaves.filter((one) => leaves.some((other) => one !== other && overlap(one, other)))).toEqual([]);
        const outside = wires.flatMap(({ points }) => points.filter(([x, y]) => x < 0 || y < 0 || x > width || y > height));
        expect(outside).toEqual([]);
      }
    });

  it("draws lines along the axes only", () => {
    const { wires } = layout(anyWorkflow(7, 24), "down");
    for (const { points } of wires)
      points.slice(1).forEach(([x, y], index) => {
        const [u, v] = points[index] ?? [0, 0];
        expect(x === u || y === v).toBe(true);
      });
  });

  it("is computed once a workflow", () => {
    const of = workflow(step(1));
    expect(layout(of, "down")).toBe(layout(of, "down"));
  });

  it("takes well under 50 ms for 24 nodes", () => {
    const from = performance.now();
    for (let seed = 0; seed < 20; seed += 1) layout(anyWorkflow(seed, 24), "down");
    expect((performance.now() - from) / 20).toBeLessThan(10);
  });
});

describe("frame", () => {
  const of = [workflow(step(1)), workflow(step(1), parallel(2, [step(3)], [step(4)]))];

  it("holds all turns with the axis in one place", () => {
    const room = extent(of, "down");
    const widest = layout(of[1] as Workflow, "down");
    expect(room.before + room.after).toBe(widest.width);
    expect(fitted(room, "down", { width: 1500, height: 2000 }).zoom).toBe(1);
  });

  it("follows a point where the whole cannot be read", () => {
    const many = workflow(...Array.from({ length: 40 }, (_, index) => step(index + 1)));
    const room = extent([many], "down");
    const frame = { width: 400, height: 400 };
    const [top, bottom] = [readable(room, "down", frame, [0, 0]), readable(room, "down", frame, [0, room.along])];
    expect(top.zoom).toBeGreaterThan(fitted(room, "down", frame).zoom);
    expect(bottom.y).toBeLessThan(top.y);
  });
});

describe("rounded", () => {
  it("keeps a straight line straight", () => expect(rounded([[0, 0], [0, 10]])).toBe("M 0 0 L 0 10"));
  it("rounds a corner", () => expect(rounded([[0, 0], [0, 40], [40, 40]])).toContain("Q 0 40"));
});
