// Choosing a part of a clip on a strip of its frames: two handles, by pointer or by keys, or its times, typed. The strip
// shows all of the clip or, closer, some of it.

import { clock, seconds } from "./status.js";

const strip = document.getElementById("strip");
const image = strip.querySelector("img");
const handles = { from: document.getElementById("from"), to: document.getElementById("to") };
const typed = { from: document.getElementById("from-typed"), to: document.getElementById("to-typed") };
const buttons = Object.fromEntries(["closer", "farther", "earlier", "later"].map((name) => [name, document.getElementById(`strip-${name}`)]));
const LEAST = 0.1; // seconds of a part
const NEAREST = 1; // seconds that the strip shows at least
const SOON = 150; // milliseconds from the last step to another picture

class Strip extends EventTarget {
  duration = 1;
  from = 0;
  to = 1;
  view = [0, 1]; // seconds that the strip shows

  /** Show another clip; `from` and `to` in seconds are all of it unless given. */
  open(picture, duration, from = 0, to = duration) {
    this.picture = picture;
    this.duration = Math.max(duration, LEAST);
    from = Math.min(Math.max(0, from), this.duration - LEAST);
    Object.assign(this, { from, to: Math.min(Math.max(to, from + LEAST), this.duration) });
    this.look(0, this.duration);
  }

  /** Show none. */
  close() {
    clearTimeout(this.waiting);
    image.removeAttribute("src");
  }

  move(which, to) {
    const [low, high] = which === "from" ? [0, this.to - LEAST] : [this.from + LEAST, this.duration];
    this[which] = Math.min(Math.max(to, low), high);
    this.draw();
  }

  /** Show the seconds from `start` to `end`, as far as there are any. */
  look(start, end) {
    const length = Math.min(Math.max(end - start, Math.min(NEAREST, this.duration)), this.duration);
    start = Math.min(Math.max(0, start), this.duration - length);
    this.view = [start, start + length];
    clearTimeout(this.waiting);
    const address = `${this.picture}?start=${start.toFixed(2)}&end=${(start + length).toFixed(2)}`;
    if (!image.src.endsWith(address)) this.waiting = setTimeout(() => (image.src = address), SOON);
    this.draw();
  }

  /** Show `factor` times as much, or less, around the middle of the part. */
  zoom(factor, middle = (this.from + this.to) / 2) {
    const half = ((this.view[1] - this.view[0]) * factor) / 2;
    this.look(middle - half, middle + half);
  }

  pan(share) {
    const step = share * (this.view[1] - this.view[0]);
    this.look(this.view[0] + step, this.view[1] + step);
  }

  /** Let the strip show a handle that was moved out of it. */
  follow(which) {
    const [start, end] = this.view;
    if (this[which] < start) this.pan((this[which] - start) / (end - start) - 0.1);
    else if (this[which] > end) this.pan((this[which] - end) / (end - start) + 0.1);
  }

  draw() {
    const [start, end] = this.view;
    for (const which of ["from", "to"]) {
      const place = (this[which] - start) / (end - start);
      strip.style.setProperty(`--${which}`, `${100 * Math.min(1, Math.max(0, place))}%`);
      const handle = handles[which];
      handle.classList.toggle("beyond", place < 0 || place > 1);
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute("aria-valuemax", this.duration.toFixed(2));
      handle.setAttribute("aria-valuenow", this[which].toFixed(2));
      handle.setAttribute("aria-valuetext", clock(this[which]));
      if (document.activeElement !== typed[which]) typed[which].value = clock(this[which]);
    }
    const whole = end - start >= this.duration - 1e-6;
    buttons.closer.disabled = end - start <= Math.min(NEAREST, this.duration) + 1e-6;
    buttons.farther.disabled = whole;
    buttons.earlier.disabled = start <= 1e-6;
    buttons.later.disabled = end >= this.duration - 1e-6;
    document.getElementById("strip-said").textContent = whole ? "" : `${clock(start)} – ${clock(end)} of ${clock(this.duration)}`;
  }
}

export const part = new Strip();
const changed = () => part.dispatchEvent(new Event("change"));

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

for (const which of ["from", "to"]) {
  handles[which].addEventListener("keydown", (event) => {
    const step = Math.max(0.1, (part.view[1] - part.view[0]) / 200) * (event.shiftKey ? 10 : 1);
    if (event.key in STEPS) part.move(which, part[which] + step * STEPS[event.key]);
    else if (event.key === "Home") part.move(which, 0);
    else if (event.key === "End") part.move(which, part.duration);
    else if (event.key === "+" || event.key === "-") part.zoom(event.key === "+" ? 0.5 : 2, part[which]);
    else if (event.key === "Enter") strip.closest("form").requestSubmit();
    else return;
    event.preventDefault();
    part.follow(which);
    changed();
  });
  const take = () => {
    const wanted = seconds(typed[which].value);
    if (Number.isFinite(wanted)) part.move(which, wanted);
    typed[which].value = clock(part[which]); // what was not understood, or lies outside, is put right
    part.follow(which);
    changed();
  };
  typed[which].addEventListener("change", take);
  typed[which].addEventListener("focus", () => typed[which].select());
  typed[which].addEventListener("keydown", (event) => event.key === "Enter" && take()); // before the form is sent
}

buttons.closer.addEventListener("click", () => part.zoom(0.5));
buttons.farther.addEventListener("click", () => part.zoom(2));
buttons.earlier.addEventListener("click", () => part.pan(-0.5));
buttons.later.addEventListener("click", () => part.pan(0.5));

// A pointer moves the handle that is nearer.
let held = null;
const place = (event) => {
  const box = strip.getBoundingClientRect();
  return part.view[0] + ((part.view[1] - part.view[0]) * (event.clientX - box.left)) / box.width;
};
strip.addEventListener("pointerdown", (event) => {
  const at = place(event);
  held = Math.abs(at - part.from) <= Math.abs(at - part.to) ? "from" : "to";
  strip.setPointerCapture(event.pointerId);
  part.move(held, at);
  handles[held].focus();
  event.preventDefault();
});
strip.addEventListener("pointermove", (event) => held && part.move(held, place(event)));
for (const end of ["pointerup", "pointercancel"]) {
  strip.addEventListener(end, () => {
    if (held) changed();
    held = null;
  });
}
strip.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.deltaX) return; // the page scrolls as ever
    event.preventDefault();
    if (event.deltaX && !event.ctrlKey) part.pan(event.deltaX / 400);
    else part.zoom(event.deltaY > 0 ? 1.25 : 0.8, place(event));
  },
  { passive: false },
);
