import { useCallback, useEffect, useState } from "react";
import { SourceError } from "./contract";
import { source } from "./source";

export interface Resource<T> {
  readonly data: T | null;
  readonly error: SourceError | null;
  readonly reload: () => void;
}

/** What a path answers; the former answer stays while the same path is asked again. Null asks nothing. */
export function useResource<T>(path: string | null): Resource<T> {
  const [held, hold] = useState<{ path: string | null; data: T | null; error: SourceError | null }>(
    { path: null, data: null, error: null },
  );
  const [asked, ask] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const leaving = new AbortController();
    source
      .get(path, leaving.signal)
      .then((data) => !leaving.signal.aborted && hold({ path, data: data as T, error: null }))
      .catch((error: unknown) => {
        if (!leaving.signal.aborted) hold({ path, data: null, error: asSourceError(error) });
      });
    return () => leaving.abort();
  }, [path, asked]);
  const reload = useCallback(() => ask((number) => number + 1), []);
  const current = held.path === path;
  return { data: current ? held.data : null, error: current ? held.error : null, reload };
}

export function asSourceError(error: unknown): SourceError {
  return error instanceof SourceError ? error : new SourceError(String(error), "", 0);
}
