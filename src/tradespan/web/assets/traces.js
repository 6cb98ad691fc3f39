// The trace list: filters and address, pages from the server, live update that keeps its place.

import { DeathNotice } from "./death.js";
import { h, setText } from "./dom.js";
import { age, clock, count, counted } from "./format.js";
import { Filters } from "./filters.js";
import { getJson, whileBusy } from "./http.js";
import { Rows, isClosed, isFiltered, readState, toSearch, withoutFilters } from "./liststate.js";
import { Scatter } from "./scatter.js";
import { enterPage, navigate } from "./shell.js";
import { TraceTable, traceUrl } from "./tracetable.js";

const CHART_EVERY = 2000; // ms between two readings of the chart while traces come in
const KEPT_VIEWS = 8;
const views = new Map(); // address → what the list looked like when it was left

let live = true;

export function mountTraces(choices) {
  const host = document.getElementById("traces");
  const tools = document.getElementById("traces-tools");
  if (!host || !tools) return false;
  document.title = "Traces · tradespan";
  const list = new TraceList(host, tools, choices);
  enterPage(list.page());
  return true;
}

class TraceList {
  constructor(host, tools, choices) {
    this.scroller = document.getElementById("page");
    this.choices = choices;
    this.state = readState(choices.default_range);
    this.rows = new Rows();
    this.newest = null; // the page that waits while the reader is busy
    this.status = null;
    this.changes = null;
    this.chartAt = 0;
    this.askedAt = 0;
    this.owed = false; // a look for new traces
    this.filters = new Filters(choices, {
      onChange: (change, settle) => this.change(change, settle),
      onLive: () => this.toggleLive(),
    });
    this.scatter = new Scatter({
      onOpen: (traceId) => navigate(traceUrl(traceId)),
      onSelect: (since, until) => this.change({ since: String(since), until: String(until) }),
    });
    this.table = new TraceTable(this.scroller, {
      onMore: () => this.loadMore(),
      onNew: () => this.showNewest(),
    });
    this.death = new DeathNotice();
    host.replaceChildren(this.death.element, this.filters.row, this.scatter.element, this.table.element);
    tools.replaceChildren(...this.filters.tools);
  }

  page() {
    const step = (by) => () => this.table.select(this.selectedIndex() + by);
    return {
      start: () => this.start(),
      keys: {
        "/": () => this.filters.focusSearch(),
        j: step(1),
        k: step(-1),
        ArrowDown: step(1),
        ArrowUp: step(-1),
        Enter: () => this.table.selected && navigate(traceUrl(this.table.selected)),
        Escape: () => this.letGo(),
        p: () => this.toggleLive(),
      },
      status: (status) => this.onStatus(status),
      theme: () => this.scatter.redraw(),
      dispose: () => this.dispose(),
    };
  }

  start() {
    this.onPop = () => location.pathname.startsWith("/traces") && this.onAddress();
    addEventListener("popstate", this.onPop);
    this.onScroll = () => {
      if (this.table.element.isConnected) this.lastTop = this.scroller.scrollTop;
    };
    this.scroller.addEventListener("scroll", this.onScroll, { passive: true });
    this.table.host.addEventListener("pointerleave", () => this.follows() && this.showNewest());
    this.table.start();
    this.filters.show(this.state, live);
    const kept = views.get(this.key());
    if (kept) {
      this.rows = kept.rows;
      this.table.selected = kept.selected;
      this.showRows();
      this.scatter.show(kept.points, kept.title);
      this.scroller.scrollTop = kept.scrollTop;
      this.table.virtual.draw(true);
      this.refresh();
    } else this.load();
  }

  key() {
    return toSearch(this.state, this.choices.default_range);
  }

  selectedIndex() {
    const index = this.rows.indexOf(this.table.selected);
    return index >= 0 ? index : this.table.inSight()[0] - 2;
  }

