/** What the graph draws: nodes that are the same objects as before wherever they look the same. */
import type { Node } from "@xyflow/react";
import type { Mark } from "../workflow/change";
import type { Direction, Layout, Placed } from "../workflow/layout";
import type { Structure } from "../workflow/tree";
import type { Scene } from "./Canvas";
import { cameTo } from "./GroupNode";
import type { Standing } from "./state";

/** All that the look of a node depends on. */
export interface Look {
  readonly placed: Placed | null;
  readonly layout: Layout | null;
  readonly reached: ReadonlySet<string> | null;
  readonly faint: boolean;
  readonly category: string;
  readonly came: string;
  readonly mark: Mark | undefined;
  readonly standing: Standing | undefined;
  readonly selected: boolean;
  readonly select: (id: string) => void;
  readonly [name: string]: unknown;
}

export type Drawn = Node<Look>;

const SHAPES = { group: "structure", end: "end", done: "done", step: "step" } as const;

/** The nodes of a scene, with the boxes below the lines and the steps above them. */
export function nodesOf(drawn: Layout, direction: Direction, scene: Scene, former: ReadonlyMap<string, Drawn>): Drawn[] {
  const [dx, dy] = direction === "down" ? [drawn.axis, 0] : [0, drawn.axis];
  const boxes = drawn.placed.filter(({ kind }) => kind === "group").map((placed) => shape(placed, dx, dy, scene));
  const others = drawn.placed.filter(({ kind }) => kind !== "group").map((placed) => shape(placed, dx, dy, scene));
  return [...boxes, wires(drawn, dx, dy, scene), ...others].map((node) => {
    const held = former.get(node.id);
    return held && alike(held, node) ? held : node;
  });
}

function shape(placed: Placed, dx: number, dy: number, { change, flow, standings, operators, selected, select }: Scene): Drawn {
  const { id, kind, node, scope, depth } = placed;
  const known = kind === "step" || kind === "group";
  const structure = node && node.type !== "step" ? (node as Structure) : null;
  return {
    id: known ? id : `:${id}`,
    type: SHAPES[kind],
    position: { x: placed.x - dx, y: placed.y - dy },
    width: placed.width,
    height: placed.height,
    zIndex: kind === "group" ? depth : 101,
    data: {
      placed, layout: null, reached: null, select,
      faint: !!flow && !flow.reached.has(scope),
      category: node?.type === "step" ? (operators[node.operator]?.category ?? "") : "",
      came: structure ? cameTo(structure, flow) : "",
      mark: known ? change.marks.get(id) : undefined,
      standing: standings.get(id),
      selected: selected === id,
    },
  };
}

function wires(layout: Layout, dx: number, dy: number, { flow, select }: Scene): Drawn {
  return {
    id: ":wires", type: "wires", position: { x: -dx, y: -dy }, width: layout.width, height: layout.height, zIndex: 100,
    data: {
      placed: null, layout, reached: flow?.reached ?? null, select, faint: false, category: "", came: "", mark: undefined,
      standing: undefined, selected: false,
    },
  };
}

function alike(one: Drawn, other: Drawn): boolean {
  return (
    one.position.x === other.position.x && one.position.y === other.position.y && one.width === other.width &&
    one.height === other.height && one.type === other.type &&
    Object.keys(other.data).every((name) => (name === "placed" ? samePlace(one.data.placed, other.data.placed) : one.data[name] === other.data[name]))
  );
}

/** Two turns' workflows have equal steps that are different objects. */
function samePlace(one: Placed | null, other: Placed | null): boolean {
  return one === other || JSON.stringify(one?.node) === JSON.stringify(other?.node);
}
