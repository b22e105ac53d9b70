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
        {shown.length > 2 * SHOWN ? chunks(shown).map((part, index) => <span key={index} className="chunk">{part}</span>) : shown}
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

/** A very long text in parts, at ends of lines where there are some, so that only those in sight are laid out. */
export function chunks(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  while (from < text.length) {
    const end = text.lastIndexOf("\n", from + SHOWN);
    const to = text.length - from <= SHOWN ? text.length : end > from ? end + 1 : from + SHOWN;
    parts.push(text.slice(from, to).replace(/\n$/, to < text.length ? "" : "\n"));
    from = to;
  }
  return parts;
}

function size(characters: number): string {
  if (characters < 10_000) return `${characters.toLocaleString("en-US")} characters`;
  return characters < 1e6 ? `${Math.round(characters / 1000)}k characters` : `${(characters / 1e6).toFixed(1)}M characters`;
}
