// One module: its state, its instances, its configuration as a form and as JSON, its history.

import { act, app, request, soon } from "../app.js";
import { h } from "../dom.js";
import { age, nodeState, title } from "../format.js";
import { badge, events, hasNews, heartbeat, readable } from "../parts.js";
import { isChanged } from "./fields.js";
import { commandButtons } from "./overview.js";

export function page(name) {
  const data = { configuration: null, mistake: "", text: "", values: {}, events: [] };
  const later = soon(() => happened().then(app.refresh));
  const self = {
    title: name,
    keepsOnError: true,
    watch: "all",
    async load() {
      const told = happened();
      try {
        const { configuration } = await request(`nodes/${encodeURIComponent(name)}/configuration`);
        if (!isEdited(data)) take(configuration);
        data.mistake = "";
      } catch (error) {
        data.mistake = error.message;
      }
      await told;
    },
    tasks(list) { if (list.some((each) => each.modules.some((step) => step.node_name === name))) later(); },
    system(state, before) { if (hasNews(state, before)) later(); },
    close: later.cancel,
    view: () => view(name, data, save),
  };

  async function happened() {
    data.events = (await request(`history?node=${encodeURIComponent(name)}&limit=100`).catch(() => data)).events;
  }

  function take(configuration) {
    data.configuration = configuration;
    data.values = Object.fromEntries(Object.entries(configuration).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value)));
    data.text = JSON.stringify(configuration, null, 2);
  }

  async function save(configuration) {
    try {
      const { configuration: now } = await request(`nodes/${encodeURIComponent(name)}/configuration`, { configuration });
      take(now);
      data.mistake = "";
      await act(async () => true, "the module has taken the configuration");
    } catch (error) {
      data.mistake = error.message;
    }
    app.refresh();
  }
  return self;
}

function view(name, data, save) {
  const node = app.system?.nodes.find((each) => each.node_name === name);
  const spec = app.graph.find((each) => each.name === name);
  const state = nodeState(node);
  if (app.graph.length && !spec && !node)
    return [h("h1", {}, name), h("div", { class: "callout s-stopped" }, h("strong", {}, "There is no such module. "), `The modules are ${app.graph.map((each) => each.name).join(", ")}. `, h("a", { href: "/" }, "Go to the overview"))];
  return [
    h("div", { class: "head" }, h("div", { class: "grow" }, h("p", { class: "crumbs" }, h("a", { href: "/" }, "Overview"), " / module"), h("h1", {}, name)), badge(state), commandButtons(name, node)),
    node?.error_description && h("div", { class: "callout s-error" }, h("strong", {}, "Error: "), node.error_description),
    h("div", { class: "grid" },
      h("section", { class: "panel" }, h("h2", {}, "State"), h("dl", {}, [
        ["Wanted", node ? (node.desired_status === 2 ? "active" : "inactive") : "–"], ["Heard", heartbeat(node)], ["Holds", `${node?.active_tasks ?? 0} tasks`], ["Restarts", node?.restarts ?? 0], ["Last lost", age(node?.last_loss)], ["Resets since its last output", node?.resets ?? 0],
        ...(spec ? [["Inputs", spec.inputs.join(", ")], ["Output", spec.type], ["Time limit", `${spec.timeout} s, ${spec.max_tries} tries`], ["Required", spec.required ? "yes" : "no"], ["Replicas", spec.replicas]] : []),
      ].map(([label, value]) => [h("dt", {}, label), h("dd", {}, String(value))]))),
      h("section", { class: "panel" }, h("h2", {}, "Instances"), node?.instances.length ? node.instances.map((each) => h("div", { class: "field", key: each.instance },
        h("strong", {}, each.instance), " ", badge(nodeState(each)), h("p", { class: "muted small" }, `${heartbeat(each)} · here since ${age(each.first_seen)} · ${each.active_tasks} active · ${each.finished_tasks} done · incarnation ${each.incarnation}`))) : h("p", { class: "muted" }, "No process of it is known."))),
    h("section", { class: "panel" }, h("h2", {}, "Configuration"), data.mistake && h("div", { class: "callout s-error", role: "alert" }, data.mistake), data.configuration ? configuration(data, save) : h("p", { class: "muted" }, "Not known.")),
    h("section", { class: "panel" }, h("h2", {}, "History"), events(data.events, true)),
  ];
}

function configuration(data, save) {
  const fields = Object.entries(data.values);
  const rest = Object.fromEntries(Object.entries(data.configuration).filter(([key]) => !Object.hasOwn(data.values, key)));
  const submit = (event) => { event.preventDefault(); save(changed(data)); };
  return [
    fields.length > 0 && h("form", { onsubmit: submit }, h("div", { class: "two" }, fields.map(([key, value]) => field(data, key, value))), h("button", { class: "primary" }, "Apply")),
    Object.keys(rest).length > 0 && [h("h3", {}, "Lists, to be changed as JSON"), readable(rest)],
    h("details", {}, h("summary", {}, "As JSON"), h("div", { class: "field" }, h("label", { for: "json" }, "Settings to change"), h("textarea", { id: "json", class: "code", rows: 8, value: data.text, "aria-invalid": isObject(data.text) ? null : "true", oninput: (event) => { data.text = event.target.value; app.refresh(); } }),
      !isObject(data.text) && h("p", { class: "mistake" }, "This is no JSON object, or a number in it is too large.")),
      h("button", { disabled: !isObject(data.text), onclick: () => save(JSON.parse(data.text)) }, "Apply this JSON")),
  ];
}

function field(data, key, value) {
  const id = `c-${key}`;
  const given = data.configuration[key];
  const change = (next) => { data.values[key] = next; app.refresh(); };
  const isWrong = typeof given === "number" && (value === "" || !Number.isFinite(Number(value)));
  if (typeof given === "boolean") return h("div", { class: "field check", key }, h("input", { type: "checkbox", id, checked: value, onchange: (event) => change(event.target.checked) }), h("label", { for: id }, title(key)));
  return h("div", { class: "field", key }, h("label", { for: id }, title(key)), h("input", { id, value: String(value), "aria-invalid": isWrong ? "true" : null, inputmode: typeof given === "number" ? "decimal" : null, oninput: (event) => change(event.target.value) }), isWrong && h("p", { class: "mistake" }, "Use a number."));
}

// The settings that differ from those in force, with their types.
function changed(data) {
  return Object.fromEntries(Object.entries(data.values).filter(([key, value]) => String(value) !== String(data.configuration[key]))
    .map(([key, value]) => [key, typeof data.configuration[key] === "number" && value !== "" && Number.isFinite(Number(value)) ? Number(value) : value]));
}

// Whether a user has typed what is not applied yet.
function isEdited(data) {
  return data.configuration !== null && (Object.keys(changed(data)).length > 0 || data.text !== JSON.stringify(data.configuration, null, 2));
}

function isObject(text) {
  try {
    const value = JSON.parse(text, (_, each, context) => { if (isChanged(each, context?.source)) throw new RangeError(); return each; });
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
