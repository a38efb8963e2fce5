// Figures, times and states for people.

export const TASK = ["waiting", "error", "running", "succeeded", "stopped", "terminated", "returned"];
export const NODE = ["inactive", "error", "idle", "initializing", "running", "terminating"];
const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const digits = (value) => (Math.abs(value) >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString());

// A figure with an SI prefix; a dash for what is not known.
export function si(value, unit) {
  if (!known(value)) return "–";
  if (value === 0) return `0 ${unit}`;
  const [factor, prefix] = PREFIXES.find(([least]) => Math.abs(value) >= least * 0.9995) ?? PREFIXES.at(-1);
  return `${digits(value / factor)} ${prefix}${unit}`;
}

// What is not known is null: 0 energy, latency or power is none that was found, as is 0 carbon without energy.
export const positive = (value) => (value > 0 ? value : null);
export const emitted = (kilograms, wattHours) => (kilograms || wattHours > 0 ? kilograms : null);

// Figures of a result.
export const carbon = (kilograms, wattHours) => grams(emitted(kilograms, wattHours));
export const energy = (wattHours) => si(positive(wattHours), "Wh");
export const latency = (seconds) => si(positive(seconds), "s");
export const power = (watts) => si(positive(watts), "W");
export const grams = (kilograms) => si(known(kilograms) ? kilograms * 1000 : null, "g CO₂e");
export const quality = (value) => (known(value) ? Number(value.toPrecision(3)).toString() : "–");
export const count = (value) => (known(value) ? value.toLocaleString("en") : "–");

export function duration(seconds) {
  if (!known(seconds)) return "–";
  if (seconds < 0) return "0 s";
  if (seconds < 0.0005) return "< 1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${digits(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// How long ago, by the clock of the server.
export let clockOffset = 0;
export const setClock = (now) => { clockOffset = now - Date.now() / 1000; };
export const now = () => Date.now() / 1000 + clockOffset;
export function age(seconds) {
  if (!known(seconds)) return "never";
  const past = Math.max(0, now() - seconds);
  if (past < 2) return "just now";
  if (past < 60) return `${Math.floor(past)} s ago`;
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  return `${Math.floor(past / 86400)} d ago`;
}

// Made once: a format takes longer to make than to use, and a page shows a thousand times.
const [DAY_TIME, TIME, DAY] = [{ dateStyle: "medium", timeStyle: "medium" }, { timeStyle: "medium" }, { day: "numeric", month: "short", year: "numeric" }]
  .map((options) => new Intl.DateTimeFormat("en-GB", options));
export function time(seconds) {
  return known(seconds) ? DAY_TIME.format(seconds * 1000) : "–";
}

export function clock(seconds) {
  if (!known(seconds)) return "–";
  const date = new Date(seconds * 1000);
  return `${TIME.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

// The same, with the day unless that is today.
export function moment(seconds) {
  if (!known(seconds)) return "–";
  const day = (of) => DAY.format(of * 1000);
  return day(seconds) === day(now()) ? clock(seconds) : `${day(seconds)} ${clock(seconds)}`;
}

// The state of a module as it is shown: what is not heard is lost.
export function nodeState(node) {
  if (!node || !node.last_seen) return "unseen";
  return node.responsive ? NODE[node.node_status] ?? "inactive" : "lost";
}

// Keys come from users and modules: only what is in these tables itself counts, not what every object has.
const of = (table, key) => (Object.hasOwn(table, key) ? table[key] : undefined);
const WORDS = { ml: "ML", pue: "PUE", hw: "hardware", geo: "", mib: "MiB" };
// The name of a field as people read it, with its unit.
const UNITS = {
  power_consumption: "W", latency: "s", target_latency: "s", memory_footprint_of_ml_model: "MiB", max_hw_memory_footprint: "MiB", max_memory_footprint: "MiB",
  carbon_footprint: "kgCO₂e", desired_carbon_footprint: "kgCO₂e", energy_consumption: "Wh", carbon_intensity: "gCO₂e/kWh", energy_per_inference_j: "J",
};
export const title = (text) => text.split("_").map((word) => of(WORDS, word) ?? word).filter(Boolean).join(" ").replace(/^[a-z]/, (first) => first.toUpperCase());
export const label = (name) => (of(UNITS, name) ? `${title(name.replace(/_(j|mib)$/, ""))} (${UNITS[name]})` : title(name));
// Whether 0 stands for what is not known, or for no limit.
export const isUnknown = (name, value, fields) => value === 0 && (name === "carbon_footprint" ? !fields.energy_consumption : name !== "carbon_intensity" && Object.hasOwn(UNITS, name));
