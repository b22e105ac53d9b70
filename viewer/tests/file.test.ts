import { describe, expect, it } from "vitest";
import type { Embedded } from "../src/data/embedded";
import { fileSource } from "../src/data/fileSource";
import { paths } from "../src/data/paths";
import type { EpisodeRow, EpisodesPage } from "../src/records";

const row = (number: number, more: Partial<EpisodeRow["summary"] & object>, right: boolean | null = true): EpisodeRow => ({
  number, episode: `e/${number}`, state: "finished", question: `question ${number}`, answer: `${number}`, right, parent: null,
  summary: { system: "cot", dataset: "gsm8k", type: "math", task: `t${number}`, dsl: "Plan -> Custom", failures: {}, director_tokens: 0, executor_tokens: number, score: right ? 1 : 0, cost: null, ...more } as EpisodeRow["summary"],
});
const rows = [row(1, { failures: { timeout: 2 } }), row(2, { system: "direct", dsl: "Custom" }, false), row(3, { cost: 0.2 }), row(4, { task: "t1", cost: 0.1 })];
const data = { runs: { root: "", runs: [] }, run: { id: "~" }, episodes: rows, episode: { "e/1": { episode: "e/1" } } } as unknown as Embedded;
const source = fileSource(data);
const numbers = async (query: string) => {
  const page = (await source.get(`${paths.episodes("~")}?${query}`)) as EpisodesPage;
  return page.rows.map(({ number }) => number);
};

describe("a saved page", () => {
  it("filters as the server does", async () => {
    expect(await numbers("q=timeout")).toEqual([1]);
    expect(await numbers("q=plan+custom&system=cot")).toEqual([1, 3, 4]);
    expect(await numbers("q=task:t1")).toEqual([1, 4]);
    expect(await numbers("state=wrong")).toEqual([2]);
    expect(await numbers("state=failed")).toEqual([1]);
    expect(await numbers("min=0.5&offset=1&limit=1")).toEqual([3]);
  });
  it("sorts, what is not known last", async () => {
    expect(await numbers("sort=cost")).toEqual([4, 3, 1, 2]);
    expect(await numbers("sort=tokens&order=desc")).toEqual([4, 3, 2, 1]);
  });
  it("holds episodes, and says where others are", async () => {
    expect(await source.get(paths.episode("~", "e/1"))).toEqual({ episode: "e/1" });
    await expect(source.get(paths.episode("~", "e/9"))).rejects.toThrow("holds no episode e/9");
  });
  it("offers nothing that needs a server", async () => {
    expect(source.live).toBe(false);
    await expect(source.post("x", {})).rejects.toThrow();
  });
});
