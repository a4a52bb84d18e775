// The rows of chips: one label is active, the last field makes a new one.

import { labels } from "./labels.js";
import { make } from "./status.js";

function fill(row) {
  const chips = labels.names.map((name, number) => {
    const count = make("small", {}, labels.count(name).toLocaleString("en"));
    const chip = make("button", { type: "button", className: "chip" }, name, count);
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
