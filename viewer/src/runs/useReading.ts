import { useEffect } from "react";
import type { RunPage } from "../records";

const AGAIN = 1000;

/** Asks again for the page of a run that the server is still reading, until it is read. */
export function useReading(page: RunPage, reload: () => void): void {
  useEffect(() => {
    if (page.indexed >= 1) return;
    const timer = window.setTimeout(reload, AGAIN);
    return () => window.clearTimeout(timer);
  }, [page, reload]);
}
