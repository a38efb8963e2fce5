// One task: what came of it, its steps in time, its outputs, its history.

import { go, load, request, watch } from "../app.js";
import { h } from "../dom.js";
import { TASK, age, carbon, duration, energy, latency, now, quality, time, title } from "../format.js";
import { gantt } from "../gantt.js";
import { events, fields, remarks, taskBadge } from "../parts.js";
import { nameOf } from "./fields.js";
import { COMMANDS, command, remove } from "./tasks.js";

const ADVICE = {
  2: "Correct the problem and iterate from here.", 4: "Raise the module's timeout in pipeline.yaml, or reset the task to try again.",
  5: "See the module in the overview; start it, then reset the task.", 6: "Its state does not permit this; reset the task.",
  7: "Wait until there is room, then reset the task.",
};

export function page(problem, iteration) {
  const data = { task: null, events: [] };
  let due = 0;
  const self = {
    title: `Task ${problem}/${iteration}`,
    watch: [`${problem}/${iteration}`],
    async load() {
      data.task = await request(`tasks/${problem}/${iteration}`);
      const { id } = data.task.summary;
      if (iteration === "0" || problem === "0") { history.replaceState(null, "", `/tasks/${id}`); watch([id]); }
      data.events = (await request(`history?problem=${id.split("/")[0]}&iteration=${id.split("/")[1]}&limit=500`).catch(() => ({ events: [] }))).events;
    },
    tasks(list) {
      const update = list.find((each) => each.id === data.task?.summary.id);
      if (!update || update.revision <= data.task.summary.revision) return;
      data.task.summary = update;
      if (!due) due = setTimeout(() => { due = 0; load(); }, 250); // the outputs
    },
    system(state, before) { if (state.tasks < before?.tasks) load(); }, // it may be deleted
    close: () => clearTimeout(due),
    view: () => (data.task ? view(data) : [h("h1", {}, self.title), h("p", { class: "loading" }, "Loading …")]),
  };
  return self;
}

function view({ task, events: list }) {
  const of = task.summary;
  const problem = of.task_id.problem_id;
  const isOpen = of.task_status === 0 || of.task_status === 2;
  return [
    h("div", { class: "head" }, h("div", { class: "grow" },
      h("p", { class: "crumbs" }, h("a", { href: "/tasks" }, "Tasks"), " / ", h("a", { href: `/problems/${problem}` }, `Problem ${problem}`), ` / iteration ${of.task_id.iteration_id}`),
      h("h1", {}, of.problem_short_description || task.input.problem_definition.slice(0, 80) || `Task ${of.id}`)), taskBadge(of.task_status),
      h("div", { class: "buttons", role: "group", "aria-label": "Commands" },
        h("a", { class: "button primary", href: `/new?base=${of.id}` }, "Iterate"),
        h("a", { class: "button", href: `/problems/${problem}` }, "Compare iterations"),
        (COMMANDS[of.task_status] ?? []).map((verb) => h("button", { class: verb === "TERMINATE" ? "danger" : null, onclick: () => command(of.id, verb) }, verb[0] + verb.slice(1).toLowerCase())),
        !isOpen && h("button", { class: "danger", onclick: async () => (await remove(problem)) && go("/tasks") }, "Delete problem"),
        h("a", { class: "button", href: `/page/tasks/${of.id}/json`, download: true }, "JSON"))),
    outcome(of),
    h("section", { class: "panel" }, h("div", { class: "hero" },
      [["Model", of.model || "–"], ["Hardware", of.hw_description || "–"], ["Carbon", carbon(of.carbon_footprint, of.energy_consumption)], ["Energy", energy(of.energy_consumption)], ["Latency", latency(of.latency)], ["Quality", quality(of.quality)]].map(([label, value]) =>
        h("div", {}, h("div", { class: "muted small" }, label), h("div", { class: "value" }, value))))),
    inWords(task),
    h("section", { class: "panel" }, h("h2", {}, "Steps"), gantt(of, list),
      h("p", { class: "muted small" }, `submitted ${age(of.created)} (${time(of.created)}) · ${of.finished ? `took ${duration(of.finished - of.created)}` : `for ${duration(now() - of.created)} so far`} · attempt ${of.attempt} · priority ${of.priority}`,
        of.base_task && [" · built on ", h("a", { href: `/tasks/${of.base_task}` }, of.base_task)], of.next_task && [" · continued by ", h("a", { href: `/tasks/${of.next_task}` }, of.next_task)])),
    h("div", { class: "columns" },
      h("section", { class: "panel" }, h("h2", {}, "Problem"), fields(shownInput(task.input))),
      task.outputs.map((output) => h("section", { class: "panel", key: output.module }, h("h2", {}, h("a", { href: `/modules/${output.module}` }, output.module)), fields(output.fields))),
      of.modules.filter((step) => !task.outputs.some((output) => output.module === step.node_name)).map((step) =>
        h("section", { class: "panel", key: step.node_name }, h("h2", {}, step.node_name), h("p", { class: "muted" }, isOpen ? "no output yet" : "no output")))),
    h("section", { class: "panel" }, h("h2", {}, "History"), events(list)),
  ];
}

// The problem as the form names it.
function shownInput({ extra_data: extra, ...input }) {
  const named = (fields, prefix = "") => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== 0).map(([name, value]) => [nameOf(prefix + name), value]));
  return { ...named(input), extra_data: named(extra ?? {}, "extra.") };
}

// What the modules say about the solution in words.
function inWords({ remarks: told = [] }) {
  return told.length > 0 && h("section", { class: "panel" }, h("h2", {}, "In words"), told.filter(([title]) => title === "result").map(([, text]) => h("p", {}, text)),
    remarks(told.filter(([title]) => title !== "result")));
}

function outcome(of) {
  const text = of.error_description || of.outcome_reason;
  const failed = of.modules.filter((step) => step.error_description && !text.includes(step.error_description));
  if (of.task_status === 1)
    return h("div", { class: "callout s-error", role: "alert" }, h("strong", {}, "It failed. "), text,
      failed.map((step) => h("p", {}, h("a", { href: `/modules/${step.node_name}` }, step.node_name), `: ${step.error_description}`)), h("p", {}, h("b", {}, "What to do: "), ADVICE[of.error_code] ?? "See the log of the module; reset the task to try again, or iterate with changed fields."));
  if (of.task_status === 3 || !of.outcome_reason) return null;
  return h("div", { class: `callout s-${TASK[of.task_status]}` }, h("strong", {}, `${title(TASK[of.task_status])}: `), of.outcome_reason);
}
