// The keys of the timeline: what each does, the line that names them, and the table that "?" opens.

import { make } from "./status.js";

/** Acts by name: keys, and what they do in words. Buttons name an act in data-act. */
export const ACTS = {
  play: { keys: ["Space"], said: "play or pause" },
  back: { keys: [","], said: "a frame back" },
  on: { keys: ["."], said: "a frame on" },
  earlier: { keys: ["ArrowLeft"], said: "a second back" },
  later: { keys: ["ArrowRight"], said: "a second on" },
  muchEarlier: { keys: ["Shift+ArrowLeft"], said: "ten seconds back" },
  muchLater: { keys: ["Shift+ArrowRight"], said: "ten seconds on" },
  begin: { keys: ["Home"], said: "to the beginning" },
  end: { keys: ["End"], said: "to the end" },
  slower: { keys: ["<"], said: "slower" },
  faster: { keys: [">"], said: "faster" },
  closer: { keys: ["+", "="], said: "zoom in, around the playhead" },
  farther: { keys: ["-"], said: "zoom out" },
  whole: { keys: ["0"], said: "see all of the video" },
  fit: { keys: ["z"], said: "see what is chosen" },
  class: { keys: ["1 to 9"], said: "the class with this number: of the chosen label, or of a new one in the chosen range" },
  onset: { keys: ["i"], said: "begin the range, or the chosen label, at the playhead" },
  offset: { keys: ["o"], said: "end it at the playhead" },
  label: { keys: ["Enter"], said: "label the chosen range: as predicted, or with the active class" },
  event: { keys: ["e"], said: "a point event at the playhead" },
  subject: { keys: ["w"], said: "write who does it, the subject: of the chosen label, and of those to come" },
  next: { keys: ["j"], said: "the next label" },
  previous: { keys: ["k"], said: "the label before" },
  left: { keys: ["a"], said: "move the chosen label a frame back" },
  right: { keys: ["d"], said: "move it a frame on" },
  split: { keys: ["s"], said: "split the chosen label at the playhead" },
  merge: { keys: ["m"], said: "merge it with the next of its class" },
  remove: { keys: ["Delete", "Backspace"], said: "delete it" },
  undo: { keys: ["Ctrl+z"], said: "undo" },
  redo: { keys: ["Ctrl+Shift+z", "Ctrl+y"], said: "redo" },
  find: { keys: ["f"], said: "find more like what is chosen" },
  doubtful: { keys: ["n"], said: "go to the next doubtful place" },
  leave: { keys: ["Escape"], said: "choose nothing" },
  help: { keys: ["?"], said: "this table" },
};

const SHORT = ["play", "back", "on", "class", "split", "merge", "undo", "doubtful", "find"];
const WORDS = { ArrowLeft: "←", ArrowRight: "→", Delete: "Del" };
const words = (key) => key.split("+").map((part) => WORDS[part] || part).join("+") || key;
const named = (keys) => keys.map((key) => (key.length === 1 ? key : words(key)));

/** What was pressed, as the table writes it. */
function pressed(event) {
  const key = event.key === " " ? "Space" : event.key;
  const plain = key.length === 1;
  if (event.altKey) return "";
  if (event.ctrlKey || event.metaKey) return `Ctrl+${event.shiftKey ? "Shift+" : ""}${key.toLowerCase()}`;
  return event.shiftKey && !plain ? `Shift+${key}` : key;
}

/** Listen for keys while `shown()`; `run` is called with the name of an act, and the number for a class. */
export function listen(shown, run) {
  const byKey = Object.fromEntries(Object.entries(ACTS).flatMap(([name, act]) => act.keys.map((key) => [key, name])));
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (!shown() || document.querySelector("dialog[open]") || target.matches("input, select, textarea, [role=tab]")) return;
    const key = pressed(event);
    if (target.closest("button, summary, a") && (key === "Space" || key === "Enter")) return; // it is pressed
    const number = /^[1-9]$/.test(key) ? Number(key) : 0;
    const name = number ? "class" : byKey[key] || byKey[key.toLowerCase()];
    if (!name || (name === "class" && !number)) return;
    event.preventDefault();
    run(name, number);
  });
}

/** Fill the line of the most used keys, and the table of all. */
export function explain(line, table) {
  const short = SHORT.flatMap((name) => [make("kbd", {}, named(ACTS[name].keys)[0]), ` ${ACTS[name].said.split(/[:,]/)[0]}   `]);
  line.replaceChildren(...short, make("kbd", {}, "?"), " all keys");
  table.replaceChildren(
    ...Object.values(ACTS).map(({ keys, said }) => {
      const cell = make("th", { scope: "row" });
      named(keys).forEach((key, place) => cell.append(...(place ? [" or ", make("kbd", {}, key)] : [make("kbd", {}, key)])));
      return make("tr", {}, cell, make("td", {}, said));
    }),
  );
}
