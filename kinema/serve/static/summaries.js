// Summaries of a video at the level of zoom, from the server: of what is seen with as much on either side, and of all of it.

import { get } from "./server.js";

const AFTER = 60; // milliseconds from the last change of the view to the question
const AGAIN = 4000; // milliseconds after which what failed may be asked for again
const MOST = 4096; // bins
const COARSE = 1.6; // how much wider than a pixel bins may be before finer ones are asked for

export class Summary {
  /** `address` gives where it is, or "" where there is none; `draw` is called when it has come. */
  constructor(address, draw) {
    Object.assign(this, { address, draw, whole: null, near: null, error: "", waiting: 0, running: null });
  }

  /** Forget what is held; with `keep` it is shown until the new one has come. */
  clear(keep = false) {
    clearTimeout(this.waiting);
    this.running?.abort();
    this.running = null;
    if (!keep) this.whole = this.near = null;
    this.stale = true;
    this.error = "";
  }

  /** Have what the axis shows at hand, soon. */
  want(axis) {
    const address = this.address();
    if (!address || (this.error && !this.stale)) return;
    const pixel = axis.span / Math.min(axis.width, MOST);
    const fine = (held) => held && held.from <= axis.from && held.to >= axis.to && held.bin <= COARSE * pixel;
    if (!this.stale && (fine(this.near) || fine(this.whole))) return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(address, axis), this.stale ? 0 : AFTER);
  }

  async ask(address, axis) {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    const { signal } = mine;
    this.stale = false;
    this.error = "";
    const load = async (from, to, bins) => {
      const asked = `${address}${address.includes("?") ? "&" : "?"}from=${from.toFixed(4)}&to=${to.toFixed(4)}&bins=${bins}`;
      return { ...(await get(asked, signal)), from, to, bin: (to - from) / bins };
    };
    try {
      if (!this.whole || this.renew) this.whole = await load(0, axis.duration, Math.min(MOST, Math.max(1, Math.ceil(axis.width))));
      const side = axis.span * Math.min(1, Math.max(0, (MOST / axis.width - 1) / 2));
      const [from, to] = [Math.max(0, axis.from - side), Math.min(axis.duration, axis.to + side)];
      const bins = Math.min(MOST, Math.max(1, Math.ceil(axis.width * ((to - from) / axis.span))));
      if (axis.span < axis.duration / COARSE) this.near = await load(from, to, bins);
      else this.near = null;
      this.renew = false;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error.message;
      setTimeout(() => (this.stale = true), AGAIN);
    }
    this.draw();
    this.want(axis); // it may have moved on meanwhile
  }

  /** Ask again for what has changed; what is held is shown meanwhile. */
  again() {
    this.clear(true);
    this.renew = true;
    this.near = null;
  }

  /** What to draw of what the axis shows. */
  seen(axis) {
    const { near } = this;
    return near && near.from <= axis.from && near.to >= axis.to ? near : this.whole;
  }
}
