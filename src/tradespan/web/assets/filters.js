// The search box, the choices beside it, and the tools in the bar above the list.

import { h, setText } from "./dom.js";
import { clock, dayUnlessToday } from "./format.js";

const TYPING = 250; // ms of rest after which a search starts

export class Filters {
  // onChange(change, settled): the reader wants other traces. onLive(): pause or resume.
  constructor(choices, { onChange, onLive }) {
    this.choices = choices;
    this.onChange = onChange;
    this.offered = { groups: [], services: [] };
    this.asked = ""; // the search as it was last typed or shown; what is being typed is left alone
    this.search = h("input", {
      type: "search", class: "search", spellcheck: "false", autocomplete: "off", "aria-label": "Search",
      placeholder: "Search name, attribute or value — try symbol=AAPL status:err duration:>10ms",
      "aria-describedby": "search-complaint",
    });
    this.complaint = h("div", { class: "complaint", id: "search-complaint", role: "alert", hidden: true });
    this.status = this.choice("Status", "status", [["", "Status: all"], ["ok", "Status: OK"], ["err", "Status: error"], ["running", "Status: running"]]);
    this.group = this.choice("Group", "group", [["", "Group: all"]]);
    this.duration = this.makeDuration();
    this.service = this.choice("Service", "service", [["", "All services"]]);
    this.range = this.choice("Time range", "range", choices.ranges);
    this.live = h("button", { class: "pill-button live", type: "button", onclick: onLive, title: "Pause or resume (p)" },
      h("span", { class: "dot" }), h("span"));
    this.row = h("div", { class: "filters" },
      h("div", { class: "search-box" }, this.search, h("kbd", {}, "/"), this.complaint),
      this.status, this.group, this.duration);
    this.tools = [this.service, this.range, this.live];
    this.listen();
  }

  choice(label, key, options) {
    const select = h("select", { class: "choice", "aria-label": label },
      options.map(([value, text]) => h("option", { value }, text)));
    select.addEventListener("change", () => this.onChange({ [key]: select.value }));
    return select;
  }

  makeDuration() {
    const options = this.choices.durations.map((length) => [length, `Duration: ≥ ${spaced(length)}`]);
    return this.choice("Duration", "slower", [["", "Duration: all"], ...options]);
  }

  listen() {
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(false), TYPING);
    });
    this.search.addEventListener("change", () => this.ask(true));
  }

  ask(settled) {
    clearTimeout(this.timer);
    this.asked = this.search.value.trim();
    this.onChange({ q: this.asked }, settled);
  }

  focusSearch() {
    this.search.focus();
    this.search.select();
  }

  show(state, live) {
    this.state = state;
    if (state.q !== this.asked) {
      clearTimeout(this.timer);
      this.search.value = this.asked = state.q;
    }
    setChosen(this.status, state.status);
    setChosen(this.group, state.group, `Group: ${state.group}`);
    setChosen(this.duration, state.slower, `Duration: ≥ ${spaced(state.slower)}`);
    setChosen(this.service, state.service, state.service);
    this.showRange(state);
    const [dot, text] = this.live.children;
    const running = live && !state.until;
    dot.className = `dot ${running ? "good" : ""}`;
    setText(text, running ? "Live" : "Paused");
    this.live.setAttribute("aria-pressed", String(live));
    this.live.disabled = Boolean(state.until);
  }

  showRange({ range, since, until }) {
    this.range.querySelector("[data-own]")?.remove();
    if (since || until) {
      const from = since ? show(Number(since)) : "…";
      this.range.append(h("option", { value: "own", "data-own": true }, `${from} – ${until ? show(Number(until)) : "now"}`));
    }
    setChosen(this.range, since || until ? "own" : range);
    this.range.classList.toggle("is-set", Boolean(since || until));
  }

  // What the store knows by now: its groups and services.
  offer({ groups, services }) {
    if (groups.join() !== this.offered.groups.join()) {
      setOptions(this.group, [["", "Group: all"], ...groups.map((name) => [name, `Group: ${name}`])]);
    }
    if (services.join() !== this.offered.services.join()) {
      const all = services.length === 1 ? [["", services[0]]] : [["", "All services"]];
      const each = services.length === 1 ? [] : services.map((name) => [name, name]);
      setOptions(this.service, [...all, ...each]);
    }
    this.offered = { groups, services };
    this.show(this.state, this.live.getAttribute("aria-pressed") === "true");
  }

  // What is wrong with the search, and where; null: nothing.
  complain(error) {
    this.complaint.hidden = !error;
    this.search.toggleAttribute("aria-invalid", Boolean(error));
    if (!error) return;
    const { position } = error;
    const place = position === null ? [] : [
      h("code", {}, this.search.value.slice(0, position),
        h("mark", {}, this.search.value.slice(position, position + 1) || " "),
        this.search.value.slice(position + 1)),
      " ",
    ];
    this.complaint.replaceChildren(...place, error.message);
  }
}

function setOptions(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  select.value = chosen;
}

// A value that the list does not offer (from a link, or a group not seen yet) is added to it.
function setChosen(select, value, text) {
  if (value && ![...select.options].some((option) => option.value === value)) {
    select.append(h("option", { value }, text ?? value));
  }
  if (select.value !== value) select.value = value;
  if (select.getAttribute("aria-label") !== "Time range") select.classList.toggle("is-set", value !== "");
}

function spaced(length) {
  return length.replace(/^([\d.]+)/, "$1 ");
}

function show(ms) {
  return [dayUnlessToday(ms), clock(ms, { millis: false })].filter(Boolean).join(" ");
}
