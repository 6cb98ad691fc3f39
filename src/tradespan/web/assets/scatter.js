// Durations over time, one point a trace, on a logarithmic scale. Points lead to their trace; a drag
// selects a stretch of time.

import { cssColours, fitCanvas, h, oncePerFrame, onDrag, setText } from "./dom.js";
import { clock, dayUnlessToday, duration } from "./format.js";

const HEIGHT = 146;
const LEFT = 56;
const RIGHT = 16;
const TOP = 10;
const BOTTOM = 24;
const SHORTEST = 60_000; // ms of a time axis that ends now
const SHORTEST_PAST = 5_000; // ms of one that ends with the last trace
const REACH = 9; // px from a point that still mean it
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

export class Scatter {
  // onOpen(traceId): a point was clicked. onSelect(from, to): a time range, ms since 1970.
  constructor({ onOpen, onSelect }) {
    this.onOpen = onOpen;
    this.onSelect = onSelect;
    this.points = { start: [], duration: [], failed: [], trace: [], since: null, until: null };
    this.title = h("div", { class: "scatter-title" });
    this.canvas = h("canvas", { role: "img" });
    this.brush = h("div", { class: "brush", hidden: true });
    this.tip = h("div", { class: "tip", hidden: true });
    this.plot = h("div", { class: "scatter-plot" }, this.canvas, this.brush, this.tip);
    this.element = h("section", { class: "card scatter", "aria-label": "Durations" }, this.title, this.plot);
    this.redraw = oncePerFrame(() => this.draw());
    this.observer = new ResizeObserver(this.redraw);
    this.observer.observe(this.plot);
    this.listen();
  }

  show(points, title) {
    this.points = points;
    setText(this.title, title);
    const failed = points.failed.filter(Boolean).length;
    this.canvas.setAttribute("aria-label", `${title} ${failed} of the points are errors.`);
    this.redraw();
  }

  // --- scales ---------------------------------------------------------------------------------

  measure() {
    this.width = this.plot.clientWidth;
    const [from, to] = timeSpan(this.points);
    let low = Infinity;
    let high = 0;
    for (const length of this.points.duration) {
      low = Math.min(low, Math.max(length, 1000));
      high = Math.max(high, length);
    }
    if (!high) [low, high] = [1e6, 1e8];
    let bottom = Math.floor(Math.log10(low) + 1e-9);
    let top = Math.ceil(Math.log10(Math.max(high, low)) - 1e-9);
    while (top - bottom < 2) {
      if (top - bottom < 1) top++;
      else bottom--;
    }
    Object.assign(this, { from, to, bottom, top });
  }

  x(ms) {
    return LEFT + ((ms - this.from) / (this.to - this.from)) * (this.width - LEFT - RIGHT);
  }

  y(ns) {
    const level = (Math.log10(Math.max(ns, 1)) - this.bottom) / (this.top - this.bottom);
    const room = HEIGHT - TOP - BOTTOM;
    return TOP + room - Math.max(-0.03, Math.min(1, level)) * room;
  }

  timeAt(x) {
    const part = (x - LEFT) / Math.max(1, this.width - LEFT - RIGHT);
    return this.from + Math.max(0, Math.min(1, part)) * (this.to - this.from);
  }

  // --- drawing --------------------------------------------------------------------------------

  draw() {
    if (!this.plot.clientWidth) return;
    this.measure();
    const pen = fitCanvas(this.canvas, this.width, HEIGHT);
    const [line, muted, point, error, surface] = cssColours(
      "--line", "--muted", "--point", "--error", "--surface",
    );
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    pen.textBaseline = "middle";
    this.drawLevels(pen, line, muted);
    this.drawTimes(pen, muted);
    this.drawPoints(pen, 0, point, 1.9, 0.62);
    this.drawPoints(pen, 1, surface, 4.4, 1);
    this.drawPoints(pen, 1, error, 3.2, 1);
  }

  drawLevels(pen, line, muted) {
    pen.textAlign = "right";
    const every = Math.ceil((this.top - this.bottom + 1) / 5);
    for (let power = this.top; power >= this.bottom; power -= every) {
      const y = Math.round(this.y(10 ** power)) + 0.5;
      pen.strokeStyle = line;
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(this.width - RIGHT, y);
      pen.stroke();
      pen.fillStyle = muted;
      pen.fillText(levelText(power), LEFT - 8, y);
    }
  }

