// The time axis of a timeline: which seconds are seen, and where on the screen they lie. From hours to frames.

const FEWEST = 4; // frames that are seen at least
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400]; // seconds

export class Axis extends EventTarget {
  duration = 1;
  fps = 25;
  width = 1; // pixels
  from = 0;
  to = 1;

  /** Another video, all of it. */
  open(duration, fps) {
    Object.assign(this, { duration: Math.max(duration, 0.1), fps: fps || 25 });
    this.look(0, this.duration);
  }

  get span() {
    return this.to - this.from;
  }

  /** The pixel of a time. */
  x = (time) => ((time - this.from) / this.span) * this.width;

  /** The time of a pixel, within the video. */
  time = (x) => Math.min(this.duration, Math.max(0, this.from + (x / this.width) * this.span));

  /** See the seconds from `from` to `to`, as far as there are any. */
  look(from, to) {
    const least = Math.min(this.duration, FEWEST / this.fps);
    const span = Math.min(this.duration, Math.max(to - from, least));
    const middle = (from + to) / 2;
    const start = Math.min(Math.max(0, middle - span / 2), this.duration - span);
    [this.from, this.to] = [start, start + span];
    this.dispatchEvent(new Event("change"));
  }

  /** See `factor` times as many seconds; the time `at` keeps its place. */
  zoom(factor, at = (this.from + this.to) / 2) {
    const least = Math.min(this.duration, FEWEST / this.fps);
    const span = Math.min(this.duration, Math.max(least, this.span * factor));
    const from = at - ((at - this.from) / this.span) * span;
    this.look(from, from + span);
  }

  pan(seconds) {
    this.look(this.from + seconds, this.to + seconds);
  }

  /** Bring a time into view, if it is out of it. */
  reveal(time) {
    if (time < this.from || time > this.to) this.pan(time - this.from - 0.1 * this.span);
  }

  /** The nearest beginning of a frame. */
  snap = (time) => Math.min(this.duration, Math.max(0, Math.round(time * this.fps) / this.fps));

  /** Times to be named, and how many digits of a second tell them apart. */
  ticks() {
    const room = (this.span / this.width) * 90; // seconds that a name takes
    const frame = 1 / this.fps;
    const step = [frame, 2 * frame, 5 * frame, ...STEPS].find((one) => one >= room) ?? 28800;
    const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 3;
    const times = [];
    for (let n = Math.ceil(this.from / step - 1e-9); n * step <= this.to; n += 1) times.push(n * step);
    return { times, digits };
  }
}

/** Seconds as 1:02:03 with so many digits behind. */
export function stamp(seconds, digits = 0) {
  const unit = 10 ** digits;
  const whole = Math.round(seconds * unit);
  const rest = ((whole % (60 * unit)) / unit).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const minutes = Math.floor(whole / (60 * unit));
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}
