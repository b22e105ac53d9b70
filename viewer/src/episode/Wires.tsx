import { memo } from "react";
import type { Layout } from "../workflow/layout";
import { rounded } from "../workflow/path";

/** The lines of a workflow; those that the draft did not take are faint. */
export const Wires = memo(function Wires({ drawn, reached }: { drawn: Layout; reached: ReadonlySet<string> | null }) {
  return (
    <svg className="wires" width={drawn.width} height={drawn.height} aria-hidden="true">
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0.5 0.5 7 4 0.5 7.5" className="head" />
        </marker>
      </defs>
      {drawn.wires.map((wire) => {
        const faint = reached && !reached.has(wire.scope) ? " faint" : "";
        return (
          <g key={wire.id} className={`wire wire-${wire.kind}${faint}`}>
            <path d={rounded(wire.points)} {...(wire.arrow ? { markerEnd: "url(#arrow)" } : {})} />
            {wire.label && wire.at && (
              <text x={wire.at[0]} y={wire.at[1]} textAnchor="middle" dominantBaseline="middle">{wire.label}</text>
            )}
          </g>
        );
      })}
    </svg>
  );
});
