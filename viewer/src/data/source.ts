/** Where data come from: the server, or the page itself when it was saved as a file. */
import type { Source } from "./contract";
import { embedded } from "./embedded";
import { fileSource } from "./fileSource";
import { httpSource } from "./httpSource";

const data = embedded();
export const source: Source = data ? fileSource(data) : httpSource();
