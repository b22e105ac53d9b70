/** What a source of data does, whatever it is. */

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
