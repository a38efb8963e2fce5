// A new problem, or another iteration of one (?base=1/1).

import { act, app, go, request } from "../app.js";
import { h } from "../dom.js";
import { toForm } from "./fields.js";
import { ProblemForm } from "./form.js";

export function page() {
  const base = new URLSearchParams(location.search).get("base");
  const isIteration = /^\d+\/\d+$/.test(base ?? "");
  const form = new ProblemForm();
  const data = { examples: [], text: "", textMistake: "", priority: "0", requestId: crypto.randomUUID?.() ?? `${Date.now()}${Math.random()}`, isBusy: false };
  let isLoaded = false;
  const self = {
    title: isIteration ? `Iterate ${base}` : "New problem",
    keepsOnError: !isIteration,
    async load() {
      request("form").then((found) => { form.choices = found.choices; data.examples = found.examples; app.refresh(); }, () => {});
      if (isIteration && !isLoaded) {
        data.task = await request(`tasks/${base}?whole=true`);
        form.fill(data.task.input);
        form.base = toForm(data.task.input);
      }
      isLoaded = true;
    },
    view: () => [
      h("div", { class: "head" }, h("div", { class: "grow" },
        isIteration && h("p", { class: "crumbs" }, h("a", { href: `/tasks/${base}` }, `Task ${base}`)),
        h("h1", {}, isIteration ? `Iterate from ${base}` : "New problem"),
        h("p", { class: "muted" }, isIteration ? "Change what shall be different; the rest is copied, and the solution found so far is the baseline." : "Describe it in a sentence or two; everything else is optional."))),
      !isIteration && start(),
      isIteration && !isLoaded ? h("p", { class: "loading" }, "Loading …") : h("form", { novalidate: true, onsubmit: submit }, form.view(),
        h("div", { class: "buttons" }, h("button", { class: "primary", type: "submit", disabled: data.isBusy }, isIteration ? "Start the iteration" : "Solve it"),
          h("label", { for: "priority" }, "Priority"),
          h("input", { id: "priority", inputmode: "numeric", value: data.priority, style: { width: "6rem" }, "aria-invalid": isPriority() ? null : "true", "aria-describedby": "priority-help", oninput: (event) => { data.priority = event.target.value; app.refresh(); } }),
          h("span", { id: "priority-help", class: isPriority() ? "muted small" : "mistake" }, isPriority() ? "0 to 255; higher runs first" : "use a whole number from 0 to 255"))),
    ],
  };

  function isPriority() {
    return /^\s*\d*\s*$/.test(data.priority) && Number(data.priority) <= 255;
  }

  function start() {
    return h("section", { class: "panel" }, h("h2", {}, "Start from an example, or a file"), h("div", { class: "buttons" },
      data.examples.map((each) => h("button", { type: "button", onclick: () => { form.fill(each.fields); form.focus("problem_definition"); app.refresh(); } }, each.fields.problem_short_description))), fromText());
  }

  function fromText() {
    return h("details", {}, h("summary", {}, "From YAML or JSON"),
      h("div", { class: "field" }, h("label", { for: "file" }, "File"), h("input", { id: "file", type: "file", accept: ".yaml,.yml,.json,text/*", onchange: async (event) => { data.text = (await event.target.files[0]?.text()) ?? ""; await read(); } })),
      h("div", { class: "field" }, h("label", { for: "text" }, "Text"), h("textarea", { id: "text", class: "code", rows: 8, value: data.text, "aria-invalid": data.textMistake ? "true" : null, oninput: (event) => { data.text = event.target.value; } }),
        data.textMistake && h("p", { class: "mistake", role: "alert" }, data.textMistake)),
      h("div", { class: "buttons" }, h("button", { type: "button", onclick: read }, "Fill the form from it"), h("button", { type: "button", onclick: write }, "Write the form as YAML")));
  }

  async function read() {
    try {
      form.fill((await request("form/read", { text: data.text })).fields);
      data.textMistake = "";
      form.focus("problem_definition");
    } catch (error) {
      data.textMistake = error.message;
    }
    app.refresh();
  }

  async function write() {
    const fields = await form.check();
    data.text = (await act(() => request("form/yaml", { fields }))) ?? data.text;
    app.refresh();
  }

  async function submit(event) {
    event.preventDefault();
    if (data.isBusy) return;
    data.isBusy = true;
    const fields = await form.check(true);
    data.isBusy = !form.firstMistake && isPriority();
    if (!data.isBusy) {
      requestAnimationFrame(() => document.getElementById(form.firstMistake ? `f-${form.firstMistake}` : "priority")?.focus());
      return;
    }
    const answer = await act(async () => {
      try {
        return await request(isIteration ? `tasks/${base}/iterate` : "tasks", isIteration ? changes(fields) : { fields, priority: Number(data.priority), request_id: data.requestId });
      } catch (error) {
        form.take(error.fields);
        throw error;
      }
    });
    data.isBusy = false;
    app.refresh();
    if (answer) go(`/tasks/${answer.id}`);
  }

  function changes({ extra_data: extra, ...fields }) {
    const changed = Object.keys(fields).filter((name) => JSON.stringify(form.base[name]) !== JSON.stringify(form.values[name]));
    const isExtraChanged = Object.keys(form.base).some((name) => name.startsWith("extra.") && form.base[name] !== form.values[name]);
    return { fields: Object.fromEntries(changed.map((name) => [name, fields[name]])), extra_data: isExtraChanged ? extra : null, priority: Number(data.priority), request_id: data.requestId };
  }
  return self;
}
