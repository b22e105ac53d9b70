import { useSyncExternalStore } from "react";
import { address, type Route } from "./route";

/** The part of the address behind `#`, as it changes. */
export function useHash(): string {
  return useSyncExternalStore(subscribe, () => window.location.hash);
}

function subscribe(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

export function go(route: Route): void {
  window.location.hash = address(route);
}

/** Writes a place into the address without a step in the browser's history, and without another look at it. */
export function note(route: Route): void {
  window.history.replaceState(null, "", address(route));
}
