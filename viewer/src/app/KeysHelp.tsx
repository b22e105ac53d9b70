import { useEffect, useRef } from "react";

const KEYS: [keys: string, what: string][] = [
  ["← →", "turn before, turn after"],
  ["Home End", "first turn, the end"],
  ["Space", "play the turns, pause"],
  ["Tab", "go through the nodes and controls"],
  ["Enter", "open the node in focus"],
  ["Esc", "close what is open"],
  ["[ ]", "episode before, episode after"],
  ["f", "fit the workflow into the frame"],
  ["/", "search"],
  ["t", "light, dark, as the system"],
  ["?", "these keys"],
];

export function KeysHelp({ open, close }: { open: boolean; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open) dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} onClose={close} onClick={(event) => event.target === dialog.current && close()} aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>{keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={close}>Close</button>
    </dialog>
  );
}