  letGo() {
    this.table.selected = null;
    this.table.virtual.draw(true);
    if (this.newest && this.follows()) this.showNewest();
  }

  // --- state and address ------------------------------------------------------------------------

  // `settle`: the change is done (not half-typed) and gets a place of its own in the history.
  change(change, settle = true) {
    const next = { ...this.state, ...change };
    if ("range" in change) Object.assign(next, { since: "", until: "" });
    const search = toSearch(next, this.choices.default_range);
    const same = search === this.key();
    this.state = next;
    if (!same) {
      // While somebody types, the address follows within one place of the history.
      if (this.typing) history.replaceState(null, "", `/traces${search}`);
      else history.pushState(null, "", `/traces${search}`);
    }
    this.typing = !settle;
    this.filters.show(this.state, live);
    if (!same) this.load();
  }

  onAddress() {
    const next = readState(this.choices.default_range);
    if (toSearch(next, this.choices.default_range) === this.key()) return;
    this.state = next;
    this.filters.show(this.state, live);
    this.load();
  }

  // --- loading ----------------------------------------------------------------------------------

  async load() {
    this.stop?.abort();
    const { signal } = (this.stop = new AbortController());
    this.newest = null;
    this.refused = false;
    this.table.showNews("");
    try {
      await whileBusy(this.table.element, async () => {
        const [page, points] = await Promise.all([this.ask("traces", signal), this.ask("scatter", signal)]);
        if (signal.aborted) return;
        this.rows = new Rows();
        this.rows.replace(page);
        this.table.selected = null;
        this.filters.complain(null);
        this.showRows();
        this.showPoints(points);
        this.scroller.scrollTop = 0;
      });
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  fail(error) {
    this.refused = error.kind === "invalid-query";
    if (this.refused) this.filters.complain(error);
    if (this.refused && this.rows.list.length) return; // half-typed: what is there stays
    this.rows = new Rows();
    this.showRows();
    const [title, label, act] = this.refused
      ? ["The search cannot be understood", "Clear filters", () => this.change(withoutFilters(this.state))]
      : ["The traces cannot be read", "Try again", () => this.load()];
    this.table.showNone(h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, error.message),
      h("div", { class: "actions" }, h("button", { class: "tool", type: "button", onclick: act }, label))));
  }

  ask(what, signal, more = {}) {
    const state = { ...this.state, ...more };
    if (state.since || state.until) state.range = "";
    return getJson(`/api/v1/${what}`, state, signal);
  }

  async loadMore() {
    if (!this.rows.next || this.loadingMore) return;
    const rows = this.rows;
    this.loadingMore = true;
    try {
      const page = await whileBusy(this.table.foot, () =>
        this.ask("traces", this.stop?.signal, { before: rows.next }));
      rows.append(page);
      if (rows === this.rows) this.showRows();
    } catch (error) {
      if (error.name !== "AbortError") rows.next = null; // the foot still says how many there are
    } finally {
      this.loadingMore = false;
    }
  }

  // --- live -------------------------------------------------------------------------------------

  onStatus(status) {
    const changed = status.changes !== this.changes;
    const moved = Date.now() - this.chartAt > 5 * CHART_EVERY && this.state.range !== "all";
    this.status = status;
    this.changes = status.changes;
    this.filters.offer(status);
    this.death.show(status.death ?? null);
    this.table.passTime(status.now);
    if (this.refused) return;
    if (!this.rows.list.length) this.showReason();
    // On a store where a page takes long, looking for new ones takes at most a tenth of the time.
    const rested = Date.now() - this.askedAt > 10 * this.rows.took;
    if (live && !isClosed(this.state) && (this.owed || changed || moved)) {
      this.owed = !rested;
      if (rested) this.refresh();
    }
  }

