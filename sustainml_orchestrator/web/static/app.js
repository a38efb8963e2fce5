// What all pages share: requests, the live connection, messages, confirmation, navigation.

import { h, show } from "./dom.js";
import { setClock } from "./format.js";

export const app = { system: null, graph: [], connected: false, page: null, refresh, load };
let socket = null;
let pause = 500;
let scheduled = false;

export class RequestError extends Error {
  constructor(body) {
    super(body.message ?? body.detail?.[0]?.msg ?? body.title ?? "the server did not answer; try again");
    this.fields = body.fields ?? {};
    this.code = body.error ?? "";
  }
}

// Ask the server; what it refuses is a RequestError with its sentence.
export async function request(path, body, method = body === undefined ? "GET" : "POST") {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(`/page/${path}`, options);
  } catch {
    throw new RequestError({ message: "the web server is not reachable; is it still running?" });
  }
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const isJson = response.headers.get("content-type")?.includes("json");
  const data = isJson ? await response.json() : await response.text();
  if (!response.ok) throw new RequestError(isJson ? data : { message: `the server answered ${response.status}` });
  return data;
}

export function toast(text, isBad = false) {
  const box = h("div", { class: `toast${isBad ? " bad" : ""}` }, text);
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), isBad ? 9000 : 4000);
}

// Do something and say what came of it.
export async function act(work, done) {
  try {
    const result = await work();
    if (done) toast(typeof done === "function" ? done(result) : done);
    return result;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
}

// Ask for confirmation in a dialog; whether it was given.
export function confirmed(question, detail, label, danger = true) {
  return new Promise((resolve) => {
    const end = (answer) => { box.close(); box.remove(); resolve(answer); }; // close() gives the focus back
    const box = h("dialog", { "aria-labelledby": "question", oncancel: () => end(false) },
      h("h2", { id: "question" }, question), h("p", {}, detail),
      h("div", { class: "buttons" },
        h("button", { onclick: () => end(false) }, "Cancel"),
        h("button", { class: danger ? "danger" : "primary", onclick: () => end(true) }, label)));
    document.body.append(box);
    box.showModal();
  });
}

// Draw the page at the next frame.
export function refresh() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    app.draw();
  });
}

// Let the page fetch its data. One time after the other: an answer that comes late never replaces a newer one.
export async function load() {
  const page = app.page;
  if (!page?.load) return;
  page.due = true;
  if (page.isLoading) return;
  page.isLoading = true;
  while (page.due && page === app.page) {
    page.due = false;
    try {
      await page.load();
      page.error = null;
    } catch (error) {
      page.error = error;
    }
    if (page === app.page) refresh();
  }
  page.isLoading = false;
}

// Work that is due after news: soon after the first, then once in a period (ms) at most.
export function soon(work, period = 500) {
  let due = 0, last = -period;
  const later = () => { due ||= setTimeout(() => { due = 0; last = performance.now(); work(); }, Math.max(100, period - (performance.now() - last))); };
  later.cancel = () => clearTimeout(due);
  return later;
}

export function watch(tasks) {
  app.watched = tasks;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: tasks }));
}

export function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/page/live`);
  let wasOpen = false;
  socket.onopen = () => {
    wasOpen = true;
    app.connected = true;
    pause = 500;
    watch(app.watched ?? []);
    refresh();
  };
  socket.onmessage = (event) => {
    const { tasks, system, watching } = JSON.parse(event.data);
    if (watching) load(); // what changed between the first answer and now was not told
    if (system) take(system);
    if (tasks && app.page?.tasks) app.page.tasks(tasks);
    if (tasks || system) refresh();
  };
  socket.onclose = () => {
    app.connected = null;
    refresh();
    if (!wasOpen) request("system").catch(() => {}); // one that wants the token again leads to the login
    setTimeout(connect, pause);
    pause = Math.min(2 * pause, 3000);
  };
}

function take(system) {
  const before = app.system;
  app.system = system;
  setClock(system.now);
  if (before && (before.life !== system.life || (!before.present && system.present))) load();
  app.page?.system?.(system, before);
}

export function go(path) {
  history.pushState(null, "", path);
  app.route();
}
