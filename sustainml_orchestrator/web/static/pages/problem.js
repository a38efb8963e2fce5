// The iterations of a problem side by side.

import { go, load, request } from "../app.js";
import { chart } from "../charts.js";
import { h } from "../dom.js";
import { age, carbon, emitted, energy, grams, latency, positive, power, quality, si, title } from "../format.js";
import { clipped, scrolling, taskBadge } from "../parts.js";
import { nameOf } from "./fields.js";
import { remove } from "./tasks.js";

const FIGURES = [["carbon_footprint", "Carbon", carbon], ["energy_consumption", "Energy", energy], ["latency", "Latency", latency], ["power_consumption", "Power", power], ["quality", "Quality", quality]];
const emissions = (figures) => emitted(figures?.carbon_footprint, figures?.energy_consumption);
const CHARTS = [["Carbon", emissions, grams], ["Energy", (figures) => positive(figures?.energy_consumption), (wattHours) => si(wattHours, "Wh")], ["Latency", (figures) => positive(figures?.latency), (seconds) => si(seconds, "s")]];

export function page(problem) {
  const data = { iterations: [], total: 0 };
  let due = 0;
  const self = {
    title: `Problem ${problem}`,
    watch: "all",
    async load() { Object.assign(data, await request(`problems/${problem}`)); data.isLoaded = true; },
    tasks(list) { if (!due && list.some((each) => each.id.startsWith(`${problem}/`))) due = setTimeout(() => { due = 0; load(); }, 300); },
    system(state, before) { if (state.tasks < before?.tasks) load(); }, // it may be deleted
    close: () => clearTimeout(due),
    view: () => (data.isLoaded ? view(problem, data) : [h("h1", {}, self.title), h("p", { class: "loading" }, "Loading …")]),
  };
  return self;
}

function view(problem, { iterations, total }) {
  const last = iterations.at(-1);
  if (!last) return h("div", { class: "callout s-stopped" }, h("strong", {}, `There is no problem ${problem}. `), h("a", { href: "/tasks" }, "See all tasks"));
  const name = last.summary.problem_short_description || last.input.problem_definition.slice(0, 80) || `Problem ${problem}`;
  const points = (x, y) => iterations.map(({ summary, figures }) => ({ x: x(summary, figures), y: y(figures), label: `#${summary.task_id.iteration_id}`, best: figures?.best, front: figures?.pareto_optimal }));
  const number = (summary) => summary.task_id.iteration_id;
  return [
    h("div", { class: "head" }, h("div", { class: "grow" }, h("p", { class: "crumbs" }, h("a", { href: "/tasks" }, "Tasks"), ` / problem ${problem}`), h("h1", {}, name), name !== last.input.problem_definition && h("p", { class: "muted lead" }, last.input.problem_definition.slice(0, 600))),
      h("div", { class: "buttons" }, h("a", { class: "button primary", href: `/new?base=${last.summary.id}` }, "Iterate"), h("a", { class: "button", href: `/page/problems/${problem}/csv`, download: true }, "CSV"),
        h("button", { class: "danger", onclick: async () => (await remove(problem)) && go("/tasks") }, "Delete"))),
    h("section", { class: "panel" }, h("h2", {}, `${total} iteration${total === 1 ? "" : "s"}`), table(iterations), total > iterations.length && h("p", { class: "muted small" }, `The newest ${iterations.length} are shown; the CSV has all.`)),
    h("div", { class: "grid wide" },
      CHARTS.map(([name, figure, format]) =>
        h("section", { class: "panel" }, h("h2", {}, `${name} by iteration`), chart({ points: points(number, figure), xLabel: "iteration", yLabel: name, formatY: format, joined: true, whole: true }))),
      h("section", { class: "panel" }, h("h2", {}, "Quality against carbon"), chart({ points: points((_, figures) => emissions(figures), (figures) => figures?.quality), xLabel: "carbon", yLabel: "quality", formatX: grams, formatY: quality }),
        h("p", { class: "muted small" }, "Dashed: the Pareto front, that no other iteration beats in quality, latency and carbon at once. ★: the best one."))),
    h("section", { class: "panel" }, h("h2", {}, "What was asked"), settings(iterations)),
    said(iterations),
  ];
}

