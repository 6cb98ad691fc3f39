// The source of a span, in the drawer. It is asked for when it is opened: the file is read then.

import { h } from "./dom.js";
import { getJson, whileBusy } from "./http.js";

export class SourcePanel {
  constructor(traceId) {
    this.traceId = traceId;
    this.open = false; // stays as it was when another span is selected
  }

  draw(span) {
    const body = h("div", { class: "sources" });
    const panel = h("details", { class: "fold", open: this.open },
      h("summary", {}, "Source", h("span", { class: "note" }, span.place ? ` ${span.place}` : "")), body);
    panel.addEventListener("toggle", () => {
      this.open = panel.open;
      if (panel.open && !body.firstChild) this.fill(body, span);
    });
    return panel;
  }

  async fill(body, span) {
    try {
      const parameters = { trace: this.traceId, span: span.span_id };
      const found = await whileBusy(body, () => getJson("/api/v1/source", parameters));
      const parts = [...found.frames.map((frame) => excerpt(frame, "is-fault")), excerpt(found.function, "")];
      body.replaceChildren(...parts.filter(Boolean));
      if (!body.firstChild) body.append(h("p", { class: "note" }, "No source is known."));
    } catch (error) {
      body.replaceChildren(h("p", { class: "note" }, error.message));
    }
  }
}

function excerpt(part, kind) {
  if (!part) return null;
  const place = `${part.path.split("/").at(-1)}:${part.line}`;
  const head = h("div", { class: "frame", title: `${part.path}:${part.line}` },
    h("span", {}, place), ` ${part.name}`,
    part.captured ? h("span", { class: "note" }, " as it was then") : "");
  if (part.why) return h("div", { class: "excerpt" }, head, h("p", { class: "note" }, `Not shown: ${part.why}.`));
  const lines = part.lines.map((text, index) => {
    const number = part.first + index;
    const marked = number === part.line;
    return h("div", { class: marked ? `line is-marked ${kind}` : "line", "aria-current": marked && "true" },
      h("span", { class: "number" }, String(number)), h("code", {}, text || " "));
  });
  return h("div", { class: "excerpt" }, head,
    h("div", { class: "lines", tabindex: "0", role: "group", "aria-label": `Source of ${place}` },
      h("div", { class: "columns" }, lines)));
}
