import type { ErrorPage } from "../records";
import { type Source, SourceError } from "./contract";

/** The server that served the page; its cookie is what lets in. */
export function httpSource(): Source {
  return {
    live: true,
    get: (path, signal) => asked(path, { signal: signal ?? null }),
    post: (path, body) =>
      asked(path, {
        method: "POST",
        headers: { "content-type": "application/json", "X-FlowSteer": "1" },
        body: JSON.stringify(body),
      }),
  };
}

async function asked(path: string, init: RequestInit): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(`/api/${path}`, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new SourceError("The server does not answer.", "Is flowsteer view still running? Then reload this page.", 0);
  }
  const body = (await answer.json().catch(() => null)) as unknown;
  if (answer.ok) return body;
  const { message, hint } = (body as ErrorPage | null)?.error ?? { message: `The server answers ${answer.status}.`, hint: "" };
  throw new SourceError(message, hint, answer.status);
}
