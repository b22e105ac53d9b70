const PATHS = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  cross: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5 6.5 12 13 4.5",
  pen: "M3 13l.7-3L11 2.7 13.3 5 6 12.3 3 13z",
  dots: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  parallel: "M8 1.5v2M8 12.5v2M8 3.5C8 6 3.5 5 3.5 8S8 10 8 12.500M8 3.5C8 6 12.5 5 12.5 8S8 10 8 12.5",
  conditional: "M8 2l6 6-6 6-6-6 6-6z",
  loop: "M13 8a5 5 0 1 1-1.7-3.7M13 2v3h-3",
  play: "M5 3l8 5-8 5V3z",
  pause: "M5 3v10M11 3v10",
  end: "M4 4h8v8H4z",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  fit: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
  auto: "M8 2a6 6 0 1 0 0 12V2zM8 2a6 6 0 0 1 0 12",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  dark: "M13.500 9.500A6 6 0 0 1 6.500 2.500a6 6 0 1 0 7 7z",
} as const;

export type IconName = keyof typeof PATHS;
const FULL: ReadonlySet<IconName> = new Set(["play", "end", "auto"]);

/** A small sign; what it stands for is said in words beside it. */
export function Icon({ name }: { name: IconName }) {
  const half = name === "auto" ? "M8 2a6 6 0 1 0 0 12V2z" : PATHS[name];
  return (
    <svg className="glyph" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
      {FULL.has(name) && <path d={half} fill="currentColor" />}
    </svg>
  );
}
