// A form of the fields of a problem with help, choices and mistakes beside each field.

import { app, request } from "../app.js";
import { h } from "../dom.js";
import { CONTINENTS, FIELDS, GROUPS, fromForm, toForm } from "./fields.js";

export class ProblemForm {
  constructor() {
    this.values = toForm({});
    this.mistakes = {};
    this.choices = {};
    this.touched = new Set();
    this.base = null; // the values of the iteration that this one changes
  }

  fill(fields) {
    this.values = toForm(fields);
    this.mistakes = {};
    this.touched.clear();
  }

  set(name, value) {
    this.values[name] = value;
    this.touched.add(name);
    clearTimeout(this.due);
    this.due = setTimeout(() => this.check(), 350);
  }

  // What is wrong, by field of the form; shown for the fields that were touched, or all.
  async check(all = false) {
    const { fields, mistakes } = fromForm(this.values);
    try {
      this.take((await request("form/check", { fields })).fields, mistakes);
    } catch (error) {
      this.take(error.fields ?? {}, mistakes);
    }
    if (!all) for (const name of Object.keys(this.mistakes)) if (!this.touched.has(name)) delete this.mistakes[name];
    app.refresh();
    return fields;
  }

  take(found, mistakes = {}) {
    this.mistakes = { ...mistakes };
    for (const [name, text] of Object.entries(found))
      this.mistakes[FIELDS.some(([each]) => each === name) ? name : FIELDS.some(([each]) => each === `extra.${name}`) ? `extra.${name}` : "extra.*"] = text;
  }

  get firstMistake() {
    return FIELDS.map(([name]) => name).find((name) => name in this.mistakes);
  }

  focus(name) {
    document.getElementById(`f-${name}`)?.focus();
  }

  view() {
    return GROUPS.map(([label, fields], i) => h("section", { class: "panel" }, h("fieldset", {}, h("legend", {}, label),
      i ? h("div", { class: "two" }, fields.map((each) => this.field(...each))) : [this.field(...fields[0]), h("div", { class: "two" }, fields.slice(1).map((each) => this.field(...each)))])));
  }

  field(name, label, help, kind, offered) {
    const id = `f-${name}`;
    const mistake = this.mistakes[name];
    const isChanged = this.base && JSON.stringify(this.base[name]) !== JSON.stringify(this.values[name]);
    const common = { id, "aria-describedby": `${id}-help${mistake ? ` ${id}-mistake` : ""}`, "aria-invalid": mistake ? "true" : null };
    const listen = { oninput: (event) => this.set(name, event.target.value) };
    const choices = offered === "continents" ? CONTINENTS : this.choices[offered];
    const value = this.values[name];
    const input = kind === "check" ? h("input", { type: "checkbox", ...common, checked: value, onchange: (event) => this.set(name, event.target.checked) })
      : ["long", "lines", "json"].includes(kind) ? h("textarea", { ...common, ...listen, rows: kind === "long" ? 6 : 2, style: kind === "long" ? null : { "min-height": "3.6rem" }, class: kind === "json" ? "code" : null, value })
      : h("input", { type: "text", ...common, ...listen, inputmode: kind === "number" ? "decimal" : null, list: choices?.length ? `${id}-choices` : null, autocomplete: "off", value });
    return h("div", { class: "field", key: name },
      kind === "check" ? h("div", { class: "check" }, input, h("label", { for: id }, label)) : h("label", { for: id }, label, isChanged && h("span", { class: "differs" }, " · changed")),
      h("p", { class: "help", id: `${id}-help` }, help),
      kind !== "check" && input,
      choices?.length && h("datalist", { id: `${id}-choices` }, choices.map((each) => h("option", { value: each }))),
      mistake && h("p", { class: "mistake", id: `${id}-mistake` }, mistake));
  }
}
