// Labels that the reader gives to windows. They are kept in the browser, so that reloading the page loses none.

import { make } from "./status.js";

const COLOURS = ["#2f7fd0", "#d9642a", "#2f9e57", "#b14fc5", "#c79a12", "#d23f6e", "#1aa3a3", "#7a6ff0", "#8a7a5c"];

class Labels extends EventTarget {
  names = [];
  active = "";
  given = new Map(); // window number -> { name, window }

  /** Take up what was kept for a library. */
  open(library) {
    this.key = `kinema labels of ${library}`;
    try {
      const kept = JSON.parse(localStorage.getItem(this.key) || "{}");
      this.names = kept.names || [];
      this.given = new Map((kept.given || []).map((one) => [one.window.id, one]));
    } catch {
      localStorage.removeItem(this.key);
    }
    this.active = this.names[0] || "";
    this.changed();
  }

  of = (number) => this.given.get(number)?.name || "";
  colour = (name) => COLOURS[Math.max(0, this.names.indexOf(name)) % COLOURS.length];
  count = (name) => [...this.given.values()].filter((one) => one.name === name).length;
  used = () => this.names.filter((name) => this.count(name));
  asked = () => ({ labels: Object.fromEntries([...this.given].map(([number, one]) => [number, one.name])) });

  add(name) {
    if (name && !this.names.includes(name)) this.names.push(name);
    this.active = name || this.active;
    this.changed();
  }

  set(window, name) {
    const { id, name: video, start, end, strength, gone } = window;
    this.given.set(id, { name, window: { id, name: video, start, end, strength, gone } });
    this.changed();
  }

  /** Take a window's label off, or give it the active one; without one, ask for its name. */
  toggle(window) {
    if (this.given.delete(window.id)) this.changed();
    else if (this.active) this.set(window, this.active);
    else {
      this.waiting = window;
      document.querySelector("[role=tabpanel]:not([hidden]) .labels input")?.focus();
    }
  }

  clear() {
    this.given.clear();
    this.names = [];
    this.active = "";
    this.changed();
  }

  changed() {
    if (this.key) localStorage.setItem(this.key, JSON.stringify({ names: this.names, given: [...this.given.values()] }));
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