function table(iterations) {
  return scrolling("Iterations", h("table", {}, h("caption", { class: "visually-hidden" }, "Iterations"),
    h("thead", {}, h("tr", {}, ["Iteration", "State", "Model", "Hardware"].map((name) => h("th", { scope: "col" }, name)), FIGURES.map(([, name]) => h("th", { scope: "col", class: "number" }, name)), h("th", { scope: "col", class: "number" }, "Age"))),
    h("tbody", {}, iterations.map(({ summary, figures }, i) => {
      const before = iterations[i - 1]?.figures;
      const differs = (key) => (before?.[key] && figures?.[key] && figures[key] !== before[key] ? "differs" : null);
      return h("tr", { key: summary.id, class: figures?.best ? "best" : null },
        h("td", {}, h("a", { href: `/tasks/${summary.id}` }, `#${summary.task_id.iteration_id}`), figures?.best && [" ", h("span", { class: "badge s-succeeded" }, "best")], !figures?.best && figures?.pareto_optimal && [" ", h("span", { class: "badge s-running" }, "Pareto")]),
        h("td", {}, taskBadge(summary.task_status)), h("td", { class: "text" }, clipped(figures?.model ?? "", differs("model"))), h("td", { class: "text" }, clipped(figures?.hw_description ?? "", differs("hw_description"))),
        FIGURES.map(([key, , format]) => h("td", { class: "number" }, format(figures?.[key], figures?.energy_consumption), change(before?.[key], figures?.[key]))), h("td", { class: "number muted" }, age(summary.created)));
    }))));
}

// By how much a figure changed from the iteration before.
function change(from, to) {
  if (!from || !Number.isFinite(from) || !Number.isFinite(to) || to === null || from === to) return null;
  const share = Math.round(((to - from) * 100) / from);
  const text = to >= 10 * from ? `× ${si(to / from, "").trim()}` : `${share > 0 ? "+" : "−"}${Math.abs(share)} %`;
  return share ? h("div", { class: "differs small" }, text) : null;
}

function settings(iterations) {
  const flat = iterations.map(({ input: { extra_data: extra, previous_iteration: _, ...rest } }) => ({ ...rest, ...Object.fromEntries(Object.entries(extra ?? {}).map(([key, value]) => [`extra_data.${key}`, value])) }));
  const shown = (value) => (Array.isArray(value) ? value.join("\n") : typeof value === "object" && value ? JSON.stringify(value) : String(value ?? ""));
  const names = [...new Set(flat.flatMap(Object.keys))].filter((name) => flat.some((each) => ![undefined, "", 0, false].includes(each[name]) && shown(each[name]) !== ""));
  const head = (name) => nameOf(name.replace(/^extra_data\./, "extra."));
  const isSame = (name) => flat.every((each) => shown(each[name]) === shown(flat[0][name]));
  const same = names.filter(isSame).map((name) => [head(name), shown(flat[0][name])]);
  const differing = names.filter((name) => !isSame(name));
  return [
    sideBySide("What differs", iterations, differing.map((name) => [head(name), flat.map((each) => shown(each[name]))])),
    differing.length > 0 && h("h3", {}, "The same in all"),
    h("dl", {}, same.filter(([name, text], i) => same.findIndex((each) => each[0] === name && each[1] === text) === i).map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])),
  ];
}

// A row for each name with its text in each iteration; what differs from the one before is marked.
function sideBySide(caption, iterations, rows) {
  return rows.length > 0 && scrolling(caption, h("table", {}, h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, caption), iterations.map(({ summary }) => h("th", { scope: "col" }, `#${summary.task_id.iteration_id}`)))),
    h("tbody", {}, rows.map(([name, texts]) => h("tr", {}, h("th", { scope: "row" }, name),
      texts.map((text, i) => h("td", { class: "text" }, text ? lines(text, i ? texts[i - 1] : text) : "–")))))));
}

// A text whose lines that are not in the one before are marked.
function lines(text, before) {
  const known = new Set(before.split("\n"));
  return text.split("\n").map((line) => h("div", { class: known.has(line) ? null : "differs" }, line));
}

// What the modules say of each iteration beside its figures.
function said(iterations) {
  const titles = [...new Set(iterations.flatMap((each) => (each.remarks ?? []).map(([name]) => name)))].filter((name) => name !== "result");
  const texts = (name) => iterations.map((each) => (each.remarks ?? []).filter(([other]) => other === name).map(([, text]) => text).join("\n"));
  const rows = titles.map((name) => [title(name), texts(name)]);
  const isSame = ([, each]) => each.every((text) => text === each[0]);
  return rows.length > 0 && h("section", { class: "panel" }, h("h2", {}, "What the modules say"),
    sideBySide("What differs", iterations, rows.filter((row) => !isSame(row))),
    h("dl", {}, rows.filter(isSame).map(([name, [text]]) => [h("dt", {}, name), h("dd", {}, text)])));
}
