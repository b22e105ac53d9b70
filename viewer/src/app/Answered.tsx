import type { ReactNode } from "react";
import type { Resource } from "../data/useResource";
import { Inline } from "../text/Text";

/** What was asked for, once it is there; until then a word on it, or why it is not coming. */
export function Answered<T>({ of, children }: { of: Resource<T>; children: (data: T) => ReactNode }) {
  if (of.error)
    return (
      <div className="notice" role="alert">
        <h1><Inline text={of.error.message} /></h1>
        {of.error.hint && <p><Inline text={of.error.hint} /></p>}
        <button type="button" onClick={of.reload}>Try again</button>
      </div>
    );
  if (of.data === null) return <p className="loading" role="status">Loading…</p>;
  return <>{children(of.data)}</>;
}
