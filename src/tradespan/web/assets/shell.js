// What all pages share: the status bar, the theme switch, keys, copying, and moving between pages.

import { h, setText } from "./dom.js";
import { inReadersZone } from "./format.js";
import { Refused, getJson } from "./http.js";

const ASK_EVERY = 1000; // ms
const LONGEST_PAUSE = 15000;

const KEYS = [
  ["Everywhere", [["?", "this help"], ["Esc", "back"], ["/", "search"]]],
  ["Traces", [["j k", "next, previous row"], ["Enter", "open the row"], ["p", "pause and resume live update"], ["drag", "over the chart: choose a time"]]],
  [
    "Trace",
    [
      ["j k", "next, previous span"],
      ["← →", "fold, unfold"],
      ["z 0", "zoom to the span, show all"],
      ["e", "next error"],
      ["drag", "over the bars: zoom"],
    ],
  ],
];

let page = null; // { start(), keys: {key: action}, status(state), theme(), dispose() }
let latest = null;
let cameFromList = false;

// A page announces itself; the one before is disposed of, then it starts.
export function enterPage(next) {
  listen(); // the page may be ready before the shell is
  page?.dispose?.();
  page = next;
  page.start();
  if (latest) page.status?.(latest);
}

export function navigate(url) {
  cameFromList = location.pathname.startsWith("/traces");
  history.pushState(null, "", url);
  // Dash's Location listens to this event, as it does for the browser's own buttons.
  dispatchEvent(new PopStateEvent("popstate"));
}

// To the list as it was left, if we came from it; else to the list.
export function goBack(fallback = "/traces") {
  if (cameFromList) history.back();
  else navigate(fallback);
}

// Opens a link in place, unless another tab was asked for.
export function followLink(event, url) {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(url);
}

export function mountShell() {
  listen();
  markTheme();
  poll();
  return true;
}

let listening = false;

function listen() {
  if (listening) return;
  listening = true;
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  addEventListener("tradespan:theme", () => {
    markTheme();
    page?.theme?.();
  });
  addEventListener("popstate", () => {
    if (location.pathname.startsWith("/traces")) cameFromList = false;
  });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return; // its own keys: Esc closes it
  const field = event.target.closest?.("input, textarea, select");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  if (event.key === "Enter" && event.target.closest?.("button, a")) return;
  const action = event.key === "?" ? openHelp : page?.keys?.[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function onClick(event) {
  const link = event.target.closest?.("a[data-page-link]");
  if (link) return followLink(event, link.getAttribute("href"));
  const target = event.target.closest?.("button");
  if (!target) return;
  const { copy, copyLink, copyOtlp, themeChoice, help, back } = target.dataset;
  if (copy !== undefined) copyText(copy);
  else if (copyLink) copyText(location.href, "Link copied");
  else if (copyOtlp) copyOtlpOf(copyOtlp);
  else if (themeChoice) window.tradespanTheme.choose(themeChoice);
  else if (help) openHelp();
  else if (back) goBack(back);
}

async function copyOtlpOf(traceId) {
  const otlp = await getJson(`/api/v1/traces/${traceId}/otlp`).catch((error) => toast(error.message));
  if (otlp) copyText(JSON.stringify(otlp, null, 2), "OTLP JSON copied");
}

export async function copyText(text, said = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not allow copying here");
  }
}

export function toast(text) {
  document.querySelector(".toast")?.remove();
  const element = h("div", { class: "toast", role: "status" }, text);
  document.body.append(element);
  setTimeout(() => element.remove(), 1600);
}

function markTheme() {
  const chosen = window.tradespanTheme.stored();
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}

function openHelp() {
  const dialog = h(
    "dialog",
    { class: "help", onclick: (event) => event.target === dialog && dialog.close() },
    h("h2", {}, "Keys"),
    KEYS.map(([title, keys]) => [
      h("h3", {}, title),
      h("dl", {}, keys.map(([names, what]) => [
        h("dt", {}, names.split(" ").map((name) => [h("kbd", {}, name), " "])),
        h("dd", {}, what),
      ])),
    ]),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => event.key === "?" && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

// The status bar asks once a second, less often while nobody answers, and not in a hidden tab.
async function poll() {
  let pause = ASK_EVERY;
  for (;;) {
    if (!document.hidden) pause = (await askStatus()) ? ASK_EVERY : Math.min(pause * 2, LONGEST_PAUSE);
    await new Promise((resume) => setTimeout(resume, pause));
  }
}

async function askStatus() {
  try {
    latest = await getJson("/api/v1/status");
  } catch (error) {
    showPills([explain(error)]);
    return false;
  }
  showPills(latest.pills);
  page?.status?.(latest);
  return true;
}

function explain(error) {
  const pill = { key: "agent", label: "Agent", level: "error", href: "" };
  if (!(error instanceof Refused)) return { ...pill, value: "does not answer, trying again" };
  if (error.status === 401) return { ...pill, value: "started anew: open the link it printed" };
  return { ...pill, label: "Store", value: error.message };
}

function showPills(pills) {
  const host = document.getElementById("pills");
  if (!host) return;
  const keys = pills.map((pill) => `${pill.key}${pill.href}`).join();
  if (host.dataset.keys !== keys) {
    host.dataset.keys = keys;
    host.replaceChildren(...pills.map(makePill));
  }
  pills.forEach(({ label, value, level, title, at }, index) => {
    const [dot, name, text] = host.children[index].children;
    if (dot.className !== `dot ${level}`) dot.className = `dot ${level}`;
    setText(name, label);
    setText(text, inReadersZone(value, at));
    host.children[index].title = title || `${label}: ${inReadersZone(value, at)}`;
  });
}

function makePill({ key, href }) {
  const parts = [h("span"), h("span"), h("b")];
  if (!href) return h("span", { class: `pill ${key}` }, parts);
  return h("a", { class: `pill ${key}`, href, onclick: (event) => followLink(event, href) }, parts);
}
