// Small charts as SVG. Each has a text for screen readers; the figures stand in tables beside it.

import { s } from "./dom.js";

const W = 420, H = 220, LEAST_LEFT = 62, RIGHT = 14, TOP = 14, BOTTOM = 40, EMPTY = 60;
const POINT = 12; // room for a point beside the edges
const CHARACTER = 7; // width of one in the labels

export function sparkline(values, label) {
  const last = values.slice(-150);
  if (last.length < 2) return s("svg", { viewBox: "0 0 100 34", role: "img", "aria-label": `${label}: no samples yet` });
  const most = Math.max(1, ...last);
  const at = (v, i) => `${((i * 100) / (last.length - 1)).toFixed(1)},${(32 - (v / most) * 29).toFixed(1)}`;
  const line = last.map(at).join(" ");
  return s("svg", { viewBox: "0 0 100 34", preserveAspectRatio: "none", class: "chart s-running", role: "img", "aria-label": `${label}: now ${last.at(-1)}, most ${most}` },
    s("polygon", { class: "area", points: `0,34 ${line} 100,34` }),
    s("polyline", { class: "line", points: line, "vector-effect": "non-scaling-stroke" }));
}

function ticks(low, high, most = 4) {
  const rough = (high - low || Math.abs(high) || 1) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

function scale(values, from, to, padded) {
  let low = Math.min(...values), high = Math.max(...values);
  if (padded) {
    const margin = (high - low || Math.abs(high) || 1) * 0.12;
    low -= low >= 0 && low - margin < 0 ? low : margin;
    high += margin;
  } else if (low === high) { low -= 0.5; high += 0.5; }
  const to_ = (value) => from + ((value - low) / (high - low)) * (to - from);
  return { at: to_, ticks: ticks(low, high) };
}

// Points {x, y, label, best, front} with axes, without those of which a figure is not known (null); joined by a line, or
// the front alone.
export function chart({ points, xLabel, yLabel, formatX = String, formatY, joined, whole }) {
  const known = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y) && x !== null && y !== null);
  const text = `${yLabel} against ${xLabel}: ${known.map((p) => `${p.label}: ${formatY(p.y)}`).join("; ") || "no figures yet"}`;
  if (!known.length)
    return s("svg", { viewBox: `0 0 ${W} ${EMPTY}`, class: "chart", role: "img", "aria-label": text },
      s("text", { x: W / 2, y: EMPTY / 2, "text-anchor": "middle" }, "no figures yet"));
  const y = scale(known.map((p) => p.y), H - BOTTOM, TOP, true);
  const LEFT = Math.max(LEAST_LEFT, 12 + CHARACTER * Math.max(0, ...y.ticks.map((tick) => formatY(tick).length)));
  const x = scale(known.map((p) => p.x), LEFT + POINT, W - RIGHT - POINT, !whole);
  const marks = whole ? x.ticks.filter(Number.isInteger) : x.ticks;
  const line = (list) => list.map((p) => `${x.at(p.x).toFixed(1)},${y.at(p.y).toFixed(1)}`).join(" ");
  const front = known.filter((p) => p.front).sort((a, b) => a.x - b.x);
  return s("svg", { viewBox: `0 0 ${W} ${H}`, class: "chart s-running", role: "img", "aria-label": text },
    y.ticks.map((tick) => [
      s("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: y.at(tick), y2: y.at(tick) }),
      s("text", { x: LEFT - 8, y: y.at(tick) + 4, "text-anchor": "end" }, formatY(tick))]),
    marks.map((tick) => s("text", { x: within(x.at(tick), formatX(tick)), y: H - BOTTOM + 18, "text-anchor": "middle" }, formatX(tick))),
    s("text", { x: (LEFT + W - RIGHT) / 2, y: H - 4, "text-anchor": "middle", class: "strong" }, xLabel),
    joined && known.length > 1 && s("polyline", { class: "line", points: line(known) }),
    !joined && front.length > 1 && s("polyline", { class: "front", points: line(front) }),
    known.map((p) => s("g", { class: p.best ? "s-succeeded" : null },
      s("circle", { class: "point", cx: x.at(p.x), cy: y.at(p.y), r: p.best ? 7 : 5 }, s("title", {}, `${p.label}: ${formatY(p.y)}`)))),
    labels(known.filter((p) => p.best || !joined).map((p) => ({ text: p.best ? `${p.label} ★` : p.label, x: x.at(p.x), y: y.at(p.y), best: p.best })), known.map((p) => ({ x: x.at(p.x), y: y.at(p.y) }))));
}

// Where a text is centred to be within the chart.
const half = (text) => (CHARACTER * text.length) / 2;
const within = (x, text) => Math.min(Math.max(x, half(text)), W - half(text));

// The names of points above or below them; one that would cover another or a point is left out: its point tells it.
function labels(wanted, points) {
  const taken = points.map(({ x, y }) => ({ x, y: y + 4, room: 5 }));
  const placed = [];
  for (const { text, x, y } of wanted.sort((a, b) => Boolean(b.best) - Boolean(a.best))) {
    const isFree = (one) => [...taken, ...placed].every((each) => Math.abs(each.x - one.x) > each.room + one.room || Math.abs(each.y - one.y) > 13);
    const found = [y - 11, y + 20].map((at) => ({ text, x: within(x, text), y: at, room: half(text) })).find(isFree);
    if (found) placed.push(found);
  }
  return placed.map(({ text, x, y }) => s("text", { x, y, "text-anchor": "middle", class: "strong" }, text));
}
