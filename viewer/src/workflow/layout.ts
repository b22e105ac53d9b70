/**
 * Where everything of a workflow is drawn. Structured workflows are series-parallel, so one walk of the tree places them
 * exactly: a sequence is stacked along the flow, branches stand side by side across it, a structure is a box around them.
 * Every block has an axis, the line on which the flow enters and leaves it; no two lines cross.
 */
import type { Workflow, WorkflowNode } from "../records";
import { inside, type Sequence } from "./tree";

export type Direction = "down" | "right";
export type Point = readonly [x: number, y: number];

export interface Placed {
  readonly id: string;
  readonly node: WorkflowNode | null;
  readonly kind: "step" | "group" | "end" | "done";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** The container it stands in; as for wires, what is not reached is drawn faintly. */
  readonly scope: string;
  readonly depth: number;
}

export interface Wire {
  readonly id: string;
  readonly points: readonly Point[];
  readonly scope: string;
  readonly kind: "flow" | "back";
  readonly label: string;
  /** Where the label stands. */
  readonly at: Point | null;
  /** Whether it ends in an arrow head. */
  readonly arrow: boolean;
}

export interface Layout {
  readonly placed: readonly Placed[];
  readonly wires: readonly Wire[];
  readonly width: number;
  readonly height: number;
  /** How far across the flow its axis is: where the task stands. */
  readonly axis: number;
}

export const STEP = { width: 224, height: 66 } as const;
const END = { width: 84, height: 30 } as const;
const DONE = { width: 64, height: 24 } as const;
const GAP = 26;
const BETWEEN = 22;
const PAD = 14;
const HEAD = 28;
const LANE = 30;
const FORK = 22;

/** A block before it is placed: its size along the flow and across it, and how far across its axis is. */
interface Block {
  readonly along: number;
  readonly across: number;
  readonly axis: number;
  /** Whether it is a box, which a line enters without an arrow: the arrow stands inside. */
  readonly box?: boolean;
  /** Places it with its corner there. */
  readonly put: (along: number, across: number) => void;
}

const TASK = "task";
const ANSWER = "answer";

class Drawing {
  readonly placed: Placed[] = [];
  readonly wires: Wire[] = [];

  constructor(private readonly direction: Direction) {}

  private point(along: number, across: number): Point {
    return this.direction === "down" ? [across, along] : [along, across];
  }

  private box(along: number, across: number, size: { along: number; across: number }) {
    const [x, y] = this.point(along, across);
    const [width, height] = this.point(size.along, size.across);
    return { x, y, width, height };
  }

  wire(
    id: string,
    scope: string,
    path: readonly (readonly [along: number, across: number])[],
    more: { label?: string; at?: readonly [number, number]; kind?: "flow" | "back"; arrow?: boolean } = {},
  ): void {
    this.wires.push({
      id,
      scope,
      points: path.map(([along, across]) => this.point(along, across)),
      kind: more.kind ?? "flow",
      label: more.label ?? "",
      at: more.at ? this.point(...more.at) : null,
      arrow: more.arrow ?? true,
    });
  }

  leaf(id: string, kind: "step" | "end" | "done", node: WorkflowNode | null, scope: string, depth: number): Block {
    const size = kind === "step" ? STEP : kind === "end" ? END : DONE;
    const [along, across] = this.direction === "down" ? [size.height, size.width] : [size.width, size.height];
    return {
      along,
      across,
      axis: across / 2,
      put: (a, c) => this.placed.push({ id, node, kind, scope, depth, ...this.box(a, c, { along, across }) }),
    };
  }

  /** Blocks one after another on one axis, with wires between them. */
  stack(name: string, scope: string, blocks: readonly Block[]): Block {
    const axis = Math.max(...blocks.map((block) => block.axis));
    const across = axis + Math.max(...blocks.map((block) => block.across - block.axis));
    const along = blocks.reduce((sum, block) => sum + block.along, 0) + GAP * (blocks.length - 1);
    const put = (a: number, c: number) => {
      let at = a;
      blocks.forEach((block, index) => {
        if (index > 0) this.wire(`${name}:${index}`, scope, [[at - GAP, c + axis], [at, c + axis]], { arrow: !block.box });
        block.put(at, c + axis - block.axis);
        at += block.along + GAP;
      });
    };
    return { along, across, axis, box: blocks[0]?.box ?? false, put };
  }

  sequence(nodes: Sequence, scope: string, depth: number): Block {
    if (nodes.length === 0) return this.leaf(`${scope}:done`, "done", null, scope, depth);
    return this.stack(`seq:${scope}`, scope, nodes.map((node) => this.node(node, scope, depth)));
  }

  node(node: WorkflowNode, scope: string, depth: number): Block {
    switch (node.type) {
      case "step":
        return this.leaf(node.id, "step", node, scope, depth);
      case "parallel":
        return this.group(node, scope, depth, 0, this.fan(node, depth + 1, []));
      case "conditional": {
        const check = this.leaf(node.check.id, "step", node.check, scope, depth + 1);
        const branches = this.fan(node, depth + 1, ["if it fails", "else"]);
        return this.group(node, scope, depth, 0, this.checked(check, branches));
      }
      case "loop":
        return this.group(node, scope, depth, LANE, this.repeated(node.id, this.sequence(node.body, node.id, depth + 1)));
    }
  }

