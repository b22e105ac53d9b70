import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { follow } from "../src/data/follow";
import { paths } from "../src/data/paths";

class Stream extends EventTarget {
  static readonly all: Stream[] = [];
  onopen = () => undefined;
  onerror = () => undefined;
  constructor(readonly url: string) {
    super();
    Stream.all.push(this);
  }
  close() {}
  say(kind: string, data: unknown, lastEventId: string) {
    this.dispatchEvent(Object.assign(new Event(kind), { data: JSON.stringify(data), lastEventId }));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", globalThis);
  vi.stubGlobal("EventSource", Stream);
  Stream.all.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a stream that broke goes on behind the last message, of whatever kind", () => {
  const heard: unknown[] = [];
  const hear = (data: unknown) => heard.push(data);
  const stop = follow({ path: (_, last) => paths.stream("a/b", last), kinds: { step: hear, writing: hear } });
  Stream.all[0]?.say("writing", true, "0-2-0");
  Stream.all[0]?.say("step", 3, "0-3-0");
  Stream.all[0]?.onerror();
  vi.runAllTimers();
  Stream.all[1]?.say("step", 4, "0-4-0");
  stop();
  expect(Stream.all.map((stream) => stream.url)).toEqual(["", "0-3-0"].map((last) => `/api/runs/a%2Fb/stream?last=${last}`));
  expect(heard).toEqual([true, 3, 4]);
});
