/** The server's answers, given by the page itself out of the data it holds. */
import { type Filter, FILTERS } from "../app/route";
import { selected } from "./selected";
import type { Embedded } from "./embedded";
import { fromPart } from "./parts";
import { type Source, SourceError } from "./contract";

export function fileSource(data: Embedded): Source {
  return {
    live: false,
    get: async (path) => answer(data, path),
    post: async () => {
      throw new SourceError("A saved page can only be looked at.", "Use flowsteer view on the run.", 405);
    },
  };
}

async function answer(data: Embedded, path: string): Promise<unknown> {
  const [place = "", query = ""] = path.split("?", 2);
  const asked = new URLSearchParams(query);
  const [root, , part, id, more] = place.split("/").map(decodeURIComponent);
  if (root === "search") {
    const found = selected(data.episodes, { q: asked.get("q") ?? "" }).slice(0, Number(asked.get("limit") ?? 50));
    return { rows: found.map((row) => ({ run: data.run.id, row })) };
  }
  if (place === "runs") return data.runs;
  if (!part) return data.run;
  if (part === "episodes" && id === undefined) return page(data, asked);
  if (part === "episodes" && id !== undefined && !more) return held(data, id);
  if (part === "compare") return { left: await held(data, asked.get("left") ?? ""), right: await held(data, asked.get("right") ?? "") };
  if (part === "training" && data.training) return Number(asked.get("after") ?? 0) > 0 ? { ...data.training, lines: [] } : data.training;
  if (part === "groups" && data.groups) return data.groups[asked.get("step") ?? "1"] ?? missing(`step ${asked.get("step")}`);
  if (part === "study") return data.study ?? {};
  return missing(part);
}

function page(data: Embedded, asked: URLSearchParams): unknown {
  const filter: Filter = Object.fromEntries(FILTERS.map((name) => [name, asked.get(name) ?? ""]));
  const found = selected(data.episodes, filter);
  const [offset, limit] = [Number(asked.get("offset") ?? 0), Number(asked.get("limit") ?? 100)];
  return { total: data.episodes.length, matched: found.length, rows: found.slice(offset, offset + limit) };
}

async function held(data: Embedded, episode: string): Promise<unknown> {
  const file = data.parts?.[episode];
  return data.episode[episode] ?? (file ? await fromPart(file, episode) : null) ?? missing(`episode ${episode}`);
}

function missing(what: string): never {
  throw new SourceError(`This page holds no ${what}.`, "Use flowsteer view on the run to see all of it.", 404);
}

