// Rows of one height, of which only those in sight exist: 10,000 scroll like 30.

const OVERSCAN = 8;

export class VirtualRows {
  // scroller: what scrolls. host: holds the rows, somewhere inside it. create(): an empty row.
  // update(element, index): shows a row in it.
  constructor({ scroller, host, rowHeight, create, update }) {
    Object.assign(this, { scroller, host, rowHeight, create, update });
    this.count = 0;
    this.shown = new Map();
    this.spare = [];
    this.onScroll = () => this.draw(false);
    scroller.addEventListener("scroll", this.onScroll, { passive: true });
    this.observer = new ResizeObserver(this.onScroll);
    this.observer.observe(scroller);
  }

  setCount(count) {
    this.count = count;
    this.host.style.height = `${count * this.rowHeight}px`;
    this.draw(true);
  }

  // `all`: what is shown already is shown anew.
  draw(all = true) {
    const [first, last] = this.range();
    for (const [index, element] of this.shown) {
      if (index < first || index >= last) {
        this.shown.delete(index);
        this.spare.push(element);
      }
    }
    for (let index = first; index < last; index++) {
      let element = this.shown.get(index);
      if (element && !all) continue;
      if (!element) {
        element = this.spare.pop() ?? this.create();
        element.style.transform = `translateY(${index * this.rowHeight}px)`;
        element.setAttribute("aria-rowindex", index + 2); // the head is row 1
        this.shown.set(index, element);
        if (!element.isConnected) this.host.append(element);
        element.hidden = false;
      }
      this.update(element, index);
    }
    for (const element of this.spare) element.hidden = true;
  }

  range() {
    const top = this.offset();
    const first = Math.floor(top / this.rowHeight) - OVERSCAN;
    const last = Math.ceil((top + this.scroller.clientHeight) / this.rowHeight) + OVERSCAN;
    return [Math.max(0, Math.min(first, this.count)), Math.max(0, Math.min(last, this.count))];
  }

  // How far the top of the scroller is below the first row's.
  offset() {
    return this.scroller.getBoundingClientRect().top - this.host.getBoundingClientRect().top;
  }

  indexOf(element) {
    for (const [index, shown] of this.shown) if (shown === element) return index;
    return -1;
  }

  // Brings a row into sight, `above` and `below` px away from what sticks at the edges.
  reveal(index, above = 0, below = 0) {
    const top = index * this.rowHeight - this.offset();
    const bottom = top + this.rowHeight;
    if (top < above) this.scroller.scrollTop += top - above;
    else if (bottom > this.scroller.clientHeight - below) {
      this.scroller.scrollTop += bottom - this.scroller.clientHeight + below;
    }
    this.draw(false);
  }

  dispose() {
    this.scroller.removeEventListener("scroll", this.onScroll);
    this.observer.disconnect();
  }
}
