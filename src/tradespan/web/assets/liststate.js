// The trace list's state as it stands in the address, so that a link and the back button restore it.

const KEYS = ["q", "status", "group", "service", "slower", "faster", "range", "since", "until"];

export function readState(defaultRange, search = location.search) {
  const given = new URLSearchParams(search);
  const state = Object.fromEntries(KEYS.map((key) => [key, given.get(key) ?? ""]));
  state.range ||= defaultRange;
  return state;
}

export function toSearch(state, defaultRange) {
  const kept = KEYS.filter((key) => state[key] && !(key === "range" && state[key] === defaultRange));
  const text = new URLSearchParams(kept.map((key) => [key, state[key]])).toString();
  return text ? `?${text}` : "";
}

// Whether anything but the time is asked for.
export function isFiltered(state) {
  return KEYS.some((key) => !["range", "since", "until"].includes(key) && state[key] !== "");
}

export function withoutFilters(state) {
  return { ...state, q: "", status: "", group: "", service: "", slower: "", faster: "" };
}

// One moment in time is the end of what the list shows: nothing new can come.
export function isClosed(state) {
  return state.until !== "";
}

// --- rows -------------------------------------------------------------------------------------

const MOST_ROWS = 1000; // of a list that only ever follows

export class Rows {
  constructor() {
    this.list = [];
    this.next = null; // where the page after the last row begins
    this.total = 0;
    this.capped = false;
    this.took = 0;
  }

  replace(page) {
    this.list = page.rows;
    this.next = page.next;
    this.note(page);
  }

  append(page) {
    const known = new Set(this.list.map((row) => row.trace_id));
    this.list = [...this.list, ...page.rows.filter((row) => !known.has(row.trace_id))];
    this.next = page.next;
  }

  // How many rows of the newest page are not in the list yet.
  countNew(page) {
    const known = new Set(this.list.map((row) => row.trace_id));
    return page.rows.filter((row) => !known.has(row.trace_id)).length;
  }

  // What is in the list already: traces grow while their spans arrive.
  refresh(page) {
    const fresh = new Map(page.rows.map((row) => [row.trace_id, row]));
    this.list = this.list.map((row) => fresh.get(row.trace_id) ?? row);
    this.note(page);
  }

  // The newest page on top. If it does not reach down to the list there would be a hole: start anew.
  merge(page) {
    const known = new Set(this.list.map((row) => row.trace_id));
    if (page.next && !page.rows.some((row) => known.has(row.trace_id))) return this.replace(page);
    const fresh = new Set(page.rows.map((row) => row.trace_id));
    this.list = [...page.rows, ...this.list.filter((row) => !fresh.has(row.trace_id))];
    this.list.sort((a, b) => b.start - a.start);
    if (this.list.length > MOST_ROWS) {
      this.list.length = MOST_ROWS;
      this.next = this.list.at(-1).position;
    } else if (this.list.length <= page.rows.length) this.next = page.next;
    this.note(page);
  }

  note({ total, capped, took_ms }) {
    Object.assign(this, { total, capped, took: took_ms });
  }

  indexOf(traceId) {
    return this.list.findIndex((row) => row.trace_id === traceId);
  }
}
