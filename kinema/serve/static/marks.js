// The hand-made labels of the video that is open: what the server keeps, and single changes of it, each of which can be undone.

import { labels } from "./labels.js";
import { get } from "./server.js";
import { say } from "./status.js";

const AFTER = 150; // milliseconds from the last change of the view to another question, in a video of very many labels

export class Marks extends EventTarget {
  video = null;
  all = []; // { id, version, start, end, class, subject, by, at }, sorted by their start
  total = 0;
  version = -1;
  chosen = null; // the id of one
  subject = ""; // who does what is labelled next
  done = []; // versions that this page has made, to be undone
  undone = []; // and those that it has undone
  busy = false; // what is asked for comes with its answer

  constructor(axis) {
    super();
    this.axis = axis;
    labels.addEventListener("change", () => this.video && !this.busy && labels.version > this.version && this.load());
    axis.addEventListener("change", () => {
      if (!this.video || this.total <= this.all.length || (this.held[0] <= axis.from && this.held[1] >= axis.to)) return;
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.load(), AFTER);
    });
  }

  async open(video) {
    Object.assign(this, { video, all: [], total: 0, version: -1, chosen: null, done: [], undone: [], held: [0, Infinity] });
    await this.load();
  }

  /** Take up what the server has: of all the video, or, where that is too much at once, of what is seen. */
  async load() {
    const { video, axis } = this;
    const part = this.total > this.all.length ? [Math.max(0, axis.from - axis.span), axis.to + axis.span] : [0, axis.duration + 1];
    const asked = `/api/labels?video=${video}&start=${part[0].toFixed(3)}&end=${part[1].toFixed(3)}`;
    const found = await get(asked).catch((error) => say(`${error.message}.`, "bad"));
    if (!found || this.video !== video || found.version < this.version) return;
    const more = found.total > found.labels.length;
    Object.assign(this, { all: found.labels, total: found.total, version: found.version, held: more ? part : [0, Infinity] });
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }

  get current() {
    return this.all.find((one) => one.id === this.chosen) || null;
  }

  choose(mark) {
    this.chosen = mark?.id ?? null;
    this.tell();
  }

  /** The one after the chosen one, or before it; without a chosen one the nearest after, or before, a time. */
  neighbour(way, time) {
    const place = this.all.findIndex((one) => one.id === this.chosen);
    if (place >= 0) return this.all[place + way] || null;
    return way > 0 ? this.all.find((one) => one.start >= time) || null : this.all.findLast((one) => one.start <= time) || null;
  }

  /** The next of the chosen one's class and subject, which it may be merged with. */
  mate() {
    const { current } = this;
    if (!current) return null;
    const alike = (one) => one.class === current.class && one.subject === current.subject && one.id !== current.id;
    return this.all.find((one) => alike(one) && one.start >= current.start) || null;
  }

  /** Have the server change something, all of it or nothing; what it says, or undefined. */
  async ask(acts) {
    const { video } = this;
    this.busy = true;
    const answer = await labels.act(...acts);
    this.busy = false;
    if (!answer) {
      await this.load(); // another may have changed it
      return undefined;
    }
    if (answer.made !== null) {
      this.done.push(answer.made);
      this.undone = [];
    }
    if (video === this.video) this.take(acts, answer);
    return answer;
  }

  take(acts, answer) {
    const gone = new Set(acts.filter((act) => act.act === "remove").map((act) => act.id));
    const now = new Map(this.all.filter((one) => !gone.has(one.id)).map((one) => [one.id, one]));
    const before = now.size;
    for (const one of answer.labels) now.set(one.id, one);
    this.total += now.size - before - gone.size;
    this.all = [...now.values()].sort((one, other) => one.start - other.start || one.id - other.id);
    this.version = answer.version;
    this.tell();
  }

  async add(start, end, name) {
    const subject = this.subject || null;
    const answer = await this.ask([{ act: "add", video: this.video, start, end, class: name, subject }]);
    if (answer) {
      this.chosen = answer.ids[0];
      say(`Labelled ${name}.`);
    }
    this.tell();
    return answer;
  }

  change = (mark, what) => this.ask([{ act: "change", id: mark.id, version: mark.version, ...what }]);
  remove = (mark) => this.ask([{ act: "remove", id: mark.id, version: mark.version }]);

  /** Make two of one, at a time within it. */
  split(mark, time) {
    const { id, version, end, subject } = mark;
    const rest = { act: "add", video: this.video, start: time, end, class: mark.class, subject };
    return this.ask([{ act: "change", id, version, end: time }, rest]);
  }

  /** Make one of two; the first stays. */
  merge(mark, other) {
    const [start, end] = [Math.min(mark.start, other.start), Math.max(mark.end, other.end)];
    const change = { act: "change", id: mark.id, version: mark.version, start, end };
    return this.ask([change, { act: "remove", id: other.id, version: other.version }]);
  }

  undo = () => this.step("undo", this.done, this.undone);
  redo = () => this.step("redo", this.undone, this.done);

  async step(way, from, to) {
    const version = from.pop();
    const done = await labels.ask(`/api/labels/${way}`, version === undefined ? {} : { version });
    if (!done) return;
    if (version !== undefined) to.push(version);
    say(way === "undo" ? "Undone." : "Done again.");
  }
}
