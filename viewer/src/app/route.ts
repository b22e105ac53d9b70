/** Where one is in the viewer: the part of the address behind `#`, so that the same page works from a file. */

export type Route =
  | { view: "runs" }
  | { view: "search"; q: string }
  | { view: "run"; run: string }
  | { view: "episodes"; run: string; filter: Filter }
  | { view: "episode"; run: string; episode: string; stop: number | null; node: string | null }
  | { view: "compare"; run: string; left: string; right: string }
  | { view: "training"; run: string }
  | { view: "groups"; run: string; step: number | null }
  | { view: "study"; run: string }
  | { view: "unknown"; hash: string };

/** What a list of episodes is narrowed to; the names are those of the server's query. */
export type Filter = Readonly<Partial<Record<FilterName, string>>>;
export const FILTERS = ["q", "system", "dataset", "type", "state", "failure", "min", "max", "sort", "order"] as const;
export type FilterName = (typeof FILTERS)[number];

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const asked = new URLSearchParams(query);
  const parts = path.split("/").map(decoded);
  const [place, run = "", view, id = ""] = parts;
  if (parts.includes(null)) return { view: "unknown", hash };
  if (path === "") return { view: "runs" };
  if (place === "search") return { view: "search", q: asked.get("q") ?? "" };
  if (place !== "run" || !run) return { view: "unknown", hash };
  switch (view) {
    case undefined:
      return { view: "run", run };
    case "episodes":
      return { view: "episodes", run, filter: filterOf(asked) };
    case "episode":
      return { view, run, episode: id ?? "", stop: whole(asked.get("turn")), node: asked.get("node") };
    case "compare":
      return { view, run, left: asked.get("left") ?? "", right: asked.get("right") ?? "" };
    case "groups":
      return { view, run, step: whole(asked.get("step")) };
    case "training":
    case "study":
      return { view, run };
    default:
      return { view: "unknown", hash };
  }
}

/** The address of a place: the inverse of `parse`. */
export function address(route: Route): string {
  switch (route.view) {
    case "runs":
      return "#/";
    case "unknown":
      return route.hash;
    case "search":
      return `#/search${query({ q: route.q })}`;
    case "run":
      return at(route.run);
    case "episodes":
      return `${at(route.run)}/episodes${query(route.filter)}`;
    case "episode": {
      const asked = query({ turn: route.stop === null ? "" : String(route.stop), node: route.node ?? "" });
      return `${at(route.run)}/episode/${encodeURIComponent(route.episode)}${asked}`;
    }
    case "compare":
      return `${at(route.run)}/compare${query({ left: route.left, right: route.right })}`;
    case "groups":
      return `${at(route.run)}/groups${query({ step: route.step === null ? "" : String(route.step) })}`;
    case "training":
    case "study":
      return `${at(route.run)}/${route.view}`;
  }
}

function at(run: string): string {
  return `#/run/${encodeURIComponent(run)}`;
}

function query(values: Readonly<Record<string, string>>): string {
  const asked = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
  return asked.size > 0 ? `?${asked}` : "";
}

function filterOf(asked: URLSearchParams): Filter {
  return Object.fromEntries(FILTERS.flatMap((name) => (asked.get(name) ? [[name, asked.get(name)]] : [])));
}

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
