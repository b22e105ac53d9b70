import type { ReactNode } from "react";
import { address, type Route } from "./route";

/** A link within the viewer. Where it leads is a place of the viewer's own, never a text out of a record. */
export function Link({ to, children, className, label, current }: {
  to: Route;
  children: ReactNode;
  className?: string | undefined;
  label?: string;
  current?: boolean;
}) {
  return (
    <a href={address(to)} className={className} aria-label={label} aria-current={current ? "page" : undefined}>
      {children}
    </a>
  );
}
