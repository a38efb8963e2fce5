// One task: what came of it, its steps in time, its outputs, its history.

import { app, go, load, request, watch } from "../app.js";
import { h } from "../dom.js";
import { TASK, age, carbon, clock, duration, energy, latency, now, quality, time, title } from "../format.js";
import { events, fields, stepState, taskBadge } from "../parts.js";
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
        (COMMANDS[of.task_status] ?? []).map((verb) => h("button", { class: verb === "TERMINATE" ? "danger" : null, onclick: () => command(of.id, verb) }, verb[0] + verb.slice(1).toLowerCase())),
        !isOpen && h("button", { class: "danger", onclick: async () => (await remove(problem)) && go("/tasks") }, "Delete problem"),
        h("a", { class: "button", href: `/page/tasks/${of.id}/json`, download: true }, "JSON"))),
    outcome(of),
    h("section", { class: "panel" }, h("div", { class: "hero" },
      [["Model", of.model || "–"], ["Hardware", of.hw_description || "–"], ["Carbon", carbon(of.carbon_footprint)], ["Energy", energy(of.energy_consumption)], ["Latency", latency(of.latency)], ["Quality", quality(of.quality)]].map(([label, value]) =>
        h("div", {}, h("div", { class: "muted small" }, label), h("div", { class: "value" }, value))))),
    summary(task),
    h("section", { class: "panel" }, h("h2", {}, "Steps"), gantt(of, list),
      h("p", { class: "muted small" }, `asked for ${age(of.created)} (${time(of.created)}) · ${of.finished ? `took ${duration(of.finished - of.created)}` : `since ${duration(now() - of.created)}`} · attempt ${of.attempt} · priority ${of.priority}`,
        of.base_task && [" · built on ", h("a", { href: `/tasks/${of.base_task}` }, of.base_task)], of.next_task && [" · continued by ", h("a", { href: `/tasks/${of.next_task}` }, of.next_task)])),
    h("div", { class: "columns" },
      h("section", { class: "panel" }, h("h2", {}, "Problem"), fields(shownInput(task.input))),
      task.outputs.map((output) => h("section", { class: "panel", key: output.module }, h("h2", {}, h("a", { href: `/modules/${output.module}` }, output.module)), fields(output.fields))),
      of.modules.filter((step) => !task.outputs.some((output) => output.module === step.node_name)).map((step) =>
        h("section", { class: "panel", key: step.node_name }, h("h2", {}, step.node_name), h("p", { class: "muted" }, "no output yet")))),
    h("section", { class: "panel" }, h("h2", {}, "History"), events(list)),
  ];
}

const shownInput = (input) => Object.fromEntries(Object.entries(input).filter(([, value]) => value !== 0));

// What a module says about the solution in a sentence.
function summary(task) {
  const texts = task.outputs.map((output) => output.fields.extra_data?.summary).filter((text) => typeof text === "string" && text);
  return texts.length > 0 && h("section", { class: "panel" }, h("h2", {}, "In words"), texts.map((text) => h("p", {}, text)));
}

function outcome(of) {
  const failed = of.modules.filter((step) => step.error_description);
  if (of.task_status === 1)
    return h("div", { class: "callout s-error", role: "alert" }, h("strong", {}, "It failed. "), of.error_description || of.outcome_reason,
      failed.map((step) => h("p", {}, h("a", { href: `/modules/${step.node_name}` }, step.node_name), `: ${step.error_description}`)), h("p", {}, h("b", {}, "What to do: "), ADVICE[of.error_code] ?? "See the log of the module; reset the task to try again, or iterate with changed fields."));
  if (of.task_status === 3 || !of.outcome_reason) return null;
  return h("div", { class: `callout s-${TASK[of.task_status]}` }, h("strong", {}, `${title(TASK[of.task_status])}: `), of.outcome_reason);
}

// Waiting and running of each step, on one axis of time. Tries come from the history where it has them.
function gantt(of, list) {
  const begin = of.created;
  const end = of.finished ?? Math.max(now(), begin + 0.1);
  const span = Math.max(end - begin, 0.05);
  const place = (from, to) => ({ left: `${(Math.max(0, from - begin) * 100) / span}%`, width: `${(Math.max(0, to - from) * 100) / span}%` });
  const inputs = new Map(app.graph.map((each) => [each.name, each.inputs]));
  const finished = new Map(of.modules.map((step) => [step.node_name, step.finished]));
  return h("div", { class: "gantt" }, of.modules.map((step) => {
    const state = stepState(step);
    const ready = Math.max(of.started ?? begin, ...(inputs.get(step.node_name) ?? []).map((name) => finished.get(name) ?? (name === "user_input" ? 0 : step.started ?? end)));
    const from = step.started ?? (of.task_status === 2 && state !== "pending" ? end : null);
    const to = step.finished ?? end;
    const tries = list.filter((each) => each.node_name === step.node_name && each.attempt === of.attempt && /step\.(retried|failed)/.test(each.event)).map((each) => each.stamp);
    const took = step.started ? duration((step.finished ?? end) - step.started) : "–";
    const words = `${step.node_name}: ${state}${step.started ? `, began ${clock(step.started)}, ran ${took}` : ""}${step.tries > 1 ? `, ${step.tries} tries` : ""}${step.instance ? `, on ${step.instance}` : ""}`;
    return [
      h("div", { class: "name", key: step.node_name }, h("a", { href: `/modules/${step.node_name}` }, step.node_name), h("div", { class: "muted small" }, state, step.tries > 1 && ` · try ${step.tries}`)),
      h("div", { class: "track", role: "img", "aria-label": words, title: words },
        step.started && ready < step.started && h("div", { class: "seg wait", style: place(ready, step.started) }),
        from !== null && h("div", { class: `seg s-${state}`, style: place(step.started ?? from, to) }),
        tries.map((at) => h("div", { class: "seg s-error", style: { ...place(at, at), width: "3px" } }))),
      h("div", { class: "number small" }, took),
    ];
  }));
}
