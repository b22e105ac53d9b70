import { describe, expect, it } from "vitest";
import { ago, brief, money, percent, seconds } from "../src/text/figures";
import { line, visible } from "../src/text/visible";

describe("visible", () => {
  it("shows control and bidirectional characters", () => {
    expect(visible("\u001b[31mred\u0007")).toBe("⟨U+001B⟩[31mred⟨U+0007⟩");
    expect(visible("a\u202eb\u200bc\u2066")).toBe("a⟨U+202E⟩b⟨U+200B⟩c⟨U+2066⟩");
  });
  it("leaves words, lines and other scripts as they are", () => {
    for (const text of ["two\nlines\tand a tab", "שלום", "日本語", "naïve 👩‍🔬".replace("\u200d", "")]) expect(visible(text)).toBe(text);
  });
  it("cuts a line", () => expect(line("a".repeat(500), 10)).toBe(`${"a".repeat(9)}…`));
});

describe("figures", () => {
  it("are short", () => {
    expect([brief(0), brief(69.5), brief(1234), brief(34567), brief(5.6e6), brief(null)]).toEqual(["0", "69.5", "1.2k", "35k", "5.6M", "–"]);
    expect([percent(0.365), percent(1), percent(null)]).toEqual(["36.5 %", "100 %", "–"]);
    expect([seconds(0.004), seconds(1.26), seconds(75), seconds(7260)]).toEqual(["4 ms", "1.3 s", "1 min 15 s", "2 h 1 min"]);
    expect([money(null), money(0), money(0.0012), money(2.5)]).toEqual(["unknown", "$0", "$0.0012", "$2.50"]);
    expect([ago(100, 110), ago(0, 3600), ago(0, 3 * 86400)]).toEqual(["just now", "1 hour ago", "3 days ago"]);
  });
});
