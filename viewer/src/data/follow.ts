/** A stream of the server's facts that is taken up again where it broke, without loss. */

export interface Following {
  /** The path from which on, by how many facts are there already, and by the id of the last one. */
  readonly path: (seen: number, last: string) => string;
  readonly kinds: Readonly<Record<string, (data: unknown) => void>>;
  /** Kinds that count as seen. */
  readonly counted?: string;
  readonly seen?: number;
  readonly connected?: (is: boolean) => void;
}

const LONGEST = 5000;

/** Follows until the answer is called, or an `end` comes. */
export function follow({ path, kinds, counted, seen = 0, connected }: Following): () => void {
  let [at, last, wait, stopped] = [seen, "", 250, false];
  let stream: EventSource | null = null;
  let timer = 0;
  const stop = () => {
    stopped = true;
    window.clearTimeout(timer);
    stream?.close();
  };
  const open = () => {
    stream = new EventSource(`/api/${path(at, last)}`);
    stream.onopen = () => {
      wait = 250;
      connected?.(true);
    };
    stream.onerror = () => {
      stream?.close();
      if (stopped) return;
      connected?.(false);
      timer = window.setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST);
    };
    for (const [kind, take] of Object.entries(kinds))
      stream.addEventListener(kind, (event) => {
        if (stopped) return;
        last = event.lastEventId;
        if (kind === counted) {
          const index = Number(event.lastEventId);
          if (event.lastEventId !== "" && index < at) return;
          at += 1;
        }
        if (kind === "end") stop();
        take(JSON.parse(event.data || "null"));
      });
  };
  open();
  return stop;
}
