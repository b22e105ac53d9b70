import { useLayoutEffect, useRef } from "react";

export type Keys = Readonly<Record<string, () => void>>;

/** Acts on keys pressed anywhere but in a field; names are those of `KeyboardEvent.key`. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  // Before the page is painted: who sees it can press a key.
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target as HTMLElement;
      if (target.closest("input, select, textarea, dialog, [role=listbox]") && event.key !== "Escape") return;
      if ((event.key === " " || event.key === "Enter") && target.closest("button, a, summary")) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}
