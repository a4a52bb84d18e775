// The labels of the index. The server keeps them; this holds what it said last of those that are shown, and asks it for changes.

import { get, post } from "./server.js";
import { plural, say } from "./status.js";

const AGAIN = 4000; // milliseconds between two looks for what others have changed
const AT_A_TIME = 200; // windows that are asked about
const UNKNOWN = "#808080"; // the colour of a name that is no class yet

class Labels extends EventTarget {
  classes = []; // { name, colour, count, seconds }
  names = []; // of classes, then those of this page that are none yet
  active = "";
  by = ""; // who changes them
  given = new Map(); // window number -> { classes, labels }, of the windows that are shown
  version = -1;
  total = 0;
  undoable = null;
  redoable = null;
  recoloured = -1; // the version in which this page has changed but a colour
  soon = 0;

  /** Take up what the server keeps, now and whenever another has changed it. */
  async open() {
    await this.look();
    setInterval(() => document.visibilityState === "visible" && this.look(), AGAIN);
    document.addEventListener("visibilitychange", () => this.look());
  }

  async look() {
    const state = await get(`/api/labels?since=${this.version}`).catch(() => null);
    if (state) this.take(state);
  }

  take(state) {
    if (state.version < this.version) return; // an answer that was overtaken
    const { version, classes, total, undoable, redoable } = state;
    const named = classes.map((one) => one.name);
    const own = this.names.filter((name) => !named.includes(name) && !this.classes.some((one) => one.name === name));
    Object.assign(this, { version, classes, total, undoable, redoable, names: [...named, ...own] });
    if (!this.names.includes(this.active)) this.active = this.names[0] || "";
    for (const line of document.querySelectorAll(".unkept")) line.hidden = state.kept;
    const lost = document.getElementById("labels-lost");
    lost.hidden = !state.missing;
    lost.textContent = `${plural(state.missing, "label")} of videos that the library does not hold now.`;
    this.changed();
    this.refresh();
  }

  /** Have the server do acts; its answer, or undefined. Where another was faster, what there is now is shown. */
  async act(...acts) {
    return this.ask("/api/labels", { acts });
  }

  async ask(address, content) {
    try {
      const state = await post(address, this.by ? { ...content, by: this.by } : content);
      this.take(state);
      return state;
    } catch (error) {
      if (error.answer?.version !== undefined) this.take(error.answer);
      say(`${error.message}.`, "bad");
      return undefined;
    }
  }

  /** Learn what the windows that are shown are labelled; soon, since cards come by the dozen. */
  want() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.refresh(), 30);
  }

  async refresh() {
    const version = this.version;
    const shown = new Set([...document.querySelectorAll("[data-window]")].map((one) => one.dataset.window));
    const wanted = [...shown];
    const parts = [];
    for (let at = 0; at < wanted.length; at += AT_A_TIME) parts.push(wanted.slice(at, at + AT_A_TIME).join(","));
    const answers = await Promise.all(parts.map((part) => get(`/api/labels?windows=${part}`))).catch(() => null);
    if (!answers || version !== this.version) return; // what comes with the next version is asked for then
    this.given = new Map(answers.flatMap((one) => Object.entries(one.windows)).map(([id, one]) => [Number(id), one]));
    this.changed();
  }

  of = (number) => this.given.get(number)?.classes.join(", ") || "";
  colour = (name) => this.classes.find((one) => one.name === name)?.colour || UNKNOWN;
  colourOf = (number) => this.colour(this.given.get(number)?.classes[0]);
  count = (name) => this.classes.find((one) => one.name === name)?.count || 0;
  used = () => this.classes.filter((one) => one.count).map((one) => one.name);

  add(name) {
    if (name && !this.names.includes(name)) this.names.push(name);
    this.active = name || this.active;
    this.changed();
  }

  /** Give a window a label in place of those that begin and end with it; null takes them off. */
  async set(window, name) {
    const mine = this.given.get(window.id)?.labels || [];
    const [first, ...rest] = mine.map(({ id, version }) => ({ id, version }));
    if (first && name) await this.act({ act: "change", ...first, class: name }, ...rest.map((one) => ({ act: "remove", ...one })));
    else if (first) await this.act(...[first, ...rest].map((one) => ({ act: "remove", ...one })));
    else if (name) await this.act({ act: "add", window: window.id, class: name });
    else say(`${window.name} is within a longer label here, which stays.`);
  }

  /** Take a window's label off, or give it the active one; without one, ask for its name. */
  toggle(window) {
    if (this.of(window.id)) this.set(window, null);
    else if (this.active) this.set(window, this.active);
    else {
      this.waiting = window;
      document.querySelector("dialog[open]")?.close();
      document.querySelector("[role=tabpanel]:not([hidden]) .labels input")?.focus();
    }
  }

  async rename(name, to) {
    const held = this.active === name;
    const joins = this.classes.some((one) => one.name === to);
    const done = await this.act({ act: "rename", class: name, to });
    if (!done) return;
    if (held) this.add(to);
    this.told(joins ? `Joined ${name} with ${to}.` : `Renamed ${name} to ${to}.`, done.made);
  }

  recolour(name, colour) {
    this.recoloured = this.version + 1; // if nobody is faster
    return this.act({ act: "colour", class: name, colour });
  }

  async delete(name) {
    const count = this.count(name);
    const done = await this.act({ act: "delete", class: name });
    if (done) this.told(`Deleted ${name} with ${plural(count, "label")}.`, done.made);
  }

  async clear() {
    const count = this.total;
    const done = await this.act({ act: "clear" });
    if (done) this.told(`Removed ${plural(count, "label")}.`, done.made);
  }

  async undo(version = this.undoable) {
    if (await this.ask("/api/labels/undo", { version })) say("Undone.");
  }

  async redo() {
    if (await this.ask("/api/labels/redo", { version: this.redoable })) say("Done again.");
  }

  told(sentence, version) {
    say(sentence, "", version === null ? null : { text: "Undo", run: () => this.undo(version) });
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}

export const labels = new Labels();
