// All tasks: filter, search, order, pages from the server; live.

import { act, app, confirmed, go, load, request, soon } from "../app.js";
import { h } from "../dom.js";
import { TASK, age, carbon, count, energy, quality, time } from "../format.js";
import { clipped, scrolling, steps, taskBadge } from "../parts.js";

const COLUMNS = [["id", "Task"], ["status", "State"], ["progress", "Steps"], ["name", "Problem"], ["model", "Model"], ["hardware", "Hardware"],
  ["carbon", "Carbon", 1], ["energy", "Energy", 1], ["quality", "Quality", 1], ["created", "Age", 1]];
const SIZE = 50;
const LONGEST = 200; // characters of a search
const EFFECTS = {
  STOP: "Its outputs are kept; a reset runs it again.", RESET: "Its outputs are deleted and it runs again from the beginning.",
  PREEMPT: "It goes back into the queue behind tasks of its priority; its outputs are kept.", TERMINATE: "It ends for good and cannot be run again.",
};
export const COMMANDS = { 0: ["STOP", "TERMINATE"], 1: ["RESET", "TERMINATE"], 2: ["STOP", "PREEMPT", "RESET", "TERMINATE"], 3: ["RESET"], 4: ["RESET", "TERMINATE"], 5: [] };

export async function command(id, verb) {
  const word = verb[0] + verb.slice(1).toLowerCase();
  if (!(await confirmed(`${word} task ${id}?`, EFFECTS[verb], word))) return null;
  return act(() => request(`tasks/${id}/command`, { command: verb }), (answer) => `task ${id} is ${answer.status_text.toLowerCase()}`);
}

export async function remove(problem) {
  if (!(await confirmed(`Delete problem ${problem}?`, "All its iterations and their outputs are deleted. They cannot be restored.", "Delete"))) return null;
  return act(() => request(`problems/${problem}`, undefined, "DELETE"), (answer) => `${answer.deleted} iteration${answer.deleted === 1 ? "" : "s"} deleted`);
}

export function page() {
  const query = new URLSearchParams(location.search);
  const at = {
    words: (query.get("words") ?? "").slice(0, LONGEST), status: query.getAll("status").map(Number).filter((each) => each in TASK), order: COLUMNS.some(([name]) => name === query.get("order")) ? query.get("order") : "created",
    descending: query.get("descending") !== "false", offset: whole(query.get("offset")), problem: whole(query.get("problem")),
  };
  const data = { tasks: [], total: 0, known: 0, all: 0 };
  const later = soon(load);
  const self = {
    title: "Tasks",
    watch: "all",
    async load() {
      Object.assign(data, await request(`tasks?${address(at)}&limit=${SIZE}`));
      data.loaded = true;
      if (at.offset && !data.tasks.length) self.change({ offset: Math.floor(Math.max(0, data.total - 1) / SIZE) * SIZE }); // beyond the end
    },
    tasks(list) { // what is shown changes at once; order and totals follow
      for (const task of list) {
        const row = data.tasks.find((each) => `${each.problem}/${each.iteration}` === task.id);
        if (row && task.revision > row.revision) Object.assign(row, { status: task.task_status, revision: task.revision, model: task.model, hardware: task.hw_description, carbon: task.carbon_footprint, energy: task.energy_consumption, quality: task.quality });
      }
      later();
    },
    system(state, before) { if (before && state.tasks !== before.tasks) later(); },
    close: later.cancel,
    change(fields) {
      Object.assign(at, { offset: 0 }, fields);
      history.replaceState(null, "", `/tasks?${address(at)}`);
      app.load();
      app.refresh();
    },
    view: () => view(self, at, data),
  };
  return self;
}

// A whole number of an address; 0 for anything else.
const whole = (text) => (/^\d{1,9}$/.test(text ?? "") ? Number(text) : 0);

function address(at) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(at)) for (const each of Array.isArray(value) ? value : [value]) query.append(name, each);
  return query;
}

