// Building and drawing, without a framework.

// h("button", { class: "quiet", onclick: f, "data-x": 1 }, "text", child, [children])
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// Writes a text only where it changed, so that a live list does not flicker.
export function setText(element, text) {
  if (element.firstChild?.nodeType === Node.TEXT_NODE && element.childNodes.length === 1) {
    if (element.firstChild.data !== text) element.firstChild.data = text;
  } else element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

// A canvas fitted to its box in device pixels; returns its context in CSS pixels.
export function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

export function cssColours(...names) {
  const style = getComputedStyle(document.documentElement);
  return names.map((name) => style.getPropertyValue(name).trim());
}

// Once per frame at most, however often it is asked for.
export function oncePerFrame(work) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      work();
    });
  };
}

// A horizontal drag. `moved(from, to)` while it lasts, `done(from, to)` at its end, `clicked(x)` if it
// never went 4 px; x counts from the element's left edge.
export function onDrag(element, { moved, done, clicked, cancelled }) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const left = element.getBoundingClientRect().left;
    const from = event.clientX - left;
    let dragging = false;
    const move = (next) => {
      dragging ||= Math.abs(next.clientX - left - from) >= 4;
      if (dragging) moved(from, next.clientX - left);
    };
    const end = (last) => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", end);
      element.removeEventListener("pointercancel", end);
      if (last.type === "pointercancel") cancelled?.();
      else if (dragging) done(from, last.clientX - left);
      else clicked?.(from, last);
    };
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  });
}
