// The waterfall: a tree of names at the left, bars over one time axis at the right. Rows exist only
// while they are in sight; the time axis zooms by drag.

import { h, onDrag, oncePerFrame, setText } from "./dom.js";
import { duration, tickText, ticks } from "./format.js";
import { Minimap } from "./minimap.js";
import { VirtualRows } from "./virtual.js";
import { createRow, updateRow } from "./waterfallrow.js";

const ROW = 32;
const LABEL = 64; // room to the right of the axis for the last bar's duration
const SMALLEST_ZOOM = 10; // ns
const MINIMAP_FROM = 40; // spans

export class Waterfall {
  constructor(host, data, { onSelect }) {
    Object.assign(this, { host, data, onSelect });
    this.selected = 0;
    this.folded = new Set();
    this.parents = new Set(data.parent);
    this.view = [0, Math.max(1, data.duration)];
    this.axis = h("div", { class: "axis", role: "columnheader" });
    this.reset = h("button", { class: "quiet reset", type: "button", hidden: true, onclick: () => this.showAll() },
      "Show all ", h("kbd", {}, "0"));
    this.head = h("div", { class: "wf-head", role: "row", "aria-rowindex": 1 },
      h("div", { role: "columnheader" }, "Function", this.reset),
      h("div", { role: "columnheader" }, "Group"), this.axis);
    this.grid = h("div", { class: "wf-grid" });
    this.rows = h("div", { class: "wf-rows", role: "rowgroup" });
    this.brush = h("div", { class: "brush", hidden: true });
    this.scroller = h("div", { class: "wf-scroll", tabindex: -1 }, this.grid, this.rows, this.brush);
    this.minimap = data.id.length >= MINIMAP_FROM
      ? new Minimap(data, (from, to) => this.zoom(from, to)) : null;
    this.table = h("div", { class: "wf", role: "treegrid", "aria-label": "Spans" },
      this.minimap?.element, this.head, this.scroller);
    host.replaceChildren(this.table);
    this.virtual = new VirtualRows({
      scroller: this.scroller, host: this.rows, rowHeight: ROW,
      create: () => createRow(this), update: (element, index) => updateRow(this, element, this.order[index]),
    });
    this.later = oncePerFrame(() => this.draw());
    this.observer = new ResizeObserver(this.later);
    this.observer.observe(this.axis);
    this.listen();
    this.arrange();
  }

  // --- rows -------------------------------------------------------------------------------------

  // Which rows there are: all whose ancestors are unfolded.
  arrange() {
    const { depth } = this.data;
    this.order = [];
    let hiddenBelow = Infinity;
    for (let row = 0; row < depth.length; row++) {
      if (depth[row] > hiddenBelow) continue;
      hiddenBelow = this.folded.has(row) ? depth[row] : Infinity;
      this.order.push(row);
    }
    this.table.setAttribute("aria-rowcount", this.order.length + 1);
    this.table.style.setProperty("--rows", this.order.length);
    this.measure();
    this.virtual.setCount(this.order.length);
  }

  hasChildren(row) {
    return this.parents.has(row);
  }

  toggle(row) {
    if (!this.hasChildren(row)) return;
    if (!this.folded.delete(row)) this.folded.add(row);
    this.arrange();
  }

  foldOrParent() {
    const row = this.selected;
    if (this.hasChildren(row) && !this.folded.has(row)) this.toggle(row);
    else if (this.data.parent[row] >= 0) this.onSelect(this.data.parent[row]);
  }

  unfold() {
    if (this.folded.has(this.selected)) this.toggle(this.selected);
  }

  step(by) {
    const at = this.order.indexOf(this.selected);
    const next = Math.max(0, Math.min(this.order.length - 1, at + by));
    this.onSelect(this.order[next]);
  }

  select(row) {
    this.selected = row;
    for (let above = this.data.parent[row]; above >= 0; above = this.data.parent[above]) {
      if (this.folded.delete(above)) this.stale = true;
    }
    if (this.stale) this.arrange();
    this.stale = false;
    this.virtual.reveal(this.order.indexOf(row), ROW, ROW);
    this.virtual.draw(true);
  }

  // --- time -------------------------------------------------------------------------------------