function view(self, at, data) {
  return [
    h("div", { class: "head" }, h("div", { class: "grow" }, h("h1", {}, "Tasks")), h("a", { class: "button primary", href: "/new" }, "New problem")),
    h("section", { class: "panel" },
      h("div", { class: "tools" },
        h("label", { class: "visually-hidden", for: "search" }, "Search tasks"),
        h("input", { type: "search", id: "search", placeholder: "Search problem, model, hardware, id", maxlength: LONGEST, value: at.words, oninput: (event) => self.change({ words: event.target.value }) }),
        h("div", { class: "buttons", role: "group", "aria-label": "State" },
          h("button", { class: "chip", "aria-pressed": String(!at.status.length), onclick: () => self.change({ status: [] }) }, "all"),
          [2, 0, 3, 1, 4, 5].map((status) => h("button", { class: "chip", "aria-pressed": String(at.status.includes(status)), onclick: () => self.change({ status: at.status.includes(status) ? at.status.filter((each) => each !== status) : [...at.status, status] }) }, TASK[status])))),
      data.known < data.all && h("p", { class: "muted small", role: "status" }, `Still reading the list: the newest ${count(data.known)} of ${count(data.all)} tasks can be searched so far.`),
      table(self, at, data),
      h("div", { class: "pager" },
        h("span", { role: "status" }, data.total ? `${count(at.offset + 1)}–${count(Math.min(at.offset + SIZE, data.total))} of ${count(data.total)}` : ""),
        h("button", { disabled: !at.offset, onclick: () => self.change({ offset: Math.max(0, at.offset - SIZE) }) }, "Previous"),
        h("button", { disabled: at.offset + SIZE >= data.total, onclick: () => self.change({ offset: at.offset + SIZE }) }, "Next"))),
  ];
}

function table(self, at, data) {
  if (!data.tasks.length) {
    if (!data.loaded) return h("p", { class: "loading" }, "Loading …");
    return at.words || at.status.length ? h("p", {}, "No task matches. ", h("button", { onclick: () => self.change({ words: "", status: [] }) }, "Show all"))
      : h("p", {}, "There is no task yet. ", h("a", { href: "/new" }, "State a problem"), " to see one.");
  }
  return scrolling("Tasks", h("table", { class: "tasks" }, h("caption", { class: "visually-hidden" }, "Tasks"),
    h("thead", {}, h("tr", {}, COLUMNS.map(([name, label, isNumber]) => {
      const isHere = at.order === name;
      return h("th", { scope: "col", class: isNumber ? "number" : null, "aria-sort": isHere ? (at.descending ? "descending" : "ascending") : "none" },
        h("button", { onclick: () => self.change({ order: name, descending: isHere ? !at.descending : true }) }, label, isHere ? (at.descending ? " ▾" : " ▴") : ""));
    }), h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Commands")))),
    h("tbody", {}, data.tasks.map(row))));
}

function row(task) {
  const id = `${task.problem}/${task.iteration}`;
  const states = [...task.steps].map((digit) => TASK[digit] ?? "pending");
  const problem = h("a", { href: `/problems/${task.problem}` }, task.name || "(no title)");
  return h("tr", { key: id },
    h("td", {}, h("a", { href: `/tasks/${id}` }, id)), h("td", { title: task.reason || null }, taskBadge(task.status)),
    h("td", {}, steps(states, task.modules.split(","))), h("td", { class: "text" }, h("div", { class: "lines" }, problem)), h("td", { class: "text" }, clipped(task.model)), h("td", { class: "text" }, clipped(task.hardware)),
    h("td", { class: "number" }, carbon(task.carbon, task.energy)), h("td", { class: "number" }, energy(task.energy)), h("td", { class: "number" }, quality(task.quality)),
    h("td", { class: "number muted", title: time(task.created) }, age(task.created)),
    h("td", {}, menu(task, id)));
}

function menu(task, id) {
  const choose = async (event) => {
    const verb = event.target.value;
    event.target.value = "";
    if (verb === "iterate") go(`/new?base=${id}`);
    else if (verb === "DELETE") { if (await remove(task.problem)) app.load(); }
    else if (verb) await command(id, verb);
  };
  const isOpen = task.status === 0 || task.status === 2;
  const open = (event) => { // a closed list would choose at once what an arrow leads to
    if (!/^Arrow(Up|Down)$/.test(event.key) || event.altKey || !event.target.showPicker) return;
    event.preventDefault();
    event.target.showPicker();
  };
  return h("select", { "aria-label": `Commands for task ${id}`, onchange: choose, onkeydown: open },
    h("option", { value: "" }, "…"), (COMMANDS[task.status] ?? []).map((verb) => h("option", { value: verb }, verb.toLowerCase())),
    h("option", { value: "iterate" }, "iterate"), !isOpen && h("option", { value: "DELETE" }, "delete problem"));
}
