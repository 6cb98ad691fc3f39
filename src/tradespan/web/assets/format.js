// Numbers and times as people read them. `web/format.py` says the same on the server.

export const MS = 1e6;
const SECOND = 1e9;

// A duration in nanoseconds: 640 ns, 12.5 µs, 9.8 ms, 2.04 s, 4 m 07 s, 3 h 12 m.
export function duration(ns) {
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 1e5) return `${(ns / 1e3).toFixed(1)} µs`;
  if (ns < 999.95 * MS) return `${(ns / MS).toFixed(1)} ms`;
  if (ns < 59.995 * SECOND) return `${(ns / SECOND).toFixed(2)} s`;
  return age(ns);
}

// A long time in nanoseconds, to its two largest units.
export function age(ns) {
  const seconds = Math.floor(ns / SECOND);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${pad(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${pad(minutes % 60)} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function count(number) {
  return number.toLocaleString("en-US");
}

export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

// A function with what it stands in alone: Momentum.decide, risk.check.
export function shortName(name) {
  if (!/^[\p{L}\p{N}_<>]+(\.[\p{L}\p{N}_<>]+)+$/u.test(name)) return name;
  return name.split(".").filter((part) => part !== "<locals>").slice(-2).join(".");
}

// 14:27:58.092 in the reader's zone; `ms` since 1970.
export function clock(ms, { millis = true } = {}) {
  const date = new Date(ms);
  const text = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return millis ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

// `20 Nov` if the moment is not of today, else nothing.
export function dayUnlessToday(ms) {
  const date = new Date(ms);
  if (date.toDateString() === new Date().toDateString()) return "";
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

// A text of the server's with its `HH:MM:SS UTC` in the reader's zone; `ms`: which moment that is.
export function inReadersZone(text, ms) {
  return ms ? text.replace(/\d\d:\d\d:\d\d UTC/, `${clock(ms, { millis: false })} ${zone(ms)}`) : text;
}

export function moment(ms) {
  return [dayUnlessToday(ms), clock(ms), zone(ms)].filter(Boolean).join(" ");
}

// The reader's time zone as it is called at that moment: CET, UTC, GMT+5.
export function zone(ms = Date.now()) {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(ms);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

// Round steps for an axis: at most `most` of them from `from` to `to`, in 1, 2, 5 times ten.
export function ticks(from, to, most) {
  const raw = (to - from) / Math.max(most, 1);
  if (!(raw > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw * 0.999);
  const result = [];
  for (let at = Math.ceil(from / step - 1e-9) * step; at <= to * (1 + 1e-9); at += step) result.push(at);
  return result;
}

// A tick's text in the unit of the axis's full length, with as many digits as the step needs.
export function tickText(ns, step, length) {
  const [unit, name] =
    length < 1e3 ? [1, "ns"] : length < 1e6 ? [1e3, "µs"] : length < 1e9 ? [MS, "ms"] : [SECOND, "s"];
  const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step / unit) - 1e-9)));
  return `${(ns / unit).toFixed(digits)} ${name}`;
}

function pad(number) {
  return String(number).padStart(2, "0");
}