  /** The check, and right behind it the fork into the branches. */
  private checked(check: Block, branches: Block): Block {
    const axis = Math.max(check.axis, branches.axis);
    const across = axis + Math.max(check.across - check.axis, branches.across - branches.axis);
    return {
      along: check.along + branches.along,
      across,
      axis,
      put: (a, c) => {
        check.put(a, c + axis - check.axis);
        branches.put(a + check.along, c + axis - branches.axis);
      },
    };
  }

  /** The body, and the way back from its end to its head, in a lane beside it. */
  private repeated(id: string, body: Block): Block {
    return {
      ...body,
      put: (a, c) => {
        body.put(a, c);
        const lane = c + body.across + LANE / 2;
        const [start, end] = [a - GAP / 2 + 4, a + body.along + GAP / 2 - 4];
        this.wire(`back:${id}`, id, [[end, c + body.axis], [end, lane], [start, lane], [start, c + body.axis]], {
          kind: "back",
        });
      },
    };
  }

  /** Branches side by side between a fork and a join on one axis. */
  private fan(node: WorkflowNode, depth: number, labels: readonly string[]): Block {
    const branches = inside(node).map(([name, nodes]) => ({ name, block: this.sequence(nodes, name, depth) }));
    const fork = labels.length > 0 ? FORK + 20 : FORK;
    const longest = Math.max(...branches.map(({ block }) => block.along));
    const across = branches.reduce((sum, { block }) => sum + block.across, 0) + BETWEEN * (branches.length - 1);
    const axis = across / 2;
    const along = fork + longest + FORK;
    const put = (a: number, c: number) => {
      let at = c;
      branches.forEach(({ name, block }, index) => {
        const [lane, head, end] = [at + block.axis, a + fork, a + fork + block.along];
        const turn = a + FORK / 2;
        const label = labels[index];
        const more = label ? { label, at: [turn + (fork - FORK / 2) / 2 - 3, lane] as const } : {};
        const path = [[a, c + axis], [turn, c + axis], [turn, lane], [head, lane]] as const;
        this.wire(`fork:${name}`, name, path, { ...more, arrow: !block.box });
        block.put(head, at);
        const join = a + along - FORK / 2;
        const back = [[end, lane], [join, lane], [join, c + axis], [a + along, c + axis]] as const;
        this.wire(`join:${name}`, name, back, { arrow: false });
        at += block.across + BETWEEN;
      });
    };
    return { along, across, axis, put };
  }

  /** A box with a heading around a block; the flow enters and leaves it on the block's axis. */
  private group(node: WorkflowNode, scope: string, depth: number, lane: number, content: Block): Block {
    const down = this.direction === "down";
    const fans = node.type === "parallel";
    const before = (down ? HEAD : PAD) + (fans ? 0 : GAP / 2);
    const after = fans || node.type === "conditional" ? 4 : PAD + GAP / 2;
    const side = down ? PAD : HEAD;
    const [along, across] = [before + content.along + after, side + content.across + lane + PAD];
    const axis = side + content.axis;
    return {
      along,
      across,
      axis,
      box: true,
      put: (a, c) => {
        this.placed.push({ id: node.id, node, kind: "group", scope, depth, ...this.box(a, c, { along, across }) });
        const head = a + before;
        this.wire(`in:${node.id}`, scope, [[a, c + axis], [head, c + axis]], { arrow: !fans && !content.box });
        content.put(head, c + side);
        const end = head + content.along;
        this.wire(`out:${node.id}`, scope, [[end, c + axis], [a + along, c + axis]], { arrow: false });
      },
    };
  }
}

const known = new WeakMap<Workflow, Partial<Record<Direction, Layout>>>();

/** The layout of a workflow, computed once. */
export function layout(workflow: Workflow, direction: Direction): Layout {
  const held = known.get(workflow) ?? {};
  known.set(workflow, held);
  return (held[direction] ??= drawn(workflow, direction));
}

function drawn(workflow: Workflow, direction: Direction): Layout {
  const drawing = new Drawing(direction);
  const ends = [TASK, ANSWER].map((id) => drawing.leaf(id, "end", null, "", 0)) as [Block, Block];
  const all = drawing.stack("seq:", "", [ends[0], ...workflow.nodes.map((node) => drawing.node(node, "", 0)), ends[1]]);
  all.put(0, 0);
  const [width, height] = direction === "down" ? [all.across, all.along] : [all.along, all.across];
  return { placed: drawing.placed, wires: drawing.wires, width, height, axis: all.axis };
}

/** The direction in which a workflow can be drawn larger in a frame. */
export function better(workflow: Workflow, frame: { width: number; height: number }): Direction {
  const scale = (found: Layout) => Math.min(frame.width / found.width, frame.height / found.height, 1);
  return scale(layout(workflow, "right")) > 1.15 * scale(layout(workflow, "down")) ? "right" : "down";
}
