// Parts that several pages show.

import { h, s } from "./dom.js";
import { TASK, age, duration, nodeState, title } from "./format.js";

export const badge = (state, text = state) => h("span", { class: `badge s-${state}` }, text);
export const taskBadge = (status) => badge(TASK[status] ?? "pending");

// The steps of a task as coloured marks, with the same in words.
export function steps(states, names) {
  const done = states.filter((state) => state === "succeeded").length;
  return h("span", { class: "steps", role: "img", "aria-label": `${done} of ${states.length} steps done`, title: names.map((name, i) => `${name}: ${states[i]}`).join("\n") },
    states.map((state) => h("i", { class: `s-${state}` })));
}

export function stepState(step) {
  if (step.has_output) return "succeeded";
  if (!step.tries && !step.started && !step.error_code && step.task_status === 0) return "pending";
  return TASK[step.task_status] ?? "pending";
}

const WIDTH = 190, HEIGHT = 92, GAP_X = 58, GAP_Y = 18;

// Any graph of modules, in columns from left to right. `about` gives for a module {state, lines, href}.
export function graph(modules, about) {
  const column = new Map([["user_input", 0]]);
  for (const { name, inputs } of modules)
    column.set(name, 1 + Math.max(0, ...inputs.map((input) => column.get(input) ?? 0)));
  const columns = [];
  for (const [name, x] of column) (columns[x] ??= []).push(name);
  const tallest = Math.max(...columns.map((each) => each?.length ?? 0));
  const height = tallest * (HEIGHT + GAP_Y) - GAP_Y;
  const place = new Map();
  columns.forEach((names, x) => {
    const top = (height - names.length * (HEIGHT + GAP_Y) + GAP_Y) / 2;
    names.forEach((name, y) => place.set(name, { x: x * (WIDTH + GAP_X), y: top + y * (HEIGHT + GAP_Y), layer: x }));
  });
  const width = columns.length * (WIDTH + GAP_X) - GAP_X;
  const edges = modules.flatMap(({ name, inputs }) => inputs.filter((input) => place.has(input)).map((input) => edge(place.get(input), place.get(name), about(name).state === "running")));
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Pipeline" },
    h("div", { class: "graph", style: { width: `${width}px`, height: `${height + 4}px` } },
      s("svg", { width, height: height + 4, "aria-hidden": "true" }, edges),
      box("user_input", place.get("user_input"), { state: "unseen", lines: [] }),
      modules.map(({ name }) => box(name, place.get(name), about(name)))));
}

function edge(from, to, isActive) {
  const x1 = from.x + WIDTH, y1 = from.y + HEIGHT / 2, x2 = to.x, y2 = to.y + HEIGHT / 2;
  const bend = to.layer - from.layer > 1 ? (y1 <= y2 ? 1 : -1) * 0 : 0;
  const middle = (x2 - x1) / 2;
  return s("path", { class: `edge${isActive ? " flow" : ""}`, d: `M${x1} ${y1}C${x1 + Math.min(middle, 60)} ${y1 + bend} ${x2 - Math.min(middle, 60)} ${y2 + bend} ${x2} ${y2}` });
}

function box(name, { x, y }, { state, lines, href }) {
  const isUser = name === "user_input";
  const style = { left: `${x}px`, top: `${isUser ? y + (HEIGHT - 44) / 2 : y}px` };
  return h(href ? "a" : "div", { class: `node s-${state}${isUser ? " user" : ""}`, style, href, key: name },
    h("b", {}, isUser ? "user input" : name), lines.map((line, i) => h("div", { class: i ? "muted" : "state" }, line)));
}

// The lines of a module in the graph.
export function moduleLines(node) {
  const state = nodeState(node);
  if (state === "unseen") return ["not seen yet"];
  const load = node.active_tasks ? `${node.active_tasks} active` : "no task";
  const many = node.instances.length > 1 ? ` · ${node.instances.length} instances` : "";
  return [state, `${load}${many}`, `heard ${age(node.last_seen)}`];
}

// Events of the history as a list, the newest first.
export function events(list, withTask) {
  if (!list.length) return h("p", { class: "muted" }, "No events.");
  return h("ol", { class: "events" }, list.map((event) => h("li", { key: `${event.revision}${event.event}${event.node_name}` },
    h("time", { class: "muted", datetime: new Date(event.stamp * 1000).toISOString() }, `${new Date(event.stamp * 1000).toLocaleTimeString("en-GB")} · ${age(event.stamp)}`),
    h("span", { class: event.error_code ? "reason" : null }, event.event),
    h("span", {}, withTask && event.task_id && [h("a", { href: `/tasks/${event.task_id}` }, event.task_id), " "],
      event.node_name && [h("a", { href: `/modules/${event.node_name}` }, event.node_name), " "],
      event.try_number > 1 && `try ${event.try_number} `, h("span", { class: "muted" }, event.detail)))));
}

// Any data as something to read: pairs, lists, texts.
export function readable(value) {
  if (value === null || value === undefined || value === "") return h("span", { class: "muted" }, "–");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(6)).toString();
  if (typeof value === "string") return /^https:\/\/[^\s]+$/.test(value) ? h("a", { href: value, rel: "noreferrer noopener", target: "_blank" }, value) : value;
  if (Array.isArray(value)) {
    if (!value.length) return h("span", { class: "muted" }, "–");
    if (value.every((each) => typeof each !== "object")) return value.map((each) => h("span", { class: "tag" }, readable(each)));
    return value.map((each) => h("div", {}, readable(each)));
  }
  const entries = Object.entries(value);
  return entries.length ? h("dl", {}, entries.map(([name, each]) => [h("dt", {}, title(name)), h("dd", {}, readable(each))])) : h("span", { class: "muted" }, "–");
}

export const since = (from, to) => duration(to && from ? to - from : null);
