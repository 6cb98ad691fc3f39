// The rows of the trace list: drawing, selection, and what stands at the foot.

import { h, setClass, setText } from "./dom.js";
import { MS, clock, count, dayUnlessToday, duration, shortName, zone } from "./format.js";
import { followLink } from "./shell.js";
import { VirtualRows } from "./virtual.js";

const ROW = 32;
const HEAD = 30;
const FOOT = 32;
const NO_END = "Begun, and no end is recorded: it runs, or its process died.";
const LONG = 0.95; // this part of the rows fits into the bar's column; longer bars are torn

export const traceUrl = (traceId) => `/trace/${traceId}`;

export class TraceTable {
  // onMore(): the end comes into sight. onNew(): the reader wants to see what has come.
  constructor(scroller, { onMore, onNew }) {
    this.scroller = scroller;
    this.onMore = onMore;
    this.rows = [];
    this.selected = null;
    this.full = 1;
    this.time = h("div", { role: "columnheader" });
    this.head = h(
      "div",
      { class: "trace-head", role: "row", "aria-rowindex": 1 },
      this.time,
      ["Process", "Group", "Status"].map((name) => h("div", { role: "columnheader" }, name)),
      h("div", { role: "columnheader", class: "right" }, "Duration"),
      h("div", { role: "columnheader" }),
      ["Data", "Exception"].map((name) => h("div", { role: "columnheader" }, name)),
    );
    this.news = h("button", { class: "news", type: "button", hidden: true, onclick: onNew });
    this.host = h("div", { class: "trace-rows", role: "rowgroup" });
    this.none = h("div", { class: "trace-none", hidden: true });
    this.foot = h("div", { class: "trace-foot" });
    this.element = h(
      "section",
      { class: "card trace-table", role: "table", "aria-label": "Traces" },
      this.head, this.news, this.host, this.none, this.foot,
    );
  }

  start() {
    const { scroller, host } = this;
    this.virtual = new VirtualRows({
      scroller, host, rowHeight: ROW, create: createRow, update: (row, i) => this.update(row, i),
    });
    this.onScroll = () => this.noteFoot();
    scroller.addEventListener("scroll", this.onScroll, { passive: true });
  }

  show(rows, { total, capped, took }) {
    this.rows = rows;
    Object.assign(this, { total, capped, took });
    this.full = longest(rows);
    setText(this.time, `Time, ${zone()} ↓`);
    this.none.hidden = rows.length > 0;
    this.head.hidden = this.foot.hidden = rows.length === 0;
    this.element.setAttribute("aria-rowcount", rows.length + 1);
    this.virtual.setCount(rows.length);
    this.noteFoot();
  }

  showNone(...content) {
    this.none.replaceChildren(...content);
  }

  showNews(text) {
    this.news.hidden = !text;
    setText(this.news, text);
  }

  // What runs grows older; `now` is the server's, in ms since 1970.
  passTime(now) {
    this.now = now;
    if (this.rows.some((row) => row.running)) this.virtual.draw(true);
  }

  lasted(row) {
    return row.running && this.now ? Math.max(row.duration, (this.now - row.start) * MS) : row.duration;
  }

  update(element, index) {
    const row = this.rows[index];
    if (!row) return;
    const [time, process, group, status, length, track, data, exception] = element.children;
    const failed = row.status === "ERR";
    const link = time.firstChild;
    const url = traceUrl(row.trace_id);
    if (link.getAttribute("href") !== url) link.setAttribute("href", url);
    const [day, clockText] = link.children;
    setText(day, dayUnlessToday(row.start));
    setText(clockText, clock(row.start));
    setText(process, shortName(row.process || row.name));
    setText(group, row.group);
    const running = row.running > 0;
    const lasted = this.lasted(row);
    setText(status.firstChild, row.status === "RUNNING" ? "running" : row.status);
    setClass(status.firstChild, failed ? "badge error" : running ? "badge running" : "badge good");
    setText(length, duration(lasted));
    setClass(length, running ? "duration right is-running" : "duration right");
    length.title = running ? `${count(row.running)} running for so long. ${NO_END}` : "";
    showBar(track.firstChild, lasted / this.full, failed, running);
    setText(data, row.data);
    setText(exception, row.exception);
    process.title = `${row.process || row.name}, ${count(row.spans)} spans, ${row.service}`;
    data.title = row.data;
    exception.title = row.exception;
    element.setAttribute("aria-selected", String(row.trace_id === this.selected));
  }

  select(index) {
    if (!this.rows.length) return;
    const clamped = Math.max(0, Math.min(index, this.rows.length - 1));
    this.selected = this.rows[clamped].trace_id;
    this.virtual.reveal(clamped, HEAD, FOOT);
    this.virtual.draw(true);
  }

  noteFoot() {
    const [first, last] = this.inSight();
    const total = `${count(this.total ?? 0)}${this.capped ? "+" : ""}`;
    setText(this.foot, `${count(first)}–${count(last)} of ${total} · ${this.took} ms`);
    if (this.virtual.range()[1] >= this.rows.length - 10) this.onMore();
  }

  // The first and the last row that can be read, counted from one.
  inSight() {
    const top = this.virtual.offset() + HEAD;
    const bottom = this.virtual.offset() + this.scroller.clientHeight - FOOT;
    const first = Math.max(1, Math.floor(top / ROW) + 1);
    const last = Math.min(this.rows.length, Math.max(first, Math.floor(bottom / ROW)));
    return [Math.min(first, last), last];
  }

  dispose() {
    this.virtual.dispose();
    this.scroller.removeEventListener("scroll", this.onScroll);
  }
}

function createRow() {
  const link = h("a", { onclick: (event) => followLink(event, link.getAttribute("href")) },
    h("span", { class: "day" }), h("span"));
  const cell = (name, ...content) => h("div", { role: "cell", class: name }, ...content);
  return h(
    "div",
    { class: "trace-row", role: "row" },
    cell("mono time", link),
    cell("mono process"),
    cell("group"),
    cell("status", h("span")),
    cell("duration right"),
    cell("track", h("i")),
    cell("mono data"),
    cell("exception"),
  );
}

function showBar(bar, part, failed, running) {
  const torn = part > 1;
  setClass(bar, `${failed ? "is-error" : ""}${running ? " is-running" : torn ? " is-torn" : ""}`.trim());
  bar.style.width = `max(2px, ${(Math.min(part, 1) * 100).toFixed(2)}%)`;
}

// The duration whose bar fills the column: a single slow trace must not flatten all others.
function longest(rows) {
  if (!rows.length) return 1;
  const over = rows.filter((row) => !row.running);
  const lengths = (over.length ? over : rows).map((row) => row.duration).sort((a, b) => a - b);
  const common = lengths[Math.floor((lengths.length - 1) * LONG)];
  const largest = lengths.at(-1);
  return Math.max(1, largest <= common * 3 ? largest : common);
}