  measure() {
    const table = this.table.getBoundingClientRect();
    const axis = this.axis.getBoundingClientRect();
    this.left = axis.left - table.left;
    this.width = Math.max(40, this.axis.clientWidth - LABEL);
  }

  x(ns) {
    return ((ns - this.view[0]) / (this.view[1] - this.view[0])) * this.width;
  }

  timeAt(x) {
    const part = Math.max(0, Math.min(1, x / this.width));
    return this.view[0] + part * (this.view[1] - this.view[0]);
  }

  zoom(from, to) {
    const whole = Math.max(1, this.data.duration);
    const length = Math.min(whole, Math.max(SMALLEST_ZOOM, to - from));
    const start = Math.max(0, Math.min(whole - length, from));
    this.view = [start, start + length];
    this.reset.hidden = length >= whole;
    this.later();
  }

  showAll() {
    this.zoom(0, this.data.duration);
  }

  zoomToSelected() {
    const { begin, end } = this.data;
    const room = (end[this.selected] - begin[this.selected]) * 0.05;
    this.zoom(begin[this.selected] - room, end[this.selected] + room);
  }

  draw() {
    this.measure();
    this.drawAxis();
    this.minimap?.draw(this.view);
    this.virtual.draw(true);
  }

  drawAxis() {
    const [from, to] = this.view;
    const marks = ticks(from, to, Math.max(2, Math.min(6, Math.floor(this.width / 84))));
    const step = marks.length > 1 ? marks[1] - marks[0] : to - from;
    const labels = marks.map((at) => {
      const label = h("span", {}, tickText(at, step, this.data.duration));
      label.style.left = `${this.x(at)}px`;
      return label;
    });
    this.axis.replaceChildren(...labels);
    this.grid.style.left = `${this.left}px`;
    const shown = Math.max(this.order.length * ROW, 0);
    this.grid.style.height = `${shown}px`;
    this.grid.replaceChildren(...marks.map((at) => {
      const line = h("i");
      line.style.left = `${this.x(at)}px`;
      return line;
    }));
  }

  // --- pointer ----------------------------------------------------------------------------------

  listen() {
    this.rows.addEventListener("dblclick", (event) => event.target.closest(".wf-bars") && this.showAll());
    this.scroller.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    onDrag(this.rows, {
      moved: (from, to) => {
        const [a, b] = [from, to].map((x) => Math.max(0, Math.min(this.width, x - this.left)));
        if (from < this.left) return;
        this.brush.hidden = false;
        this.brush.style.left = `${this.left + Math.min(a, b)}px`;
        this.brush.style.width = `${Math.abs(b - a)}px`;
        this.brush.style.top = `${this.scroller.scrollTop}px`;
        setText(this.brush, duration(Math.abs(this.timeAt(b) - this.timeAt(a))));
      },
      done: (from, to) => {
        this.brush.hidden = true;
        if (from < this.left) return;
        const [a, b] = [from, to].map((x) => this.timeAt(x - this.left)).sort((p, q) => p - q);
        this.zoom(a, b);
      },
      cancelled: () => (this.brush.hidden = true),
      clicked: (_, event) => this.onClick(event),
    });
  }

  onClick(event) {
    // The pointer was captured: the event's target is the whole list.
    const target = document.elementFromPoint(event.clientX, event.clientY);
    const index = this.virtual.indexOf(target?.closest(".wf-row"));
    if (index < 0) return;
    if (target.closest(".caret")) this.toggle(this.order[index]);
    else this.onSelect(this.order[index]);
  }

  // Ctrl and the wheel zoom around the pointer; sideways scrolls in time.
  onWheel(event) {
    const [from, to] = this.view;
    const length = to - from;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const x = event.clientX - this.table.getBoundingClientRect().left - this.left;
      const at = this.timeAt(x);
      const factor = Math.exp(event.deltaY / 300);
      this.zoom(at - (at - from) * factor, at + (to - at) * factor);
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && length < this.data.duration) {
      event.preventDefault();
      const by = (event.deltaX / this.width) * length;
      this.zoom(from + by, to + by);
    }
  }

  dispose() {
    this.virtual.dispose();
    this.observer.disconnect();
    this.minimap?.dispose();
  }
}
