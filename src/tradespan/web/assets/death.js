// The last death, above the list: how it came, in which calls, and the way to them.

import { h } from "./dom.js";
import { inReadersZone } from "./format.js";
import { followLink } from "./shell.js";

export class DeathNotice {
  constructor() {
    this.element = h("p", { class: "death", role: "status", hidden: true });
    this.said = "null";
  }

  // `death`: { text, at, calls, trace } of the status, or null.
  show(death) {
    const said = JSON.stringify(death);
    if (said === this.said) return;
    this.said = said;
    this.element.hidden = !death;
    this.element.replaceChildren(...(death ? describe(death) : []));
  }
}

function describe({ text, at, calls, trace }) {
  const href = `/trace/${trace}`;
  const link = h("a", { href, onclick: (event) => followLink(event, href) }, "Look at the trace");
  return [h("b", {}, `The bot ${inReadersZone(text, at)}`), calls ? h("span", {}, `in ${calls}`) : null, trace ? link : null].filter(Boolean);
}
