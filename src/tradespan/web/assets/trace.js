// One trace: the waterfall, the drawer beside it, and the span that both are about.

import { goBack, enterPage } from "./shell.js";
import { Drawer } from "./drawer.js";
import { moment } from "./format.js";
import { Waterfall } from "./waterfall.js";

export function mountTrace(data) {
  const host = document.getElementById("waterfall");
  if (!host || !data) return false;
  const scroller = document.getElementById("page");
  scroller.scrollTop = 0;
  for (const time of document.querySelectorAll("time[data-ms]")) {
    const ms = Number(time.dataset.ms);
    time.textContent = moment(ms);
    time.dateTime = new Date(ms).toISOString();
  }
  document.title = `${document.querySelector(".head h1")?.textContent ?? "Trace"} · tradespan`;
  const page = new TracePage(host, data);
  enterPage(page.page());
  return true;
}

class TracePage {
  constructor(host, data) {
    this.data = data;
    this.rowOf = new Map(data.id.map((id, row) => [id, row]));
    this.drawer = new Drawer(document.getElementById("drawer"), data, (id) => this.selectId(id));
    this.waterfall = new Waterfall(host, data, { onSelect: (row) => this.select(row) });
    this.words = document.getElementById("critical-words");
    this.onWord = (event) => {
      const word = event.target.closest("[data-span]");
      if (word) this.selectId(word.dataset.span);
    };
    this.words?.addEventListener("click", this.onWord);
  }

  start() {
    history.replaceState(null, "", `/trace/${this.data.trace_id}${location.search}`);
    const wanted = new URLSearchParams(location.search).get("span");
    const failed = this.data.error.lastIndexOf(1);
    this.select(this.rowOf.get(wanted) ?? Math.max(failed, 0), false);
  }

  page() {
    return {
      start: () => this.start(),
      keys: {
        j: () => this.waterfall.step(1),
        k: () => this.waterfall.step(-1),
        ArrowDown: () => this.waterfall.step(1),
        ArrowUp: () => this.waterfall.step(-1),
        ArrowLeft: () => this.waterfall.foldOrParent(),
        ArrowRight: () => this.waterfall.unfold(),
        Enter: () => this.waterfall.toggle(this.waterfall.selected),
        z: () => this.waterfall.zoomToSelected(),
        0: () => this.waterfall.showAll(),
        e: () => this.nextError(),
        "/": () => goBack(),
        Escape: () => goBack(),
      },
      theme: () => this.waterfall.draw(),
      dispose: () => this.waterfall.dispose(),
    };
  }

  // `keep`: the address says which span it is about.
  select(row, keep = true) {
    this.waterfall.select(row);
    this.drawer.show(row);
    if (!keep) return;
    const url = new URL(location.href);
    url.searchParams.set("span", this.data.id[row]);
    history.replaceState(null, "", url);
  }

  selectId(id) {
    const row = this.rowOf.get(id);
    if (row !== undefined) this.select(row);
  }

  nextError() {
    const { error } = this.data;
    const after = error.indexOf(1, this.waterfall.selected + 1);
    const row = after >= 0 ? after : error.indexOf(1);
    if (row >= 0) this.select(row);
  }
}
