/** The part of the plane that a workflow is looked at through: one for all turns, so that the picture stands still. */
import type { Workflow } from "../records";
import { type Direction, layout, type Layout } from "./layout";

export interface Extent {
  /** Room on either side of the axis, and along the flow. */
  readonly before: number;
  readonly after: number;
  readonly along: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

const MARGIN = 28;
/** Below it the words in a step cannot be read: then the frame follows what changes. */
const READABLE = 0.6;
/** Up to this width of a frame a step has its own size. */
const WIDE = 1700;

/** The room that all of these workflows need, each with its axis in the same place. */
export function extent(workflows: readonly Workflow[], direction: Direction): Extent {
  const all = workflows.map((workflow) => spread(layout(workflow, direction), direction));
  return {
    before: Math.max(0, ...all.map(({ before }) => before)),
    after: Math.max(0, ...all.map(({ after }) => after)),
    along: Math.max(0, ...all.map(({ along }) => along)),
  };
}

function spread({ axis, width, height }: Layout, direction: Direction): Extent {
  const [across, along] = direction === "down" ? [width, height] : [height, width];
  return { before: axis, after: across - axis, along };
}

/** The view that shows the whole extent; only in a very wide frame is anything drawn larger than it is. */
export function fitted(room: Extent, direction: Direction, frame: Size): View {
  const across = room.before + room.after;
  const [width, height] = direction === "down" ? [across, room.along] : [room.along, across];
  const zoom = Math.max(0.1, Math.min(Math.max(1, frame.width / WIDE), (frame.width - 2 * MARGIN) / width, (frame.height - 2 * MARGIN) / height));
  return placed(room, direction, frame, zoom);
}

/** The view for reading: all of it where it can be read so, else the part around a point. */
export function readable(room: Extent, direction: Direction, frame: Size, point: readonly [number, number]): View {
  const all = fitted(room, direction, frame);
  if (all.zoom >= READABLE) return all;
  const view = placed(room, direction, frame, READABLE);
  const [along, across] = direction === "down" ? [point[1], point[0]] : point;
  const [frameAlong, frameAcross] = direction === "down" ? [frame.height, frame.width] : [frame.width, frame.height];
  const a = shifted(along, 0, room.along, frameAlong);
  const c = shifted(across, -room.before, room.after, frameAcross);
  return direction === "down" ? { ...view, x: c, y: a } : { ...view, x: a, y: c };
}

/** Where the origin goes so that a point is in the middle, as far as there is something to see on both sides of it. */
function shifted(at: number, from: number, to: number, frame: number): number {
  const middle = frame / 2 - at * READABLE;
  const [most, least] = [MARGIN - from * READABLE, frame - MARGIN - to * READABLE];
  return least > most ? (most + least) / 2 : Math.min(most, Math.max(least, middle));
}

function placed(room: Extent, direction: Direction, frame: Size, zoom: number): View {
  const side = direction === "down" ? frame.width : frame.height;
  const axis = (side - (room.before + room.after) * zoom) / 2 + room.before * zoom;
  const length = direction === "down" ? frame.height : frame.width;
  const start = Math.max(MARGIN, (length - room.along * zoom) / 2);
  return direction === "down" ? { x: axis, y: start, zoom } : { x: start, y: axis, zoom };
}