  drawTimes(pen, muted) {
    pen.fillStyle = muted;
    const most = Math.max(2, Math.floor((this.width - LEFT) / 130));
    const step = timeStep((this.to - this.from) / 1000, most) * 1000;
    const zone = new Date(this.from).getTimezoneOffset() * 60_000;
    for (let at = Math.ceil((this.from - zone) / step) * step + zone; at <= this.to; at += step) {
      const x = this.x(at);
      if (x > this.width - RIGHT + 1) break;
      const date = step >= 86_400_000 || this.to - this.from > 86_400_000;
      const day = date ? `${dayUnlessToday(at)} ` : "";
      const text = step % 60_000 === 0 ? clock(at).slice(0, 5) : clock(at, { millis: false });
      pen.textAlign = x > this.width - RIGHT - 30 ? "right" : x < LEFT + 24 ? "left" : "center";
      pen.fillText(day + text, x, HEIGHT - 8);
    }
  }

  drawPoints(pen, failed, colour, radius, opacity) {
    const { start, duration: lengths, failed: flags } = this.points;
    pen.fillStyle = colour;
    pen.globalAlpha = opacity;
    pen.beginPath();
    for (let i = 0; i < start.length; i++) {
      if (flags[i] !== failed) continue;
      const x = this.x(start[i]);
      const y = this.y(lengths[i]);
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 2 * Math.PI);
    }
    pen.fill();
    pen.globalAlpha = 1;
  }

  // --- pointer --------------------------------------------------------------------------------

  listen() {
    this.plot.addEventListener("pointermove", (event) => this.hover(event));
    this.plot.addEventListener("pointerleave", () => (this.tip.hidden = true));
    onDrag(this.plot, {
      moved: (from, to) => {
        this.tip.hidden = true;
        this.brush.hidden = false;
        this.brush.style.left = `${Math.max(LEFT, Math.min(from, to))}px`;
        this.brush.style.width = `${Math.min(Math.abs(to - from), this.width - LEFT - RIGHT)}px`;
      },
      done: (from, to) => {
        this.brush.hidden = true;
        const times = [this.timeAt(from), this.timeAt(to)].sort((a, b) => a - b);
        this.onSelect(Math.floor(times[0]), Math.ceil(times[1]));
      },
      cancelled: () => (this.brush.hidden = true),
      clicked: (x, event) => {
        const index = this.nearest(x, event.clientY - this.plot.getBoundingClientRect().top);
        if (index >= 0) this.onOpen(this.points.trace[index]);
      },
    });
  }

  // The point under the pointer; errors lie on top.
  nearest(x, y) {
    let best = -1;
    let distance = REACH * REACH;
    for (let i = 0; i < this.points.start.length; i++) {
      const dx = this.x(this.points.start[i]) - x;
      const dy = this.y(this.points.duration[i]) - y;
      const away = dx * dx + dy * dy - (this.points.failed[i] ? 12 : 0);
      if (away < distance) [best, distance] = [i, away];
    }
    return best;
  }

  hover(event) {
    const box = this.plot.getBoundingClientRect();
    const index = event.buttons ? -1 : this.nearest(event.clientX - box.left, event.clientY - box.top);
    this.plot.style.cursor = index >= 0 ? "pointer" : "crosshair";
    this.tip.hidden = index < 0;
    if (index < 0) return;
    const { start, duration: lengths, failed } = this.points;
    setText(this.tip, `${clock(start[index])} · ${duration(lengths[index])}${failed[index] ? " · error" : ""}`);
    const x = this.x(start[index]);
    this.tip.style.left = `${Math.max(4, Math.min(x - 70, this.width - 176))}px`;
    this.tip.style.top = `${this.y(lengths[index]) > 44 ? this.y(lengths[index]) - 34 : this.y(lengths[index]) + 10}px`;
  }

  dispose() {
    this.observer.disconnect();
  }
}

// From when to when the chart goes. A chosen stretch is shown as it is; else what lies before the
// first trace is left out, so that a young bot fills the chart.
function timeSpan({ start, since, until, exact }) {
  const now = until ?? Date.now();
  if (exact && since !== null) return [since, now];
  if (!start.length) return [since ?? now - SHORTEST, now];
  let [first, last] = [Infinity, -Infinity];
  for (const at of start) [first, last] = [Math.min(first, at), Math.max(last, at)];
  const to = since === null ? last : now;
  const from = Math.max(first - (to - first) * 0.02, since ?? -Infinity);
  const lacking = Math.max(0, (since === null ? SHORTEST_PAST : SHORTEST) - (to - from));
  return since === null ? [from - lacking / 2, to + lacking / 2] : [from - lacking, to];
}

function levelText(power) {
  const units = ["ns", "µs", "ms", "s"];
  const unit = Math.min(3, Math.floor(power / 3));
  return `${(10 ** (power - unit * 3)).toLocaleString("en-US")} ${units[unit]}`;
}

function timeStep(seconds, most) {
  return STEPS.find((step) => seconds / step <= most) ?? 86_400 * Math.ceil(seconds / 86_400 / most);
}
