// The whole system at a glance.

import { act, app, confirmed, request, soon } from "../app.js";
import { sparkline } from "../charts.js";
import { h } from "../dom.js";
import { age, count, nodeState } from "../format.js";
import { badge, clipped, graph, heartbeat, moduleLines, scrolling, taskBadge } from "../parts.js";

const COUNTS = [["running", "running"], ["waiting", "waiting"], ["succeeded", "succeeded"], ["failed", "failed"], ["stopped", "stopped"]];
const EFFECTS = {
  START: "It begins to take tasks.", STOP: "It gives back the tasks it holds; they wait until it is started again. Nothing is lost.",
  RESET: "It drops what it works on and begins anew; its tasks are delivered again.",
  TERMINATE: "Its process ends. Under `sustainml up` it is restarted and stays inactive until you start it.",
};

export async function command(name, verb) {
  const what = name === "all" ? "all modules" : name;
  if (!(await confirmed(`${verb[0]}${verb.slice(1).toLowerCase()} ${what}?`, EFFECTS[verb], verb[0] + verb.slice(1).toLowerCase(), verb !== "START"))) return;
  await act(() => request(`nodes/${encodeURIComponent(name)}/command`, { command: verb }), `${verb} of ${what} is confirmed`);
}

export function commandButtons(name, node) {
  const isActive = node?.desired_status === 2 || [2, 3, 4].includes(node?.node_status);
  const state = nodeState(node);
  const offered = { START: !isActive, STOP: isActive, RESET: isActive || state === "error", TERMINATE: state !== "unseen" && state !== "lost" };
  return h("div", { class: "buttons", role: "group", "aria-label": `Commands to ${name}` }, Object.keys(offered).map((verb) =>
    h("button", { class: verb === "TERMINATE" ? "danger" : null, disabled: !offered[verb] || !app.system?.present, "aria-label": `${verb.toLowerCase()} ${name}`, onclick: () => command(name, verb) },
      verb[0] + verb.slice(1).toLowerCase())));
}

export function page() {
  const data = { recent: [] };
  const later = soon(async () => {
    data.recent = (await request("tasks?limit=8").catch(() => ({ tasks: data.recent }))).tasks;
    app.refresh();
  }, 400);
  return {
    title: "Overview",
    watch: "all",
    async load() {
      const [system, tasks] = await Promise.all([request("system"), request("tasks?limit=8")]);
      Object.assign(app, { graph: system.graph, samples: system.samples, system: system.system });
      data.recent = tasks.tasks;
    },
    tasks: later,
    system(state) {
      const { waiting, running, succeeded, failed, stopped } = state;
      (app.samples ??= []).push({ at: state.now, waiting, running, succeeded, failed, stopped });
      if (app.samples.length > 600) app.samples.splice(0, 100);
    },
    view: () => view(data),
    close: later.cancel,
  };
}

function view(data) {
  const state = app.system;
  if (!state) return h("p", { class: "loading" }, "Waiting for the orchestrator …");
  const nodes = Object.fromEntries(state.nodes.map((node) => [node.node_name, node]));
  const about = (name) => ({ state: nodeState(nodes[name]), lines: moduleLines(nodes[name]), href: `/modules/${name}` });
  const known = new Set(app.graph.map((each) => each.name));
  const modules = [...app.graph, ...state.nodes.filter((node) => !known.has(node.node_name)).map((node) => ({ name: node.node_name, inputs: [] }))];
  return [
    h("div", { class: "head" }, h("div", { class: "grow" }, h("h1", {}, "Overview"),
      h("p", { class: state.ready ? "muted" : "reason" }, state.ready ? "Every required module is ready." : `Not ready: ${state.reason}`)),
      h("a", { class: "button primary", href: "/new" }, "New problem")),
    h("div", { class: "grid four" }, COUNTS.map(([name, label]) => stat(name, label, state)), rate(state)),
    h("section", { class: "panel" }, h("h2", {}, "Pipeline"), modules.length ? graph(modules, about) : null),
    h("section", { class: "panel" },
      h("div", { class: "head" }, h("h2", { class: "grow" }, "Modules"), h("div", { class: "buttons" },
        ["START", "STOP", "RESET"].map((verb) => h("button", { onclick: () => command("all", verb), disabled: !state.present }, `${verb[0]}${verb.slice(1).toLowerCase()} all`)))),
      modules.map(({ name }) => moduleRow(name, nodes[name]))),
    recent(data.recent),
  ];
}

function stat(name, label, state) {
  return h("div", { class: "panel stat" }, h("div", { class: "value" }, count(state[name] ?? 0)), h("div", { class: "label" }, label),
    sparkline((app.samples ?? []).map((each) => each[name]), label));
}

function rate() {
  const samples = app.samples ?? [];
  const ended = (each) => each.succeeded + each.failed + each.stopped;
  const rates = samples.map((each, i) => {
    const from = samples.findLast((other, j) => j < i && each.at - other.at >= 10) ?? samples[0];
    return each.at > from.at ? Math.max(0, Math.round(((ended(each) - ended(from)) * 60) / (each.at - from.at))) : 0;
  });
  return h("div", { class: "panel stat" }, h("div", { class: "value" }, count(rates.at(-1) ?? 0)), h("div", { class: "label" }, "ended per minute"), sparkline(rates, "ended per minute"));
}

function moduleRow(name, node) {
  const state = nodeState(node);
  return h("div", { class: "module", key: name },
    h("div", {}, h("a", { href: `/modules/${name}` }, h("strong", {}, name)), h("div", {}, badge(state))),
    h("div", { class: "small" },
      node && state !== "unseen"
        ? h("div", { class: "muted" }, `${heartbeat(node)} · ${node.active_tasks} active · ${node.instances.length} instance${node.instances.length === 1 ? "" : "s"} · ${node.restarts} restart${node.restarts === 1 ? "" : "s"}${node.last_loss ? ` · last lost ${age(node.last_loss)}` : ""}`)
        : h("div", { class: "muted" }, "no process of it was seen yet"),
      node?.error_description && h("div", { class: "reason" }, node.error_description)),
    commandButtons(name, node));
}

function recent(list) {
  return h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", { class: "grow" }, "Latest tasks"), h("a", { href: "/tasks" }, "All tasks")),
    list.length ? scrolling("Latest tasks", h("table", {}, h("caption", { class: "visually-hidden" }, "Latest tasks"),
      h("thead", {}, h("tr", {}, ["Task", "State", "Problem", "Model", "Age"].map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, list.map((row) => h("tr", { key: `${row.problem}/${row.iteration}` },
        h("td", {}, h("a", { href: `/tasks/${row.problem}/${row.iteration}` }, `${row.problem}/${row.iteration}`)), h("td", {}, taskBadge(row.status)),
        h("td", { class: "text" }, clipped(row.name)), h("td", { class: "text" }, clipped(row.model)), h("td", { class: "muted" }, age(row.created)))))))
      : h("p", {}, "There is no task yet. ", h("a", { href: "/new" }, "State a problem"), " to see one."));
}
