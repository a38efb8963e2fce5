// The frame of all pages: navigation, state of the system, the page that the address names.

import { app, connect, go, load, refresh, request, watch } from "./app.js";
import { h, show } from "./dom.js";
// All pages at once, so that links work as well while the server is away.
import * as log from "./pages/log.js";
import * as module from "./pages/module.js";
import * as newProblem from "./pages/new.js";
import * as overview from "./pages/overview.js";
import * as problem from "./pages/problem.js";
import * as task from "./pages/task.js";
import * as tasks from "./pages/tasks.js";

const ROUTES = [
  [/^\/$/, overview], [/^\/tasks$/, tasks], [/^\/new$/, newProblem], [/^\/log$/, log],
  [/^\/tasks\/(\d+)\/(\d+)$/, task], [/^\/problems\/(\d+)$/, problem], [/^\/modules\/([^/]+)$/, module],
];
const LINKS = [["/", "Overview"], ["/tasks", "Tasks"], ["/new", "New problem"], ["/log", "History"]];
const THEMES = { "": "dark", dark: "light", light: "" };

function theme(chosen) {
  if (chosen === undefined) return localStorage.getItem("theme") ?? "";
  localStorage.setItem("theme", chosen);
  document.documentElement.dataset.theme = chosen;
  refresh();
  return chosen;
}

// The path that the address names; one that is no UTF-8 is no page.
function here() {
  try {
    return decodeURIComponent(location.pathname);
  } catch {
    return location.pathname;
  }
}

app.route = async () => {
  const path = here();
  app.page?.close?.();
  for (const [pattern, { page }] of ROUTES) {
    const match = pattern.exec(path);
    if (!match) continue;
    app.page = page(...match.slice(1));
    app.path = path;
    document.title = `${app.page.title} – SustainML`;
    watch(app.page.watch ?? []);
    scrollTo(0, 0);
    show(document.getElementById("page"));
    refresh();
    await load();
    return;
  }
  app.path = path;
  document.title = "Not found – SustainML";
  app.page = { title: "Not found", view: () => h("div", {}, h("h1", {}, "Not found"), h("p", {}, "There is no such page. ", h("a", { href: "/" }, "Go to the overview"))) };
  refresh();
};

app.draw = () => {
  show(document.getElementById("top"), bar());
  show(document.getElementById("notice"), notice());
  if (!app.page) return;
  const parts = app.page.error && !app.page.keepsOnError
    ? [h("div", { class: "head" }, h("h1", {}, app.page.title)),
      h("div", { class: "callout s-error", role: "alert" }, h("strong", {}, "This cannot be shown. "), app.page.error.message,
        h("p", {}, h("button", { onclick: load }, "Try again")))]
    : app.page.view();
  show(document.getElementById("page"), parts);
};

function bar() {
  const state = app.system;
  const isOffline = app.connected === null;
  const kind = isOffline ? "lost" : !state ? "waiting" : !state.present ? "lost" : state.ready ? "idle" : "stopped";
  const text = isOffline ? "no connection" : { waiting: "connecting", lost: "orchestrator gone", idle: "ready", stopped: "not ready" }[kind];
  const icon = { "": "◐", dark: "☾", light: "☀" }[theme()];
  return h("div", { class: "bar" },
    h("a", { class: "brand", href: "/" }, h("img", { src: "/static/icon.svg", alt: "", width: 26, height: 26 }), "SustainML"),
    h("nav", { "aria-label": "Pages" }, LINKS.map(([path, label]) =>
      h("a", { href: path, "aria-current": isHere(path) ? "page" : null }, label))),
    h("div", { class: "status", role: "status", title: state?.reason || null }, h("span", { class: `badge s-${kind}` }, text)),
    h("button", { class: "quiet", title: `Theme: ${theme() || "as the system"}`, "aria-label": `Theme: ${theme() || "as the system"}; change it`, onclick: () => theme(THEMES[theme()]) }, icon));
}

const isHere = (path) => (path === "/tasks" ? /^\/(tasks|problems)/.test(app.path ?? "") : app.path === path);

function notice() {
  if (app.connected === null) return h("div", {}, "The web server is not reachable. This page tries again by itself.");
  if (app.system && !app.system.present)
    return h("div", {}, `The orchestrator is gone (${app.system.reason}). What you see is its last state; this page goes on when it is back.`);
  return null;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || link.download || link.target || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const path = link.getAttribute("href");
  if (path.startsWith("/page/")) return;
  event.preventDefault();
  go(path);
  document.getElementById("page").focus({ preventScroll: true });
});
addEventListener("popstate", () => app.route());
document.documentElement.dataset.theme = theme();
setInterval(() => document.hidden || refresh(), 1000);

refresh();
connect();
request("system").then((data) => {
  app.graph = data.graph;
  app.samples = data.samples;
  app.system ??= data.system;
  refresh();
}, () => {});
app.route();
