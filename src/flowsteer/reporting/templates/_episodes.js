"use strict";
// The index of episodes: filters stand in the address, so that every figure can link to the episodes behind it.
const data = JSON.parse(document.getElementById("index").textContent);
const rows = data.rows.map((row) => Object.fromEntries(data.columns.map((name, place) => [name, row[place]])));
const PAGE = 100;
const FILTERS = ["dataset", "system", "versus", "outcome", "failure", "reason", "error", "operator", "structure", "text"];
const SELECTS = {dataset: "dataset", system: "system", outcome: "outcome", failure: "failures", operator: "operators", structure: "structures"};
let filters = {}, first = 0;

const make = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const pair = (row) => JSON.stringify([row.dataset, row.task, row.epoch]);

const TESTS = {
  dataset: (row, value) => row.dataset === value,
  system: (row, value) => row.system === value || row.system === filters.versus,
  outcome: (row, value) => row.outcome === value,
  failure: (row, value) => row.failures.includes(value),
  reason: (row, value) => row.outcome === "unscorable" && (row.why || "no reason given") === value,
  error: (row, value) => row.outcome === "error" && row.why === value,
  operator: (row, value) => row.operators.includes(value),
  structure: (row, value) => row.structures.includes(value),
  text: (row, value) => [row.id, row.answer, row.dsl, row.why].join("\n").toLowerCase().includes(value.toLowerCase()),
};

function chosen() {
  const found = rows.filter((row) => FILTERS.every((name) => !filters[name] || !TESTS[name] || TESTS[name](row, filters[name])));
  if (!filters.versus) return found;
  const pairs = new Map();
  for (const row of found) if (row.score !== null) pairs.set(pair(row), [...(pairs.get(pair(row)) || []), row]);
  const gap = ([a, b]) => Math.abs(a.score - b.score);
  return [...pairs.values()].filter((both) => both.length === 2).sort((a, b) => gap(b) - gap(a)).flat();
}

function figure(number, digits) {
  return number === null ? "–" : number.toLocaleString("en", {maximumFractionDigits: digits});
}

function opener(row) {
  const name = row.task + (row.epoch ? ` · epoch ${row.epoch}` : "");
  if (row.outcome === "error") return make("span", name);
  if (!row.page) {
    const details = make("details");
    const id = `'${row.id.replaceAll("'", "'\\''")}'`;
    details.append(make("summary", name), make("code", `flowsteer report ${data.run} --episode ${id}`));
    return details;
  }
  const open = make("a", name);
  open.href = `episodes/${row.page}`;
  open.title = row.id;
  return open;
}

function line(row) {
  const tr = make("tr"), head = make("th");
  head.append(opener(row));
  tr.append(head, make("td", row.dataset, "text"), make("td", row.system, "text"));
  const kind = {right: "good", wrong: "bad", error: "bad"}[row.outcome] || "";
  const score = make("td", undefined, "number");
  score.append(make("span", row.score === null ? row.outcome : figure(row.score * 100, 1), kind));
  tr.append(score, make("td", row.answer, "text long"), make("td", row.dsl, "text long mono"));
  tr.append(make("td", row.turns || "", "number"), make("td", figure(row.tokens, 0), "number"));
  tr.append(make("td", row.cost === null ? "unknown" : "$" + Number(row.cost.toPrecision(3)), "number"), make("td", figure(row.seconds, 2) + " s", "number"));
  tr.append(make("td", row.failures.join(", ") || (row.score === null ? row.why : ""), "text"));
  return tr;
}

function show() {
  const found = chosen();
  first = Math.min(first, Math.max(0, found.length - 1));
  const last = Math.min(first + PAGE, found.length);
  document.getElementById("list").replaceChildren(...found.slice(first, last).map(line));
  const extra = filters.versus ? ` · ${filters.system} against ${filters.versus}, largest differences first` : filters.reason || filters.error || "";
  document.getElementById("count").textContent = (found.length ? `${first + 1}–${last} of ${found.length.toLocaleString("en")} episodes` : "no episode") + (filters.versus ? extra : extra && ` · ${extra}`);
  document.getElementById("before").disabled = first === 0;
  document.getElementById("after").disabled = last === found.length;
  for (const name of Object.keys(SELECTS)) document.getElementById(`by-${name}`).value = filters[name] || "";
  document.getElementById("by-text").value = filters.text || "";
}

function write() {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, "", `#episodes${query.size ? `?${query}` : ""}`);
}

function read() {
  if (!location.hash.startsWith("#episodes")) return;
  const query = new URLSearchParams(location.hash.split("?")[1] || "");
  filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]).filter(([, value]) => value));
  first = 0;
  show();
  document.getElementById("episodes").scrollIntoView();
}

function change(name, value) {
  filters[name] = value;
  if (name === "system") delete filters.versus;
  first = 0;
  write();
  show();
}

for (const [name, column] of Object.entries(SELECTS)) {
  const select = document.getElementById(`by-${name}`);
  for (const value of [...new Set(rows.flatMap((row) => row[column]))].sort()) {
    const option = make("option", value);
    option.value = value;
    select.append(option);
  }
  select.addEventListener("change", () => change(name, select.value));
}
document.getElementById("by-text").addEventListener("input", (event) => change("text", event.target.value));
document.getElementById("all").addEventListener("click", () => { filters = {}; first = 0; write(); show(); });
document.getElementById("before").addEventListener("click", () => { first = Math.max(0, first - PAGE); show(); });
document.getElementById("after").addEventListener("click", () => { first += PAGE; show(); });
addEventListener("hashchange", read);
show();
read();
