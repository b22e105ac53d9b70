/** Rows of a long list, fetched page by page where they are looked at. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { SourceError } from "../data/contract";
import { source } from "../data/source";
import { asSourceError } from "../data/useResource";
import type { EpisodeRow, EpisodesPage } from "../records";

const PAGE = 100;

export interface PagedRows {
  /** How many there are, and how many match; null until the first page is there. */
  readonly total: number | null;
  readonly matched: number;
  readonly error: SourceError | null;
  readonly row: (index: number) => EpisodeRow | undefined;
  /** Asks for these rows, unless they are there or asked for. */
  readonly need: (from: number, to: number) => void;
  /** Forgets what is there, since it may have changed; it stays in sight until it comes anew. */
  readonly refresh: () => void;
}

/** The rows that a path with its query answers. */
export function usePagedRows(path: string): PagedRows {
  const pages = useRef(new Map<number, readonly EpisodeRow[]>());
  const asked = useRef(new Set<number>());
  const leaving = useRef(new AbortController());
  const [head, setHead] = useState<{ total: number | null; matched: number; error: SourceError | null }>(
    { total: null, matched: 0, error: null },
  );
  const fetchPage = useCallback(
    (page: number) => {
      if (asked.current.has(page)) return;
      asked.current.add(page);
      const { signal } = leaving.current;
      const join = path.includes("?") ? "&" : "?";
      source
        .get(`${path}${join}offset=${page * PAGE}&limit=${PAGE}`, signal)
        .then((data) => {
          if (signal.aborted) return;
          const { total, matched, rows } = data as EpisodesPage;
          pages.current.set(page, rows);
          setHead({ total, matched, error: null });
        })
        .catch((error: unknown) => {
          if (!signal.aborted) setHead((now) => ({ ...now, error: asSourceError(error) }));
        });
    },
    [path],
  );
  useEffect(() => {
    leaving.current = new AbortController();
    pages.current = new Map();
    asked.current = new Set();
    fetchPage(0);
    return () => leaving.current.abort();
  }, [fetchPage]);
  const need = useCallback(
    (from: number, to: number) => {
      for (let page = Math.floor(from / PAGE); page <= Math.floor(Math.max(from, to) / PAGE); page += 1) fetchPage(page);
    },
    [fetchPage],
  );
  const refresh = useCallback(() => {
    asked.current = new Set();
    fetchPage(0);
  }, [fetchPage]);
  return { ...head, row: (index) => pages.current.get(Math.floor(index / PAGE))?.[index % PAGE], need, refresh };
}
