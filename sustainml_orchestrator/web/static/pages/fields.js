// The fields of a problem, as the form of a new problem and that of an iteration show them.
// [name, label, help, kind, choices]; those below `extra` are keys of extra_data.

import { label } from "../format.js";

export const GROUPS = [
  ["The problem", [
    ["problem_definition", "Problem", "What shall be solved, in your words: the data, the answer wanted, where and how fast it must run.", "long"],
    ["problem_short_description", "Short name", "A few words for lists and titles.", "text"],
    ["modality", "Modality", "Kind of data. Left empty, it is read from the text.", "text", "modality"],
    ["inputs", "Inputs", "What the solution receives, one per line.", "lines"],
    ["outputs", "Outputs", "What the solution gives, one per line.", "lines"],
    ["minimum_samples", "Least samples", "Fewest samples expected in a year; 0 = not known.", "number"],
    ["maximum_samples", "Most samples", "Most samples expected in a year; 0 = not known.", "number"],
  ]],
  ["Where it runs, and its carbon", [
    ["geo_location_continent", "Continent", "Where the solution will run.", "text", "continents"],
    ["geo_location_region", "Country or region", "It decides how much carbon its electricity costs.", "text", "geo_location_region"],
    ["optimize_carbon_footprint_auto", "Iterate automatically", "The orchestrator starts iterations by itself until the target is met or nothing gets better.", "check"],
    ["desired_carbon_footprint", "Carbon target (kgCO₂e)", "Footprint to reach; 0 = none.", "number"],
    ["optimize_carbon_footprint_manual", "I iterate myself", "You improve the footprint by iterations of your own.", "check"],
  ]],
  ["Wishes (optional)", [
    ["extra.goal", "ML task", "Left empty, it is read from the text.", "text", "goal"],
    ["extra.metric", "Quality metric", "The metric that matters to you.", "text", "metric"],
    ["extra.hardware_required", "Hardware", "A class of devices, or the name of one.", "text", "hardware_required"],
    ["extra.max_memory_footprint", "Memory limit (MiB)", "Most memory that the solution may take.", "number"],
    ["extra.model_selected", "Model", "The model to use.", "text", "model_selected"],
    ["extra.model_restrains", "Models to avoid", "One per line.", "lines"],
    ["extra.num_outputs", "Alternatives", "How many solutions to propose, one after the other.", "number"],
    ["extra.type", "Model family", "Kind of model to prefer.", "text"],
    ["extra.*", "Further keys (JSON)", "Passed to the modules as they are.", "json"],
  ]],
];
export const FIELDS = GROUPS.flatMap(([, fields]) => fields);
// What the form calls a field of the user input, or one of its extra_data ("extra.goal").
export const nameOf = (field) => FIELDS.find(([each]) => each === field)?.[1] ?? label(field.replace(/^extra\./, ""));
export const CONTINENTS = ["Africa", "Asia", "Europe", "North America", "Oceania", "South America"];
const EXTRA = FIELDS.map(([name]) => name).filter((name) => name.startsWith("extra.") && name !== "extra.*").map((name) => name.slice(6));

// The values of a form, all of them texts or booleans, from the fields of a problem.
export function toForm(fields) {
  const extra = fields.extra_data ?? {};
  const rest = Object.fromEntries(Object.entries(extra).filter(([name]) => !EXTRA.includes(name)));
  return Object.fromEntries(FIELDS.map(([name, , , kind]) => {
    const value = name === "extra.*" ? (Object.keys(rest).length ? JSON.stringify(rest, null, 1) : "") : name.startsWith("extra.") ? extra[name.slice(6)] : fields[name];
    if (kind === "check") return [name, Boolean(value)];
    if (Array.isArray(value)) return [name, value.join(kind === "lines" ? "\n" : ", ")];
    return [name, value === undefined || value === null || (value === 0 && kind === "number") ? "" : String(value)];
  }));
}

// The fields of a problem from the values of a form; {fields, mistakes}.
export function fromForm(values) {
  const fields = {}, extra = Object.create(null), mistakes = {};  // __proto__ may be a key
  for (const [name, , , kind] of FIELDS) {
    const value = values[name];
    if (name === "extra.*") {
      try {
        const more = value?.trim() ? JSON.parse(value, (_, each, context) => { if (isChanged(each, context?.source)) throw new SyntaxError(`${context.source} cannot be kept as a number; write it as text`); return each; }) : {};
        if (typeof more !== "object" || Array.isArray(more) || more === null) throw new SyntaxError("it is no object");
        Object.assign(extra, more);
      } catch (error) {
        mistakes[name] = `write a JSON object like {"key": 1}; ${error.message}`;
      }
      continue;
    }
    const isExtra = name.startsWith("extra.");
    let one = kind === "lines" ? (value ?? "").split("\n").map((line) => line.trim()).filter(Boolean) : kind === "check" ? value : (value ?? "").trim();
    if (isExtra && kind === "number" && one !== "" && Number.isFinite(Number(one))) one = Number(one);
    const isSet = Array.isArray(one) ? one.length : one !== "";
    if (isExtra) { if (isSet) extra[name.slice(6)] = one; } else if (kind === "number") fields[name] = isSet ? one : "0"; else fields[name] = one;
  }
  fields.extra_data = extra;
  return { fields, mistakes };
}

// Whether a number is read as another one: too large for a double, or an integer beyond 53 bits.
export function isChanged(value, source) {
  return typeof value === "number" && (!Number.isFinite(value) || (/^-?\d+$/.test(source ?? "") && !Number.isSafeInteger(value)));
}
