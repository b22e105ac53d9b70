import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useRef } from "react";
import { Link } from "../app/Link";
import type { Filter } from "../app/route";
import type { EpisodeRow } from "../records";
import { brief, count, figure, money, seconds } from "../text/figures";
import { Inline } from "../text/Text";
import { visible } from "../text/visible";
import type { PagedRows } from "./pagedRows";

const COLUMNS: [name: string, head: string, sort: string | null][] = [
  ["number", "#", "number"],
  ["state", "", null],
  ["question", "question", "task"],
  ["answer", "answer", null],
  ["system", "system", "system"],
  ["score", "score", "score"],
  ["turns", "turns", "turns"],
  ["tokens", "tokens", "tokens"],
  ["cost", "cost", "cost"],
  ["seconds", "time", "seconds"],
];
const HEIGHT = 44;

interface Props {
  run: string;
  rows: PagedRows;
  filter: Filter;
  narrow: (filter: Filter) => void;
  picked: readonly string[];
  pick: (episode: string) => void;
}

/** Any number of episodes; only those in sight are in the page. */
export function EpisodesTable({ run, rows, filter, narrow, picked, pick }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({ count: rows.matched, getScrollElement: () => frame.current, estimateSize: () => HEIGHT, overscan: 12 });
  const items = list.getVirtualItems();
  const [from, to] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const { need } = rows;
  useEffect(() => need(from, to), [need, from, to, rows.matched]);
  const [sort, order] = [filter.sort ?? "number", filter.order ?? "asc"];
  const sortBy = (name: string) => narrow({ ...filter, sort: name, order: sort === name && order === "asc" ? "desc" : "asc" });
  const step = (event: KeyboardEvent<HTMLDivElement>) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    const here = Number((event.target as HTMLElement).closest("[data-index]")?.getAttribute("data-index") ?? Number.NaN);
    if (by === undefined || Number.isNaN(here)) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(rows.matched - 1, here + by));
    list.scrollToIndex(next);
    requestAnimationFrame(() => frame.current?.querySelector<HTMLElement>(`[data-index="${next}"] .open`)?.focus());
  };
  return (
    <div className="table-frame" ref={frame} tabIndex={-1} onKeyDown={step}>
      <div role="table" aria-label="Episodes" aria-rowcount={rows.matched + 1} className="episodes">
        <div role="row" className="episode-row head" aria-rowindex={1}>
          {COLUMNS.map(([name, head, by]) => (
            <div role="columnheader" key={name} className={`c-${name}`} aria-sort={by && sort === by ? (order === "desc" ? "descending" : "ascending") : undefined}>
              {by ? <button type="button" onClick={() => sortBy(by)}>{head}{sort === by && <span aria-hidden="true">{order === "desc" ? " ↓" : " ↑"}</span>}</button> : head || <span className="hidden">outcome</span>}
            </div>
          ))}
        </div>
        <div role="rowgroup" className="rows" style={{ height: list.getTotalSize() }}>
          {items.map((item) => (
            <div role="row" key={item.key} data-index={item.index} aria-rowindex={item.index + 2} className="episode-row" style={{ transform: `translateY(${item.start}px)`, height: HEIGHT }}>
              <Row run={run} row={rows.row(item.index)} picked={picked} pick={pick} />
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

function Row({ run, row, picked, pick }: { run: string; row: EpisodeRow | undefined; picked: readonly string[]; pick: (episode: string) => void }) {
  if (!row) return <div role="cell" className="c-question dim">…</div>;
  const { summary } = row;
  const chosen = picked.includes(row.episode);
  return (
    <>
      <div role="cell" className="c-number">
        <input type="checkbox" checked={chosen} onChange={() => pick(row.episode)} aria-label={`Compare episode ${row.number ?? row.episode}`} />
        <span>{row.number === null ? row.state : count(row.number)}</span>
      </div>
      <div role="cell" className="c-state"><Outcome row={row} /></div>
      <div role="cell" className="c-question">
        <Link to={{ view: "episode", run, episode: row.episode, stop: null, node: null }} className="open"><Inline text={row.question || row.episode} /></Link>
      </div>
      <div role="cell" className="c-answer"><Inline text={row.answer} /></div>
      <div role="cell" className="c-system" title={visible(summary?.system ?? "")}><Inline text={summary?.system ?? ""} /></div>
      <div role="cell" className="c-score">{figure(summary?.score)}</div>
      <div role="cell" className="c-turns">{count(summary?.turns)}</div>
      <div role="cell" className="c-tokens">{summary ? brief(summary.director_tokens + summary.executor_tokens) : "–"}</div>
      <div role="cell" className="c-cost">{summary ? money(summary.cost) : "–"}</div>
      <div role="cell" className="c-seconds">{seconds(summary?.seconds)}</div>
    </>
  );
}

/** Whether an episode came out right, by a sign and a word. */
export function Outcome({ row }: { row: Pick<EpisodeRow, "state" | "right"> }) {
  const [sign, word] =
    row.state === "open" ? ["◌", "open"]
    : row.state === "lost" ? ["⊘", "lost"]
    : row.right === null ? ["·", "not scored"]
    : row.right ? ["✓", "right"] : ["✗", "wrong"];
  return <span className={`outcome is-${word.replace(" ", "-")}`} title={word}><span aria-hidden="true">{sign}</span><span className="hidden">{word}</span></span>;
}