  async refresh() {
    const signal = this.stop?.signal;
    if (this.refreshing) return;
    this.refreshing = true;
    this.askedAt = Date.now();
    try {
      const page = await this.ask("traces", signal);
      if (!signal?.aborted) this.takeNewest(page);
      if (Date.now() - this.chartAt < CHART_EVERY) this.owed = true; // the chart follows soon
      else {
        const points = await this.ask("scatter", signal);
        if (!signal?.aborted) this.showPoints(points);
      }
    } catch {
      // the status bar says that nobody answers; the next second tries again
    } finally {
      this.refreshing = false;
    }
  }

  // New rows come in at the top only while nobody reads below, points at a row or has chosen one.
  follows() {
    return !this.table.selected && this.scroller.scrollTop < 8 && !this.table.host.matches(":hover");
  }

  takeNewest(page) {
    if (this.follows()) {
      this.newest = page;
      this.showNewest();
      return;
    }
    const number = this.rows.countNew(page);
    this.rows.refresh(page);
    this.newest = number ? page : null;
    this.showRows();
    const text = number === page.rows.length && page.next ? `${number}+` : count(number);
    this.table.showNews(number ? `↑ ${text} new` : "");
  }

  showNewest() {
    if (!this.newest) return;
    this.rows.merge(this.newest);
    this.newest = null;
    this.table.showNews("");
    this.showRows();
    this.scroller.scrollTop = 0;
  }

  toggleLive() {
    live = !live;
    this.filters.show(this.state, live);
    if (live) this.refresh();
  }

  // --- showing ----------------------------------------------------------------------------------

  showRows() {
    this.table.show(this.rows.list, this.rows);
    if (!this.rows.list.length && !this.refused) this.showReason();
  }

  showPoints(points) {
    this.chartAt = Date.now();
    const { capped, total } = this.rows;
    const traces = capped ? `more than ${counted(total, "trace")}` : counted(total, "trace");
    const part = points.full ? `, the newest ${count(points.start.length)} drawn` : "";
    this.points = { ...points, exact: this.state.since !== "" };
    this.title = total
      ? `Duration, ${traces} in view${part}; drag to select` : "Duration: nothing in view";
    this.scatter.show(this.points, this.title);
  }

  // Why the list is empty, and what fills it.
  showReason() {
    const { status, state } = this;
    if (!status) return this.table.showNone();
    const action = (label, change) =>
      h("button", { class: "tool", type: "button", onclick: () => this.change(change) }, label);
    const all = action("Show all times", { range: "all" });
    const say = (title, text, ...actions) =>
      this.table.showNone(h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text),
        h("div", { class: "actions" }, actions)));
    if (status.last === null) return this.showCommands();
    if (isFiltered(state)) {
      return say("No trace matches", "Nothing in this stretch of time fits the search and filters.",
        action("Clear filters", withoutFilters(state)), state.range === "all" ? null : all);
    }
    const ago = age(Math.max(0, status.now - status.last) * 1e6);
    return say("No traces in this time", `The newest one ended ${ago} ago, at ${clock(status.last)}.`, all);
  }

  showCommands() {
    const commands = this.choices.commands.map((command) =>
      h("div", { class: "command" }, h("code", {}, command),
        h("button", { class: "quiet", type: "button", "data-copy": command }, "Copy")));
    this.table.showNone(h("div", { class: "empty" }, h("h2", {}, "No traces yet"),
      h("p", {}, "They appear here by themselves once a program runs under tradespan:"), commands));
  }

  dispose() {
    removeEventListener("popstate", this.onPop);
    this.scroller.removeEventListener("scroll", this.onScroll);
    this.stop?.abort();
    views.delete(this.key());
    views.set(this.key(), {
      rows: this.rows, points: this.points ?? this.scatter.points, title: this.title ?? "",
      selected: this.table.selected, scrollTop: this.lastTop ?? 0,
    });
    if (views.size > KEPT_VIEWS) views.delete(views.keys().next().value);
    this.table.dispose();
    this.scatter.dispose();
  }
}
