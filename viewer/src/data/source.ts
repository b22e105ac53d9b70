/** Where data come from: the server, or the page itself when it was saved as a file. */
import { embedded } from "./embedded";
import { fileSource } from "./fileSource";
import { httpSource } from "./httpSource";

export interface Source {
  /** Whether there is a server: live streams, branches, the seat. */
  readonly live: boolean;
  get(path: string, signal?: AbortSignal): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
}

/** What went wrong, and what to do next, as the server says it. */
export class SourceError extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const data = embedded();
export const source: Source = data ? fileSource(data) : httpSource();
