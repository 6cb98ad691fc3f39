// One row of the waterfall: name in its tree, group, bar with own time and critical path.

import { h, setClass, setText } from "./dom.js";
import { duration, shortName } from "./format.js";

const INDENT = 18;
const DEEPEST = 12; // levels that are indented; deeper ones stand below each other
const THINNEST = 2; // px of a bar
const MERGE = 0.75; // px between stretches that no eye tells apart
const DIGIT = 6.6; // px of a label's character
const GAP = 6;

export function createRow() {
  return h(
    "div",
    { class: "wf-row", role: "row" },
    h("div", { class: "wf-name", role: "gridcell" },
      h("span", { class: "guides" }), h("span", { class: "caret", "aria-hidden": "true" }), h("span", { class: "label" })),
    h("div", { class: "wf-group", role: "gridcell" }, h("i", { class: "swatch" }), h("span")),
    h("div", { class: "wf-bars", role: "gridcell" },
      h("div", { class: "bar" }), h("div", { class: "path" }), h("i", { class: "fault", hidden: true }), h("span", { class: "length" })),
  );
}

export function updateRow(waterfall, element, row) {
  const { data } = waterfall;
  const [name, group, bars] = element.children;
  const colour = data.colours[data.group[row]];
  const paint = colour < 0 ? "var(--group-none)" : `var(--group-${colour})`;
  element.style.setProperty("--paint", paint);
  element.setAttribute("aria-selected", String(row === waterfall.selected));
  element.setAttribute("aria-level", data.depth[row] + 1);
  showName(waterfall, element, name, row);
  const groupName = data.groups[data.group[row]];
  setText(group.lastChild, groupName);
  group.title = groupName;
  showBar(waterfall, bars, row);
}

function showName(waterfall, element, cell, row) {
  const { data } = waterfall;
  const [guides, caret, label] = cell.children;
  const depth = Math.min(data.depth[row], DEEPEST);
  guides.style.width = `${depth * INDENT}px`;
  const parent = waterfall.hasChildren(row);
  const folded = waterfall.folded.has(row);
  caret.className = `caret${parent ? (folded ? " is-folded" : " is-open") : ""}`;
  if (parent) element.setAttribute("aria-expanded", String(!folded));
  else element.removeAttribute("aria-expanded");
  const text = data.names[data.name[row]];
  setText(label, shortName(text));
  label.title = text;
}

function showBar(waterfall, cell, row) {
  const { data, width } = waterfall;
  const [bar, path, fault, length] = cell.children;
  const from = clamp(waterfall.x(data.begin[row]), width);
  const to = clamp(waterfall.x(data.end[row]), width);
  const outside = data.end[row] < waterfall.view[0] || data.begin[row] > waterfall.view[1];
  bar.hidden = path.hidden = length.hidden = outside;
  const failed = data.error[row] === 1;
  fault.hidden = outside || !failed;
  if (outside) return;
  const wide = Math.max(THINNEST, to - from);
  bar.style.left = `${from}px`;
  bar.style.width = `${wide}px`;
  showStretches(waterfall, bar, data.own[row] ?? [data.begin[row], data.end[row]], from, row);
  showStretches(waterfall, path, data.critical[row] ?? [], 0, row);
  const age = data.running[row];
  const running = age !== null;
  setClass(bar, running ? "bar is-running" : "bar");
  const text = running ? `running ${duration(age)}` : duration(data.end[row] - data.begin[row]);
  setText(length, text);
  const needed = text.length * DIGIT + GAP + (failed ? 12 : 0);
  const after = from + wide + GAP;
  // To the right of the bar; where a zoomed bar reaches the edge, to its left, else inside it.
  const inside = after + needed > width + 72 && from < needed + GAP;
  const left = after + needed <= width + 72 ? after : inside ? to - needed - GAP : from - needed - GAP;
  length.className = `length${inside ? " is-inside" : ""}${running ? " is-running" : ""}`;
  length.style.left = `${left + (failed ? 12 : 0)}px`;
  fault.style.left = `${left}px`;
}

// Parts of a bar as elements, those merged that lie closer than a pixel.
function showStretches(waterfall, host, times, origin, row) {
  const parts = [];
  const { width } = waterfall;
  for (let i = 0; i < times.length; i += 2) {
    const from = clamp(waterfall.x(times[i]), width);
    const to = clamp(waterfall.x(times[i + 1]), width);
    const last = parts.at(-1);
    if (last && from - last[1] < MERGE) last[1] = Math.max(last[1], to);
    else if (to > from || waterfall.data.begin[row] === waterfall.data.end[row]) parts.push([from, to]);
  }
  while (host.children.length > parts.length) host.lastChild.remove();
  while (host.children.length < parts.length) host.append(document.createElement("i"));
  parts.forEach(([from, to], index) => {
    const { style } = host.children[index];
    style.left = `${from - origin}px`;
    style.width = `${Math.max(parts.length === 1 ? THINNEST : 1, to - from)}px`;
  });
}

function clamp(x, width) {
  return Math.max(0, Math.min(width, x));
}
