import type { Point } from "./layout";

const RADIUS = 10;

/** A line through the points with round corners, as SVG. */
export function rounded(points: readonly Point[]): string {
  const turns = points.filter((point, index) => index === 0 || !same(point, points[index - 1]));
  return turns.map((point, index) => part(turns[index - 1], point, turns[index + 1])).join(" ");
}

function part(before: Point | undefined, point: Point, after: Point | undefined): string {
  if (!before) return `M ${at(point)}`;
  if (!after) return `L ${at(point)}`;
  return `L ${at(towards(point, before))} Q ${at(point)} ${at(towards(point, after))}`;
}

/** A point on the way to another one, no further than half of it. */
function towards([x, y]: Point, [u, v]: Point): Point {
  const length = Math.hypot(u - x, v - y);
  const share = Math.min(RADIUS, length / 2) / (length || 1);
  return [x + (u - x) * share, y + (v - y) * share];
}

function same(one: Point, other: Point | undefined): boolean {
  return !!other && one[0] === other[0] && one[1] === other[1];
}

function at([x, y]: Point): string {
  return `${round(x)} ${round(y)}`;
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}
