import { type Node, type NodeProps, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Icon } from "../app/Icon";
import { useKeys } from "../app/useKeys";
import type { Workflow } from "../records";
import type { Change } from "../workflow/change";
import { extent, fitted, readable, type Size } from "../workflow/frame";
import { better, layout, type Layout, type Placed } from "../workflow/layout";
import { Ends } from "./Ends";
import type { Flow, Operators } from "./flow";
import { GroupNode } from "./GroupNode";
import type { Standing } from "./state";
import { StepNode } from "./StepNode";
import { Wires } from "./Wires";

interface Props {
  workflow: Workflow;
  /** The workflows of all turns, the last one last: the frame fits them all. */
  workflows: readonly Workflow[];
  change: Change;
  flow: Flow | null;
  standings: ReadonlyMap<string, Standing>;
  operators: Operators;
  selected: string | null;
  select: (id: string | null) => void;
  label: string;
}

type Drawn = Node<{ placed: Placed | null; drawn: Layout; props: Props }>;

/** The workflow of one turn as a graph. */
export function Canvas(props: Props) {
  return <ReactFlowProvider><Graph {...props} /></ReactFlowProvider>;
}

const TYPES = { step: StepShape, structure: GroupShape, end: EndShape, done: EndShape, wires: WireShape };

function Graph(props: Props) {
  const { workflow, workflows, change } = props;
  const frame = useRef<HTMLDivElement>(null);
  const size = useSize(frame);
  const flow = useReactFlow();
  const last = workflows.at(-1) ?? workflow;
  const direction = useMemo(() => better(last, size ?? { width: 800, height: 700 }), [last, size]);
  const room = useMemo(() => extent(workflows, direction), [workflows, direction]);
  const drawn = layout(workflow, direction);
  const offset = direction === "down" ? { x: drawn.axis, y: 0 } : { x: 0, y: drawn.axis };
  const nodes = nodesOf(drawn, offset, props);
  const focus = focusOf(drawn, change, offset);
  const whole = useCallback(() => {
    if (size) void flow.setViewport(fitted(room, direction, size));
  }, [flow, room, direction, size]);
  useEffect(() => {
    if (size) void flow.setViewport(readable(room, direction, size, [focus[0], focus[1]]));
  }, [flow, room, direction, size, focus[0], focus[1]]);
  useKeys({ f: whole });
  return (
    <div className="canvas" ref={frame} role="group" aria-label={props.label}>
      <ReactFlow<Drawn>
        nodes={nodes} edges={[]} nodeTypes={TYPES} minZoom={0.1} maxZoom={2} nodesDraggable={false} nodesConnectable={false}
        nodesFocusable={false} elementsSelectable={false} panActivationKeyCode={null} deleteKeyCode={null} selectionKeyCode={null}
        multiSelectionKeyCode={null} zoomActivationKeyCode={null} disableKeyboardA11y proOptions={{ hideAttribution: true }}
        onPaneClick={() => props.select(null)} preventScrolling zoomOnDoubleClick={false}
      />
      <div className="canvas-tools" role="group" aria-label="View">
        <button type="button" className="icon" onClick={() => void flow.zoomIn()} aria-label="Larger"><Icon name="plus" /></button>
        <button type="button" className="icon" onClick={() => void flow.zoomOut()} aria-label="Smaller"><Icon name="minus" /></button>
        <button type="button" className="icon" onClick={whole} aria-label="Fit the workflow into the frame"><Icon name="fit" /></button>
      </div>
    </div>
  );
}

const LEVELS = { group: 0, end: 3, done: 3, step: 3 } as const;
const SHAPES = { group: "structure", end: "end", done: "done", step: "step" } as const;

function nodesOf(drawn: Layout, offset: { x: number; y: number }, props: Props): Drawn[] {
  const shapes = drawn.placed.map((placed): Drawn => ({
    id: placed.kind === "step" || placed.kind === "group" ? placed.id : `:${placed.id}`,
    type: SHAPES[placed.kind],
    position: { x: placed.x - offset.x, y: placed.y - offset.y },
    width: placed.width,
    height: placed.height,
    zIndex: LEVELS[placed.kind] + (placed.kind === "group" ? placed.depth / 100 : 0),
    data: { placed, drawn, props },
  }));
  const wires: Drawn = {
    id: ":wires", type: "wires", position: { x: -offset.x, y: -offset.y }, width: drawn.width, height: drawn.height, zIndex: 2,
    data: { placed: null, drawn, props },
  };
  return [...shapes.filter(({ type }) => type === "structure"), wires, ...shapes.filter(({ type }) => type !== "structure")];
}

/** The middle of what the turn has changed; of the whole where it changed nothing. */
function focusOf(drawn: Layout, change: Change, offset: { x: number; y: number }): readonly [number, number] {
  const marked = drawn.placed.filter(({ id }) => change.marks.has(id));
  const of = marked.length > 0 ? marked : drawn.placed.slice(-1);
  const x = of.reduce((sum, one) => sum + one.x + one.width / 2, 0) / Math.max(1, of.length);
  const y = of.reduce((sum, one) => sum + one.y + one.height / 2, 0) / Math.max(1, of.length);
  return [Math.round(x - offset.x), Math.round(y - offset.y)];
}

function StepShape({ data: { placed, props } }: NodeProps<Drawn>) {
  if (placed?.node?.type !== "step") return null;
  const { node: step, scope } = placed;
  const faint = props.flow && !props.flow.reached.has(scope) ? "shape faint" : "shape";
  return (
    <div className={faint}>
      <StepNode step={step} category={props.operators[step.operator]?.category ?? ""} standing={props.standings.get(step.id)}
        mark={props.change.marks.get(step.id)} selected={props.selected === step.id} select={props.select} />
    </div>
  );
}

function GroupShape({ data: { placed, props } }: NodeProps<Drawn>) {
  if (!placed?.node || placed.node.type === "step") return null;
  return <GroupNode node={placed.node} flow={props.flow} mark={props.change.marks.get(placed.id)} selected={props.selected === placed.id} select={props.select} />;
}

function EndShape({ data: { placed } }: NodeProps<Drawn>) {
  return placed && <Ends placed={placed} />;
}

function WireShape({ data: { drawn, props } }: NodeProps<Drawn>) {
  return <Wires drawn={drawn} flow={props.flow} />;
}

function useSize(of: React.RefObject<HTMLElement | null>): Size | null {
  const [size, setSize] = useState<Size | null>(null);
  useEffect(() => {
    if (!of.current) return;
    const watching = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: Math.round(entry.contentRect.width), height: Math.round(entry.contentRect.height) });
    });
    watching.observe(of.current);
    return () => watching.disconnect();
  }, [of]);
  return size;
}
