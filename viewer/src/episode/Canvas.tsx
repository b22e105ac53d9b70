import { type NodeProps, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Icon } from "../app/Icon";
import { useKeys } from "../app/useKeys";
import type { Workflow } from "../records";
import type { Change } from "../workflow/change";
import { extent, fitted, readable, type Size } from "../workflow/frame";
import { better, type Direction, layout, type Layout } from "../workflow/layout";
import { Ends } from "./Ends";
import type { Flow, Operators } from "./flow";
import { GroupNode } from "./GroupNode";
import { type Drawn, nodesOf } from "./nodes";
import type { Standing } from "./state";
import { StepNode } from "./StepNode";
import { Wires } from "./Wires";

export interface Scene {
  readonly workflow: Workflow;
  /** The workflows of all turns, the last one last: the frame fits them all. */
  readonly workflows: readonly Workflow[];
  readonly change: Change;
  readonly flow: Flow | null;
  readonly standings: ReadonlyMap<string, Standing>;
  readonly operators: Operators;
  readonly selected: string | null;
  readonly select: (id: string | null) => void;
  readonly label: string;
}

/** The workflow of one turn as a graph. */
export function Canvas(scene: Scene) {
  return <ReactFlowProvider><Graph {...scene} /></ReactFlowProvider>;
}

const TYPES = { step: StepShape, structure: GroupShape, end: EndShape, done: EndShape, wires: WireShape };

function Graph(scene: Scene) {
  const { workflow, workflows, change, select } = scene;
  const frame = useRef<HTMLDivElement>(null);
  const size = useSize(frame);
  const view = useReactFlow();
  const last = workflows.at(-1) ?? workflow;
  const direction = useMemo(() => better(last, size ?? { width: 800, height: 700 }), [last, size]);
  const room = useMemo(() => extent(workflows, direction), [workflows, direction]);
  const drawn = layout(workflow, direction);
  const former = useRef<ReadonlyMap<string, Drawn>>(new Map());
  const nodes = nodesOf(drawn, direction, scene, former.current);
  useEffect(() => {
    former.current = new Map(nodes.map((node) => [node.id, node]));
  });
  const [x, y] = focusOf(drawn, direction, change);
  const whole = useCallback(() => {
    if (size) void view.setViewport(fitted(room, direction, size));
  }, [view, room, direction, size]);
  const target = useMemo(() => size && readable(room, direction, size, [x, y]), [room, direction, size, x, y]);
  const place = target ? `${target.x} ${target.y} ${target.zoom}` : "";
  useEffect(() => {
    if (target) void view.setViewport(target);
  }, [view, place]);
  useKeys({ f: whole });
  return (
    <div className="canvas" ref={frame} role="group" aria-label={scene.label}>
      <ReactFlow<Drawn>
        nodes={nodes} edges={NO_EDGES} nodeTypes={TYPES} minZoom={0.1} maxZoom={2} nodesDraggable={false} nodesConnectable={false}
        nodesFocusable={false} elementsSelectable={false} panActivationKeyCode={null} deleteKeyCode={null} selectionKeyCode={null}
        multiSelectionKeyCode={null} zoomActivationKeyCode={null} disableKeyboardA11y proOptions={PLAIN}
        onPaneClick={() => select(null)} zoomOnDoubleClick={false}
      />
      <div className="canvas-tools" role="group" aria-label="View">
        <button type="button" className="icon" onClick={() => void view.zoomIn()} aria-label="Larger"><Icon name="plus" /></button>
        <button type="button" className="icon" onClick={() => void view.zoomOut()} aria-label="Smaller"><Icon name="minus" /></button>
        <button type="button" className="icon" onClick={whole} aria-label="Fit the workflow into the frame"><Icon name="fit" /></button>
      </div>
    </div>
  );
}

const NO_EDGES: never[] = [];
const PLAIN = { hideAttribution: true };

/** The middle of what the turn has changed; of the end where it changed nothing. */
function focusOf(drawn: Layout, direction: Direction, change: Change): readonly [number, number] {
  const marked = drawn.placed.filter(({ id }) => change.marks.has(id));
  const of = marked.length > 0 ? marked : drawn.placed.slice(-1);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const x = mean(of.map((one) => one.x + one.width / 2)) - (direction === "down" ? drawn.axis : 0);
  const y = mean(of.map((one) => one.y + one.height / 2)) - (direction === "down" ? 0 : drawn.axis);
  return [Math.round(x), Math.round(y)];
}

function StepShape({ data: { placed, category, standing, mark, selected, select, faint } }: NodeProps<Drawn>) {
  if (placed?.node?.type !== "step") return null;
  return (
    <div className={faint ? "shape faint" : "shape"}>
      <StepNode step={placed.node} category={category} standing={standing} mark={mark} selected={selected} select={select} />
    </div>
  );
}

function GroupShape({ data: { placed, came, mark, selected, select } }: NodeProps<Drawn>) {
  if (!placed?.node || placed.node.type === "step") return null;
  return <GroupNode node={placed.node} came={came} mark={mark} selected={selected} select={select} />;
}

function EndShape({ data: { placed } }: NodeProps<Drawn>) {
  return placed && <Ends placed={placed} />;
}

function WireShape({ data: { layout: drawn, reached } }: NodeProps<Drawn>) {
  return drawn && <Wires drawn={drawn} reached={reached} />;
}

function useSize(of: RefObject<HTMLElement | null>): Size | null {
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
