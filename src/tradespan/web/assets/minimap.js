// The whole trace in one strip: every span a line. A drag chooses the stretch that the waterfall shows.

import { cssColours, fitCanvas, h, onDrag } from "./dom.js";

const HEIGHT = 44;
const PAD = 4;

export class Minimap {
  constructor(data, onZoom) {
    this.data = data;
    this.onZoom = onZoom;
    this.canvas = h("canvas", { role: "img", "aria-label": "All spans; drag to zoom" });
    this.window = h("div", { class: "window" });
    this.element = h("div", { class: "minimap", title: "Drag to zoom" }, this.canvas, this.window);
    this.drawn = "";
    onDrag(this.element, {
      moved: (from, to) => this.mark(Math.min(from, to), Math.max(from, to)),
      done: (from, to) => this.choose(Math.min(from, to), Math.max(from, to)),
      clicked: () => onZoom(0, data.duration),
    });
  }

  choose(from, to) {
    const { duration } = this.data;
    const width = this.element.clientWidth;
    this.onZoom((Math.max(0, from) / width) * duration, (Math.min(width, to) / width) * duration);
  }

  mark(from, to) {
    this.window.style.left = `${from}px`;
    this.window.style.width = `${to - from}px`;
  }

  draw([from, to]) {
    const width = this.element.clientWidth;
    const scale = width / Math.max(1, this.data.duration);
    this.mark(from * scale, to * scale);
    this.element.classList.toggle("is-zoomed", to - from < this.data.duration);
    const stamp = `${width} ${document.documentElement.dataset.theme}`;
    if (stamp === this.drawn || !width) return;
    this.drawn = stamp;
    const pen = fitCanvas(this.canvas, width, HEIGHT);
    const colours = cssColours(...Array.from({ length: 6 }, (_, i) => `--group-${i}`), "--group-none");
    const error = cssColours("--error")[0];
    const { begin, end, group, colours: numbers, error: failed } = this.data;
    const line = (HEIGHT - 2 * PAD) / begin.length;
    for (const pass of [0, 1]) {
      begin.forEach((start, row) => {
        if (failed[row] !== pass) return;
        pen.fillStyle = pass ? error : colours.at(numbers[group[row]]);
        const left = start * scale;
        const size = Math.max(pass ? 2 : 1, (end[row] - start) * scale);
        pen.fillRect(left, PAD + row * line, size, Math.max(pass ? 1.5 : 0.8, line * 0.8));
      });
    }
  }

  dispose() {
    this.element.remove();
  }
}
