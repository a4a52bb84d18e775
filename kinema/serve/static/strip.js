// Choosing a part of a clip on a strip of its frames: two handles, by pointer or by keys.

const strip = document.getElementById("strip");
const handles = { from: document.getElementById("from"), to: document.getElementById("to") };
const said = { from: document.getElementById("from-said"), to: document.getElementById("to-said") };
const LEAST = 0.1; // seconds

class Strip extends EventTarget {
  duration = 1;
  from = 0;
  to = 1;

  /** Show another clip; `from` and `to` in seconds are all of it unless given. */
  open(picture, duration, from = 0, to = duration) {
    strip.querySelector("img").src = picture;
    this.duration = Math.max(duration, LEAST);
    Object.assign(this, { from: Math.min(from, this.duration - LEAST), to: Math.min(to, this.duration) });
    this.draw();
  }

  move(which, seconds) {
    const [low, high] = which === "from" ? [0, this.to - LEAST] : [this.from + LEAST, this.duration];
    this[which] = Math.min(Math.max(seconds, low), high);
    this.draw();
  }

  draw() {
    for (const which of ["from", "to"]) {
      strip.style.setProperty(`--${which}`, `${(100 * this[which]) / this.duration}%`);
      const handle = handles[which];
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute("aria-valuemax", this.duration.toFixed(2));
      handle.setAttribute("aria-valuenow", this[which].toFixed(2));
      said[which].textContent = this[which].toFixed(1);
    }
  }
}

export const part = new Strip();

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

for (const which of ["from", "to"]) {
  handles[which].addEventListener("keydown", (event) => {
    const step = Math.max(0.1, part.duration / 200) * (event.shiftKey ? 10 : 1);
    if (event.key in STEPS) part.move(which, part[which] + step * STEPS[event.key]);
    else if (event.key === "Home") part.move(which, 0);
    else if (event.key === "End") part.move(which, part.duration);
    else if (event.key === "Enter") strip.closest("form").requestSubmit();
    else return;
    event.preventDefault();
    part.dispatchEvent(new Event("change"));
  });
}

// A pointer moves the handle that is nearer.
let held = null;
const place = (event) => {
  const box = strip.getBoundingClientRect();
  return (part.duration * (event.clientX - box.left)) / box.width;
};
strip.addEventListener("pointerdown", (event) => {
  const seconds = place(event);
  held = Math.abs(seconds - part.from) <= Math.abs(seconds - part.to) ? "from" : "to";
  strip.setPointerCapture(event.pointerId);
  part.move(held, seconds);
  handles[held].focus();
  event.preventDefault();
});
strip.addEventListener("pointermove", (event) => held && part.move(held, place(event)));
for (const end of ["pointerup", "pointercancel"]) {
  strip.addEventListener(end, () => {
    if (held) part.dispatchEvent(new Event("change"));
    held = null;
  });
}
