// What happened in the system, filterable, live.

import { app, load, request, soon } from "../app.js";
import { h } from "../dom.js";
import { count } from "../format.js";
import { events, hasNews } from "../parts.js";

const MOST = 1000;

export function page() {
  const query = new URLSearchParams(location.search);
  const at = { words: query.get("words") ?? "", node: query.get("node") ?? "", kind: query.get("kind") ?? "" };
  const data = { events: [], mistake: "" };
  const later = soon(load);
  const change = (fields) => {
    Object.assign(at, fields);
    history.replaceState(null, "", `/log?${new URLSearchParams(at)}`);
    load();
  };
  return {
    title: "History",
    watch: "all",
    async load() {
      try {
        data.events = (await request(`history?limit=${MOST}&node=${encodeURIComponent(at.node)}`)).events;
        data.mistake = "";
      } catch (error) {
        if (error.code !== "NOT_FOUND") throw error;
        Object.assign(data, { events: [], mistake: error.message });
      }
    },
    tasks: later,
    system(state, before) { if (hasNews(state, before)) later(); },
    close: later.cancel,
    view() {
      const words = at.words.toLowerCase().split(/\s+/).filter(Boolean);
      const shown = data.events.filter((each) => each.event.startsWith(at.kind) && words.every((word) => `${each.event} ${each.task_id} ${each.node_name} ${each.detail}`.toLowerCase().includes(word)));
      return [
        h("div", { class: "head" }, h("h1", {}, "History")),
        h("section", { class: "panel" }, h("div", { class: "tools" },
          h("label", { class: "visually-hidden", for: "words" }, "Search events"), h("input", { id: "words", type: "search", placeholder: "Search events", value: at.words, oninput: (event) => change({ words: event.target.value }) }),
          h("span", { class: "pair" }, h("label", { for: "node" }, "Module"), h("select", { id: "node", style: { width: "auto" }, value: at.node, onchange: (event) => change({ node: event.target.value }) }, h("option", { value: "" }, "all"), app.graph.map(({ name }) => h("option", { value: name }, name)))),
          h("span", { class: "pair" }, h("label", { for: "kind" }, "About"), h("select", { id: "kind", style: { width: "auto" }, value: at.kind, onchange: (event) => change({ kind: event.target.value }) }, [["", "everything"], ["task.", "tasks"], ["step.", "steps"], ["node.", "modules"]].map(([value, label]) => h("option", { value }, label))))),
          data.mistake ? h("div", { class: "callout s-error", role: "alert" }, data.mistake) : events(shown, true), data.events.length >= MOST && h("p", { class: "muted small" }, `The newest ${count(MOST)} events are searched; all of it: sustainml history`)),
      ];
    },
  };
}
