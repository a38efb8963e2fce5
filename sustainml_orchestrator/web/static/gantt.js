// The steps of a task in time: a bar for each time that a module worked on one, of every try.

import { app } from "./app.js";
import { h } from "./dom.js";
import { clock, duration, now } from "./format.js";
import { stepState } from "./parts.js";

// What ends a time of work without an output, and how its bar looks.
const ENDS = {
  "step.retried": "error", "step.failed": "error", "step.returned": "returned", "step.queued": "returned", "step.delivered": "returned",
  "step.undelivered": "returned", "task.stopped": "stopped", "task.terminated": "stopped", "task.preempted": "returned", "task.failed": "stopped",
};

// The times of work on a step, by its events, the oldest first; what they do not tell yet, by its state.
export function runs(step, events, end) {
  const found = [];
  let open = null;
  const close = (to, state, detail) => { found.push({ ...open, to, state, detail }); open = null; };
  for (const { event, stamp, instance, try_number: number, detail } of events) {
    if (event === "step.started") open ??= { from: stamp, instance, number };
    else if (open && event === "step.finished") close(stamp, "succeeded", "");
    else if (open && Object.hasOwn(ENDS, event)) close(stamp, ENDS[event], detail);
  }
  const to = step.finished ?? end, last = found.at(-1)?.to ?? 0;
  const isMissing = step.has_output && !found.some((run) => run.state === "succeeded");
  open ??= step.started && (!found.length || step.started > last || isMissing) ? { from: Math.max(step.started, last), instance: step.instance, number: step.tries } : null;
  if (open) close(to, stepState(step), step.error_description);
  return found;
}

// Bars of a step: {kind: "wait" | "run", from, to, state, words}.
export function bars(step, { ready, end, events, isOpen }) {
  const found = [];
  let free = ready;
  const wait = (to) => free < to && found.push({ kind: "wait", from: free, to, words: `waited ${duration(to - free)}` });
  for (const run of runs(step, events, end)) {
    wait(run.from);
    found.push({ kind: "run", ...run, words: `try ${Math.max(1, run.number)}${place(run.instance)}: began ${clock(run.from)}, ${duration(run.to - run.from)}, ${run.detail || run.state}` });
    free = Math.max(free, run.to);
  }
  const isWaiting = isOpen && !step.has_output && step.task_status === 0;
  if (isWaiting || step.error_code) wait(step.finished ?? end); // for a further try, or for its inputs
  return found;
}

const place = (instance) => (instance ? ` on ${instance}` : "");

export function gantt(of, list) {
  const begin = of.created;
  const end = of.finished ?? Math.max(now(), begin + 0.1);
  const span = Math.max(end - begin, 0.05);
  const at = (from, to) => ({ left: `${(Math.max(0, from - begin) * 100) / span}%`, width: `${(Math.max(0, to - from) * 100) / span}%` });
  const inputs = new Map(app.graph.map((each) => [each.name, each.inputs]));
  const finished = new Map(of.modules.map((step) => [step.node_name, step.has_output ? step.finished ?? begin : null]));
  const ofTask = list.filter((each) => each.attempt === of.attempt).reverse(); // the oldest first
  const rows = of.modules.map((step) => {
    const given = (inputs.get(step.node_name) ?? []).map((name) => (name === "user_input" ? 0 : finished.get(name) ?? step.started ?? end));
    const events = ofTask.filter((each) => !each.node_name || each.node_name === step.node_name);
    return { step, state: stepState(step), bars: bars(step, { ready: Math.max(of.started ?? begin, ...given), end, events, isOpen: of.task_status === 0 || of.task_status === 2 }) };
  });
  const states = new Set(rows.flatMap((row) => row.bars.map((bar) => (bar.kind === "wait" ? "wait" : bar.state))));
  return [h("div", { class: "gantt" }, rows.map(({ step, state, bars: found }) => row(step, state, found, at, end))), legend(states)];
}

function row(step, state, found, at, end) {
  const words = `${step.node_name}: ${state}${found.map((bar) => `; ${bar.words}`).join("")}`;
  const name = step.instance.split("/").at(-1);
  return [
    h("div", { class: "name", key: step.node_name }, h("a", { href: `/modules/${step.node_name}` }, step.node_name.split(/(?<=_)/).map((part) => [part, h("wbr")])),
      h("div", { class: "muted small" }, state, step.tries > 1 && ` · try ${step.tries}`, name && name !== step.node_name && ` · ${name}`)),
    h("div", { class: "track", role: "img", "aria-label": words },
      found.map((bar) => h("div", { class: bar.kind === "wait" ? "seg wait" : `seg s-${bar.state}`, style: at(bar.from, bar.to), title: bar.words }))),
    h("div", { class: "number small" }, step.started ? duration((step.finished ?? end) - step.started) : "–"),
  ];
}

const MEANINGS = { wait: "waiting", running: "at work", succeeded: "done", error: "a try that failed", returned: "given back or lost", stopped: "stopped", terminated: "ended" };

function legend(states) {
  const shown = Object.keys(MEANINGS).filter((state) => states.has(state));
  return shown.length > 0 && h("p", { class: "legend muted small" }, shown.map((state) => h("span", {}, h("i", { class: state === "wait" ? "seg wait" : `seg s-${state}` }), MEANINGS[state])));
}
