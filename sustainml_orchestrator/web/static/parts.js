// Parts that several pages show.

import { app } from "./app.js";
import { h, s } from "./dom.js";
import { TASK, age, duration, isUnknown, label, moment, nodeState, time, title } from "./format.js";

export const badge = (state, text = state) => h("span", { class: `badge s-${state}` }, text);
export const taskBadge = (status) => badge(TASK[status] ?? "pending");

// What may be wider than its place, with a name: a box that scrolls by the keyboard, too.
export const scrolling = (name, wide) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, wide);

// A text of any length in a few lines; its page has all of it.
export const clipped = (text, mark = null) => h("div", { class: "lines", title: text?.length > 100 ? text.slice(0, 1000) : null }, h("span", { class: mark }, text || "–"));

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

const WIDTH = 178, HEIGHT = 92, GAP_X = 52, GAP_Y = 18;

// Any graph of modules, in columns from left to right. `about` gives for a module {state, lines, href}.
export function graph(modules, about) {
  const column = new Map([["user_input", 0]]);
  for (const { name, inputs } of modules)
    column.set(name, 1 + Math.max(0, ...inputs.map((input) => column.get(input) ?? 0)));
  const columns = [];
  for (const [name, x] of column) (columns[x] ??= []).push(name);
  const tallest = Math.max(...columns.map((each) => each?.length ?? 0));
  const height = tallest * (HEIGHT + GAP_Y) - GAP_Y + (tallest < 3 ? 2 * HEIGHT : 40);
  const place = new Map();
  columns.forEach((names, x) => {
    const top = (height - names.length * (HEIGHT + GAP_Y) + GAP_Y) / 2;
    names.forEach((name, y) => place.set(name, { x: x * (WIDTH + GAP_X), y: top + y * (HEIGHT + GAP_Y), layer: x }));
  });
  const width = columns.length * (WIDTH + GAP_X) - GAP_X;
  const edges = modules.flatMap(({ name, inputs }) => inputs.filter((input) => place.has(input)).map((input) => {
    const from = place.get(input), to = place.get(name), boxes = [...place.values()];
    const lanes = [from.y + HEIGHT / 2, from.y + HEIGHT / 2 < height / 2 ? 8 : height - 8, height - 8, 8];
    return edge(from, to, boxes.filter((box) => box.layer > from.layer && box.layer < to.layer), lanes, about(name).state === "running");
  }));
  return scrolling("Pipeline",
    h("div", { class: "graph", style: { width: `${width}px`, height: `${height + 4}px` } },
      s("svg", { width, height: height + 4, "aria-hidden": "true" }, edges),
      box("user_input", place.get("user_input"), { state: "unseen", lines: [] }),
      modules.map(({ name }) => box(name, place.get(name), about(name)))));
}

function edge(from, to, between, lanes, isActive) {
  const x1 = from.x + WIDTH, y1 = from.y + HEIGHT / 2, x2 = to.x, y2 = to.y + HEIGHT / 2;
  const bend = GAP_X * 0.6;
  const curve = (ax, ay, bx, by) => `C${ax + bend} ${ay} ${bx - bend} ${by} ${bx} ${by}`;
  let d = `M${x1} ${y1}`;
  if (to.layer - from.layer > 1) { // past the columns between, in a lane where no box of theirs is
    const lane = lanes.find((y) => between.every((box) => Math.abs(box.y + HEIGHT / 2 - y) > HEIGHT / 2 + 4)) ?? y1;
    d += curve(x1, y1, x1 + GAP_X, lane) + `L${x2 - GAP_X} ${lane}` + curve(x2 - GAP_X, lane, x2, y2);
  } else d += curve(x1, y1, x2, y2);
  return s("path", { class: `edge${isActive ? " flow" : ""}`, d });
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
  return [state, `${load}${many}`, heartbeat(node)];
}

// How old the last heartbeat was when the orchestrator told; of a module that is lost, how old it is.
export function heartbeat(node) {
  if (!node?.last_seen) return "never heard";
  if (!node.responsive || !app.system?.present) return `last heartbeat ${age(node.last_seen)}`;
  return `heartbeat ${Math.max(0, app.system.stamp - node.last_seen).toFixed(1)} s ago`;
}

// Whether the history tells more than it did, by two states of the system: of modules, or of tasks that were deleted.
export function hasNews(state, before) {
  const told = (of) => JSON.stringify([of?.tasks, of?.nodes.map((each) => [each.node_status, each.desired_status, each.responsive, each.restarts, each.resets])]);
  return told(state) !== told(before);
}

// Events of the history as a list, the newest first.
export function events(list, withTask) {
  if (!list.length) return h("p", { class: "muted" }, "No events.");
  return h("ol", { class: "events" }, list.map((event) => h("li", { key: `${event.revision}${event.event}${event.node_name}` },
    h("time", { class: "muted", datetime: new Date(event.stamp * 1000).toISOString(), title: `${time(event.stamp)}, ${age(event.stamp)}` }, moment(event.stamp)),
    h("span", { class: event.error_code ? "reason" : null }, event.event),
    h("span", {}, withTask && event.task_id && [h("a", { href: `/tasks/${event.task_id}` }, event.task_id), " "],
      event.node_name && [h("a", { href: `/modules/${event.node_name}` }, event.node_name), " "],
      event.try_number > 1 && !event.detail.startsWith("try ") && `try ${event.try_number} `, h("span", { class: "muted" }, event.detail)))));
}

// Pairs of a title and a text, under their titles.
export function remarks(pairs) {
  const titles = [...new Set(pairs.map(([title]) => title))];
  return titles.length > 0 && h("dl", { class: "remarks" }, titles.map((name) => [h("dt", {}, title(name)), h("dd", {}, pairs.filter(([each]) => each === name).map(([, text]) => h("div", {}, text)))]));
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
  return entries.length ? h("dl", {}, entries.map(([name, each]) => [h("dt", {}, label(name)), h("dd", {}, /(^|_)year$/.test(name) ? String(each) : readable(isUnknown(name, each, value) ? null : each))])) : h("span", { class: "muted" }, "–");
}

// The fields of an output that say something; what is an object of its own stands below under its name.
export function fields(all) {
  const set = Object.entries(all).filter(([, value]) => value !== false);
  const isObject = ([, value]) => typeof value === "object" && value !== null && !Array.isArray(value);
  const parts = set.filter(isObject).map(([name, value]) => [name, telling(Object.entries(value))]).filter(([, value]) => Object.keys(value).length);
  return [readable(telling(set.filter((each) => !isObject(each)))),
    parts.map(([name, value]) => [h("h3", {}, title(name)), readable(value)])];
}

const telling = (entries) => Object.fromEntries(entries.filter(([, value]) => value !== "" && value !== null && (typeof value !== "object" || Object.keys(value).length)));

export const since = (from, to) => duration(to && from ? to - from : null);
