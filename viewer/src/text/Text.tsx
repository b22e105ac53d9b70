import { useMemo, useState } from "react";
import { visible } from "./visible";

const SHOWN = 4000;

/** A text from a model or a user, in a line of ours: set apart from it whatever its writing direction. */
export function Inline({ text, className }: { text: string; className?: string }) {
  return <bdi className={className}>{visible(text)}</bdi>;
}

/** A long text as it is; of very long ones the beginning, until all of it is asked for. */
export function Block({ text, code = false, label }: { text: string; code?: boolean; label?: string }) {
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > SHOWN + 500;
  const shown = useMemo(() => visible(cut ? text.slice(0, SHOWN) : text), [text, cut]);
  return (
    <div className="block">
      <pre className={code ? "text code" : "text"} dir="auto" tabIndex={code ? 0 : undefined} aria-label={code ? (label ?? "text") : undefined} role={code ? "group" : undefined}>
        {shown}
        {cut && "…"}
      </pre>
      {cut && (
        <button type="button" className="quiet" onClick={() => setWhole(true)}>
          Show all {size(text.length)}
        </button>
      )}
    </div>
  );
}

function size(characters: number): string {
  if (characters < 10_000) return `${characters.toLocaleString("en-US")} characters`;
  return characters < 1e6 ? `${Math.round(characters / 1000)}k characters` : `${(characters / 1e6).toFixed(1)}M characters`;
}
