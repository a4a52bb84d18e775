// Few-shot classes: train on the labels at once, show what the classifier says of the library.

import { card } from "./cards.js";
import { labels } from "./labels.js";
import { get, post } from "./server.js";
import { doing, make, plural, say } from "./status.js";

const said = document.getElementById("classes-said");
const labelled = document.getElementById("labelled");
const predicted = document.getElementById("predicted");
const timeline = document.getElementById("timeline");
const AFTER = 500; // milliseconds from the last label to training

/** What the classifier says: `names` of classes, and by window of the map [class, probability]. */
export const predictions = new (class extends EventTarget {
  names = [];
  of = null;
})();

let more = () => {};
let waiting = 0;
let running = null;
let late = false; // whether a training waits until the timeline is left
let trained = -1; // the version of the labels that the last training began with
let listed = -1; // the version that is shown

/** Begin; `search` is called with a window for "More like this". */
export function open(search) {
  more = search;
  changed();
}

/** Give the head of a class the colour that this has now. */
function colour(head) {
  const now = labels.colour(head.dataset.of);
  head.style.setProperty("--of", now);
  head.querySelector(".dot").value = now;
}

function group(name, fact, share, cards) {
  const dot = make("input", { type: "color", className: "dot" });
  dot.setAttribute("aria-label", `Colour of ${name}`);
  dot.addEventListener("change", () => labels.recolour(name, dot.value));
  const bar = make("div", { className: "bar" });
  const title = make("h2", {}, name);
  const rename = make("button", { type: "button", className: "quiet" }, "Rename");
  rename.setAttribute("aria-label", `Rename ${name}`);
  rename.addEventListener("click", () => rewrite(name, title));
  const away = make("button", { type: "button", className: "quiet" }, "Delete");
  away.setAttribute("aria-label", `Delete ${name}`);
  away.addEventListener("click", () => labels.delete(name));
  const head = make("div", { className: "line" }, dot, title, rename, away, make("span", { className: "hint" }, fact), bar);
  head.dataset.of = name;
  colour(head);
  head.style.setProperty("--share", `${100 * share}%`);
  if (share === null) bar.remove();
  return make("div", { className: "group" }, head, make("ol", { className: "cards" }, ...cards));
}

/** Put a field in the place of a class's title; Enter takes what is written, Escape and leaving it do not. */
function rewrite(name, title) {
  const field = make("input", { type: "text", maxLength: 60, value: name });
  field.setAttribute("aria-label", `Another name for ${name}`);
  let open = true;
  const back = () => {
    if (!open) return; // taking the field away makes it lose the focus
    open = false;
    field.replaceWith(title);
  };
  field.addEventListener("keydown", (event) => {
    const to = field.value.trim();
    if (event.key === "Escape" || (event.key === "Enter" && to === name)) back();
    else if (event.key === "Enter" && to) labels.rename(name, to);
  });
  field.addEventListener("blur", back);
  title.replaceWith(field);
  field.focus(); // before the next key
  field.select();
}

function changed() {
  document.getElementById("forget-labels").disabled = document.getElementById("export-labels").disabled = !labels.total;
  document.getElementById("undo-labels").disabled = labels.undoable === null;
  document.getElementById("redo-labels").disabled = labels.redoable === null;
  for (const head of document.querySelectorAll("[data-of]")) colour(head);
  if (labels.version === labels.recoloured) trained = labels.version; // colours teach nothing
  if (labels.version === trained) return;
  trained = labels.version;
  clearTimeout(waiting);
  running?.abort();
  const few = labels.used().length < 2;
  for (const button of document.querySelectorAll("[data-export^=classifier]")) button.disabled = few;
  if (few) {
    said.textContent =
      "Label a few windows with two or more names: under Search or Map, choose a label and press Label on a card, or press 1 to 9 while a card has the focus. A classifier is then trained at once and shown here.";
    predicted.replaceChildren();
    predictions.of = null;
    predictions.dispatchEvent(new Event("change"));
  } else waiting = setTimeout(train, AFTER);
  if (!labelled.closest("section").hidden) show();
}

/** Train on what was labelled in the timeline, which is left now. */
export const catchUp = () => late && train();

/** Show the classes that no classifier speaks of, with their newest labels. */
export async function show() {
  const version = labels.version;
  if (version === listed) return;
  const few = labels.used().length < 2;
  const shown = labels.classes.filter((one) => few || !one.count);
  const load = (one) => (one.count ? get(`/api/labels?class=${encodeURIComponent(one.name)}`) : { labels: [] });
  const pages = await Promise.all(shown.map(load)).catch(() => null);
  if (!pages || version !== labels.version) return;
  listed = version;
  const cards = (page) => page.labels.map((one) => card(one.window, more));
  labelled.replaceChildren(
    ...shown.map((one, place) => group(one.name, plural(one.count, "label"), null, cards(pages[place]))),
  );
}

async function train() {
  if (!timeline.hidden) {
    late = true; // while labels are made there one after the other, its own lane says what they teach
    return;
  }
  late = false;
  const mine = (running = new AbortController());
  const work = (tell, signal) => post("/api/classify", {}, signal);
  const answer = await doing("Training a classifier on the labels", work, mine);
  if (!answer || mine !== running) return;
  predictions.names = answer.classes.map((one) => one.name);
  predictions.of = answer.predicted;
  said.textContent =
    `Trained on ${plural(labels.total, "label")}. Of ${plural(answer.windows, "window")}, those that it is surest of, different videos first; correct it by labelling more.`;
  predicted.replaceChildren(
    ...answer.classes.map((one) =>
      group(
        one.name,
        `${plural(labels.count(one.name), "label")}, ${plural(one.windows, "window")} predicted`,
        one.windows / Math.max(1, answer.windows),
        one.surest.map((window) => card(window, more, { share: window.share })),
      ),
    ),
  );
  say(`Trained on ${plural(labels.total, "label")}; the classes are under Classes and on the map.`);
  predictions.dispatchEvent(new Event("change"));
}

labels.addEventListener("change", changed);
document.getElementById("forget-labels").addEventListener("click", () => labels.clear());
document.getElementById("undo-labels").addEventListener("click", () => labels.undo());
document.getElementById("redo-labels").addEventListener("click", () => labels.redo());
