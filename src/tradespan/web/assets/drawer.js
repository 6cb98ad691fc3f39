// The drawer: everything about the selected span, in the order people look for it.

import { h } from "./dom.js";
import { counted, duration, shortName } from "./format.js";
import { getJson, whileBusy } from "./http.js";
import { followLink } from "./shell.js";
import { SourcePanel } from "./source.js";

const KEPT = 200; // spans whose details stay, so that stepping back costs nothing

export class Drawer {
  // onSelect(spanId): another span of this trace is wanted.
  constructor(host, data, onSelect) {
    Object.assign(this, { host, data, onSelect });
    this.known = new Map();
    this.source = new SourcePanel(data.trace_id);
    this.asking = false;
  }

  show(row) {
    this.row = row;
    const known = this.known.get(this.data.id[row]);
    if (known) this.draw(row, known);
    else this.ask();
  }

  // One question at a time: who runs through the rows gets the one where he stopped.
  async ask() {
    if (this.asking) return;
    this.asking = true;
    const { row } = this;
    const id = this.data.id[row];
    try {
      const path = `/api/v1/traces/${this.data.trace_id}/spans/${id}`;
      const span = await whileBusy(this.host, () => getJson(path));
      if (this.known.size >= KEPT) this.known.delete(this.known.keys().next().value);
      this.known.set(id, span);
      if (this.row === row) this.draw(row, span);
    } catch (error) {
      if (this.row === row) this.host.replaceChildren(h("p", { class: "note" }, error.message));
    }
    this.asking = false;
    if (this.row !== row) this.show(this.row);
  }

  draw(row, span) {
    this.host.replaceChildren(
      this.head(row, span),
      ...span.exceptions.map(showException),
      span.source ? this.source.draw(span) : "",
      table("Arguments", span.arguments),
      span.result === null ? "" : section("Result", h("pre", { class: "value" }, span.result)),
      span.status_message && !span.exceptions.length
        ? section("Status", h("p", { class: "fault-text" }, span.status_message)) : "",
      this.events(span),
      this.links(span),
      table("Attributes", span.attributes),
      fold("Function", span.function),
      fold("Resource", span.resource),
      fold("Span", this.identity(row, span)),
    );
    this.host.scrollTop = 0;
  }

  head(row, span) {
    const { data } = this;
    const begin = data.begin[row];
    const own = ownTime(data, row);
    const parts = [span.running ? `running for ${duration(span.duration)}` : duration(span.duration)];
    if (data.own[row] && !span.running) parts.push(`own ${duration(own)}`);
    if (begin) parts.push(`at +${duration(begin)}`);
    const badge = span.running ? h("span", { class: "badge running" }, "running")
      : span.status === "ERROR" ? h("span", { class: "badge error" }, "ERROR") : "";
    return h("header", { class: "drawer-head" },
      h("div", { class: "drawer-title" }, h("h2", { class: "mono", title: span.name }, shortName(span.name)), badge),
      h("p", { class: "note" }, parts.join(" · "), span.place ? [" · ", h("code", {}, span.place)] : ""));
  }

  identity(row, span) {
    const { data } = this;
    const parent = data.parent[row] >= 0 ? data.names[data.name[data.parent[row]]] : span.parent_id && "not in this store";
    return Object.fromEntries(Object.entries({
      "span id": span.span_id, parent: parent && `${span.parent_id} ${parent}`, kind: span.kind,
      status: span.running ? "running" : span.status, service: span.service, group: span.group, process: span.process, scope: span.scope,
    }).filter(([, value]) => value));
  }

  events(span) {
    if (!span.events.length) return "";
    return section("Events", span.events.map((event) => h("div", { class: "event" },
      h("div", {}, h("code", {}, event.name), h("span", { class: "note" }, ` +${duration(Math.max(0, event.offset))}`)),
      rows(event.attributes))));
  }

  links(span) {
    if (!span.links.length) return "";
    return section("Links", span.links.map((link) => {
      const here = link.trace_id === this.data.trace_id;
      const href = `/trace/${link.trace_id}?span=${link.span_id}`;
      const go = (event) => {
        if (!here) return followLink(event, href);
        event.preventDefault();
        this.onSelect(link.span_id);
      };
      return h("div", { class: "event" },
        h("a", { class: "mono", href, onclick: go }, here ? `span ${link.span_id}` : link.trace_id), rows(link.attributes));
    }));
  }
}

function ownTime(data, row) {
  const times = data.own[row] ?? [data.begin[row], data.end[row]];
  let sum = 0;
  for (let i = 0; i < times.length; i += 2) sum += times[i + 1] - times[i];
  return sum;
}

function showException({ type, message, frames, stacktrace }) {
  const head = h("div", { class: "fault-box" }, h("b", { title: type }, type.split(".").at(-1)), message ? `: ${message}` : "");
  const list = frames.map(({ file, path, line, name }) =>
    h("div", { class: "frame", title: `${path}:${line}` }, h("span", {}, `${file}:${line}`), ` ${name}`));
  const whole = stacktrace
    ? h("details", {}, h("summary", {}, "Traceback"),
      h("button", { class: "quiet", type: "button", "data-copy": stacktrace }, "Copy"),
      h("pre", { class: "value" }, stacktrace))
    : "";
  return section("Exception", head, h("div", { class: "frames" }, list), whole);
}

function section(title, ...content) {
  return h("section", {}, h("h3", {}, title), content);
}

function table(title, values) {
  return Object.keys(values).length ? section(title, rows(values)) : "";
}

function fold(title, values) {
  const size = Object.keys(values).length;
  if (!size) return "";
  return h("details", { class: "fold" }, h("summary", {}, title, h("span", { class: "note" }, ` ${counted(size, "value")}`)), rows(values));
}

function rows(values) {
  return h("dl", { class: "values" }, Object.entries(values).map(([key, value]) => {
    const hidden = value === "***";
    return h("div", { class: key.length + value.length > 34 ? "is-long" : "" },
      h("dt", {}, key),
      h("dd", { class: hidden ? "redacted" : "" },
        hidden ? "redacted" : value,
        hidden ? "" : h("button", { class: "copy", type: "button", "data-copy": value, "aria-label": `Copy ${key}`, title: "Copy" })));
  }));
}
