import { useState } from "react";
import { Answered } from "../app/Answered";
import { paths } from "../data/paths";
import { source } from "../data/source";
import { useResource } from "../data/useResource";
import { Block, Inline } from "../text/Text";

interface Request {
  readonly backend: string;
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}

/** What an LLM was sent, request by request, once it is asked for; what came back stands in what was written. */
export function Requests({ run, keys }: { run: string; keys: readonly string[] | undefined }) {
  const [open, setOpen] = useState(false);
  if (!source.live || !keys || keys.length === 0) return null;
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>What the model was sent{keys.length > 1 && `: ${keys.length} requests`}</summary>
      {open && keys.map((key) => <Sent key={key} run={run} id={key} />)}
    </details>
  );
}

function Sent({ run, id }: { run: string; id: string }) {
  const request = useResource<Request>(paths.request(run, id));
  if (request.error?.status === 404) return <p className="dim">It is not kept.</p>;
  return (
    <Answered of={request}>
      {({ backend, messages }) => (
        <div className="sent">
          <p className="dim small mono"><Inline text={backend} /></p>
          <dl className="draft">
            {messages.map(({ role, content }, index) => (
              <div key={index}>
                <dt><Inline text={role} /></dt>
                <dd><Block text={typeof content === "string" ? content : JSON.stringify(content, null, 2)} /></dd>
              </div>
            ))}
          </dl>
        </div>
      )}
    </Answered>
  );
}
