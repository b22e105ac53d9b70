/** Texts from models made harmless to the eye: what cannot be seen, or turns the line around, is shown as a sign. */

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** The text with control characters, bidirectional controls and other invisible signs written out. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(HIDDEN, (sign) => {
    const code = sign.charCodeAt(0);
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** The beginning of a text in one line. */
export function line(text: string, most = 120): string {
  const flat = visible(text.slice(0, 4 * most).replace(/\s+/g, " ").trim());
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}
