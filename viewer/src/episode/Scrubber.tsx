import { type PointerEvent, useEffect, useRef, useState } from "react";
import { Icon } from "../app/Icon";
import { useKeys } from "../app/useKeys";
import type { Player } from "./usePlayer";

const BEAT = 900;

/** The turns in a row: step, drag, play. */
export function Scrubber({ player, keys = true }: { player: Player; keys?: boolean }) {
  const { stops, at, go } = player;
  const [playing, play] = useState(false);
  const rail = useRef<HTMLOListElement>(null);
  const last = stops.length - 1;
  const toggle = () => {
    if (!playing && at >= last) go(0);
    play(!playing);
  };
  useEffect(() => {
    if (!playing) return;
    if (at >= last) return play(false);
    const timer = window.setTimeout(() => go(at + 1), BEAT);
    return () => window.clearTimeout(timer);
  });
  useEffect(() => {
    const tick = rail.current?.children[at] as HTMLElement | undefined;
    const row = rail.current;
    if (tick && row) row.scrollLeft = tick.offsetLeft - row.clientWidth / 2 + tick.clientWidth / 2;
  }, [at, stops.length]);
  const to = (next: number) => {
    play(false);
    go(next);
  };
  useKeys(keys ? { ArrowLeft: () => to(at - 1), ArrowRight: () => to(at + 1), Home: () => to(0), End: () => to(last), " ": toggle } : {});
  const drag = (event: PointerEvent<HTMLOListElement>) => {
    if (event.buttons !== 1) return;
    const ticks = [...(rail.current?.children ?? [])];
    const under = ticks.findIndex((tick) => event.clientX <= tick.getBoundingClientRect().right);
    const next = under < 0 ? last : under;
    if (next !== at) to(next);
  };
  return (
    <div className="scrubber" role="group" aria-label="Turns">
      <button type="button" className="icon" onClick={toggle} aria-label={playing ? "Pause" : "Play the turns"}><Icon name={playing ? "pause" : "play"} /></button>
      <button type="button" className="icon" onClick={() => to(at - 1)} disabled={at <= 0} aria-label="Turn before"><Icon name="left" /></button>
      <ol ref={rail} className="rail" onPointerMove={drag}>
        {stops.map((stop, index) => (
          <li key={stop.label + index}>
            <button type="button" className={`tick t-${stop.tone}`} aria-current={index === at ? "step" : undefined} tabIndex={index === at ? 0 : -1}
              aria-label={stop.label} title={stop.label} onClick={() => to(index)}>
              <span className="tick-sign" ><Icon name={stop.sign} /></span>
              <span className="tick-number" aria-hidden="true">{stop.end ? "end" : stop.turn.number || "run"}</span>
            </button>
          </li>
        ))}
      </ol>
      <button type="button" className="icon" onClick={() => to(at + 1)} disabled={at >= last} aria-label="Turn after"><Icon name="right" /></button>
    </div>
  );
}
