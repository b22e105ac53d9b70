import { describe, expect, it } from "vitest";
import { address, parse, type Route } from "../src/app/route";

const PLACES: Route[] = [
  { view: "runs" },
  { view: "search", q: "a & b?" },
  { view: "run", run: "~" },
  { view: "run", run: "a/b c" },
  { view: "episodes", run: "r", filter: { q: "task:x/1", state: "wrong", sort: "cost", order: "desc" } },
  { view: "episode", run: "r", episode: "director:dsl:Plan -> [A, B]?/x#1/0 100%", stop: 3, node: "node_4" },
  { view: "episode", run: "r", episode: "e", stop: null, node: null },
  { view: "compare", run: "r", left: "a/1", right: "b/2" },
  { view: "groups", run: "r", step: 12 },
  { view: "training", run: "r" },
  { view: "study", run: "r" },
];

describe("route", () => {
  for (const place of PLACES) it(`round-trips ${address(place)}`, () => expect(parse(address(place))).toEqual(place));

  it("knows no other places", () => {
    for (const hash of ["#/nowhere", "#/run/", "#/run/a/what", "#/run/%E0%A4%A", "#javascript:alert(1)"]) expect(parse(hash).view).toBe("unknown");
  });
});
