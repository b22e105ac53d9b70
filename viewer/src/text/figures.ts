/** Figures in words. */

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NONE = "–";

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : WHOLE.format(value);
}

/** Thousands in short: 1.2k, 34k, 5.6M. */
export function brief(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value);
  if (size < 1000) return size === 0 || size >= 100 ? WHOLE.format(value) : trimmed(value, 1);
  const [unit, sign] = size < 1e6 ? [1e3, "k"] : size < 1e9 ? [1e6, "M"] : [1e9, "G"];
  return `${trimmed(value / unit, Math.abs(value) / unit < 10 ? 1 : 0)}${sign}`;
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? NONE : `${trimmed(100 * share, 1)} %`;
}

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (value < 0.0995) return `${Math.max(0, Math.round(1000 * value))} ms`;
  if (value < 60) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
}

/** US dollars; unknown is not the same as free. */
export function money(value: number | null | undefined): string {
  if (value === null || value === undefined) return "unknown";
  if (value === 0) return "$0";
  return `$${value < 0.01 ? value.toPrecision(2) : value.toFixed(value < 1 ? 3 : 2)}`;
}

export function figure(value: number | null | undefined, digits = 2): string {
  return value === null || value === undefined ? NONE : trimmed(value, digits).replace("-", "−");
}

export function signed(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined) return NONE;
  return value > 0 ? `+${figure(value, digits)}` : figure(value, digits);
}

/** How long ago, from seconds since 1970. */
export function ago(then: number, now: number = Date.now() / 1000): string {
  const past = Math.max(0, now - then);
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]] as const)
    if (past >= size) return plural(Math.floor(past / size), unit, " ago");
  return "just now";
}

export function plural(number: number, word: string, after = ""): string {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}${after}`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
