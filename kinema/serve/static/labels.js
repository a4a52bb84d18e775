// Labels that readers give to windows. The server keeps them; this holds what it said last, and asks it for changes.

import { get, post } from "./server.js";
import { make, plural, say } from "./status.js";

const COLOURS = ["#2f7fd0", "#d9642a", "#2f9e57", "#b14fc5", "#c79a12", "#d23f6e", "#1aa3a3", "#7a6ff0", "#8a7a5c"];
const AGAIN = 4000; // milliseconds between two looks for what others have changed

class Labels extends EventTarget {
  names = []; // in use, then those of this page that are not yet
  active = "";
  all = []; // { name, ids, window }
  given = new Map(); // window number -> one of them
  version = -1;
  undoable = null;

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
    const own = this.names.filter((name) => !this.count(name) && !state.names.includes(name));
    Object.assign(this, { version: state.version, undoable: state.undoable, all: state.labels });
    this.given = new Map(state.labels.flatMap((one) => one.ids.map((id) => [id, one])));
    this.names = [...state.names, ...own];
    if (!this.names.includes(this.active)) this.active = this.names[0] || "";
    for (const line of document.querySelectorAll(".unkept")) line.hidden = state.kept;
    const lost = document.getElementById("labels-lost");
    lost.hidden = !state.missing;
    lost.textContent = `${plural(state.missing, "label")} of videos that the library does not hold now.`;
    this.changed();
  }

  /** Have the server change something; the version that it became, or undefined. */
  async ask(change, content = {}) {
    try {
      const state = await post("/api/labels", { change, ...content });
      this.take(state);
      return state.made;
    } catch (error) {
      say(`${error.message}.`, "bad");
      return undefined;
    }
  }

  of = (number) => this.given.get(number)?.name || "";
  colour = (name) => COLOURS[Math.max(0, this.names.indexOf(name)) % COLOURS.length];
  count = (name) => this.all.filter((one) => one.name === name).length;
  used = () => this.names.filter((name) => this.count(name));

  add(name) {
    if (name && !this.names.includes(name)) this.names.push(name);
    this.active = name || this.active;
    this.changed();
  }

  set = (window, name) => this.ask("set", { window: window.id, name });

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
    const joins = this.count(to);
    const made = await this.ask("rename", { name, to });
    if (made === undefined) return;
    if (held) this.add(to);
    this.told(joins ? `Joined ${name} with ${to}.` : `Renamed ${name} to ${to}.`, made);
  }

  async clear() {
    const count = this.all.length;
    const made = await this.ask("clear");
    if (made !== undefined) this.told(`Removed ${plural(count, "label")}.`, made);
  }

  async undo(version = this.undoable) {
    if ((await this.ask("undo", { version })) !== undefined) say("Undone.");
  }

  told(sentence, version) {
    say(sentence, "", { text: "Undo", run: () => this.undo(version) });
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}

export const labels = new Labels();

/** The row of chips: one label is active, the last field makes a new one. */
function fill(row) {
  const chips = labels.names.map((name, number) => {
    const chip = make("button", { type: "button", className: "chip" }, name, make("small", {}, String(labels.count(name))));
    chip.style.setProperty("--of", labels.colour(name));
    chip.setAttribute("aria-pressed", String(name === labels.active));
    chip.title = number < 9 ? `key ${number + 1} on a card gives this label` : "";
    chip.addEventListener("click", () => labels.add(name));
    return chip;
  });
  const field = row.querySelector("input") || newField();
  field.placeholder = labels.names.length ? "another label" : "label, e.g. waving";
  row.replaceChildren(...chips, field);
}

function newField() {
  const field = make("input", { type: "text", maxLength: 60 });
  field.setAttribute("aria-label", "New label");
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !field.value.trim()) return;
    event.preventDefault();
    const window = labels.waiting;
    const name = field.value.trim();
    field.value = "";
    labels.add(name);
    if (window) labels.set(window, name);
    labels.waiting = null;
    field.focus();
  });
  return field;
}

labels.addEventListener("change", () => {
  for (const row of document.querySelectorAll(".labels")) {
    const writing = row.contains(document.activeElement) && document.activeElement.tagName === "INPUT";
    fill(row);
    if (writing) row.querySelector("input").focus();
  }
});
