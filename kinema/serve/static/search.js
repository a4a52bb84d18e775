// Searching: the filters, the two columns of hits, exports.

import * as address from "./address.js";
import { card } from "./cards.js";
import * as query from "./query.js";
import { download, follow } from "./server.js";
import { doing, plural, say } from "./status.js";
import { show } from "./views.js";

const WAYS = ["motion", "appearance"];
const TOP = 12;
const results = document.getElementById("results");
const filters = document.getElementById("filters");
const go = document.getElementById("go");
const column = (way) => results.querySelector(`.${way}`);

/** The hits that are shown, by motion and by appearance. */
export const found = new (class extends EventTarget {
  source = null; // what was asked for
  motion = [];
  appearance = [];
})();

let running = null;
let shown = ""; // the address of what is shown, or is being searched for

/** The filters as the form holds them: text, and nothing for what is not set. */
const written = () => Object.fromEntries([...new FormData(filters)].filter(([, value]) => value !== ""));

function asked(values) {
  const kinds = { folder: String, within: Boolean };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, (kinds[name] || Number)(value)]));
}

/** Give a search up. */
export function stop() {
  running?.abort();
}

/** Search for what is chosen, or for the source that is given. */
export async function search(source = query.question()) {
  if (!source) return;
  stop(); // what is being read is wanted no more
  const mine = (running = new AbortController());
  address.write({ view: "search", source, filters: written() });
  shown = location.search;
  go.textContent = "Searching";
  results.setAttribute("aria-busy", "true");
  const content = { source, filters: asked(written()), top: TOP };
  const answer = await doing("Searching", (tell, signal) => follow("/api/search", content, tell, signal), mine);
  if (mine !== running) return;
  running = null;
  go.textContent = "Search";
  results.removeAttribute("aria-busy");
  if (!answer) return;
  for (const way of WAYS) {
    const { hits, warnings } = answer[way];
    found[way] = hits;
    const section = column(way);
    section.querySelector(".note").textContent = warnings.map((said) => `${said[0].toUpperCase()}${said.slice(1)}.`).join(" ");
    section.querySelector(".cards").replaceChildren(...hits.map((hit) => card(hit, more, hit)));
  }
  found.source = source;
  results.hidden = false;
  say(`Found ${plural(found.motion.length, "place")} by motion and ${found.appearance.length} by appearance.`);
  found.dispatchEvent(new Event("change"));
}

/** Search for what is like a window of the library, at once. */
export async function more(window) {
  show("search");
  scrollTo({ top: 0, behavior: "instant" });
  if (await query.take(window.id)) await search({ like: window.id });
}

/** Show what an address asks for, if it is not shown already. */
export async function restore(source, values) {
  if (source && location.search === shown) return;
  for (const field of filters.elements) {
    if (field.type === "checkbox") field.checked = field.name in values;
    else if (field.name) field.value = values[field.name] ?? "";
  }
  shown = location.search;
  if (!source) {
    query.close();
    return;
  }
  const part = source.end > source.start ? [source.start, source.end] : [];
  const taken = await (source.upload ? query.takeSent(source.upload, part) : query.take(source.like || source.window, source.like ? null : part));
  if (taken && location.search === shown) await search(source);
}

/** Fill in what the library offers to filter by. */
export function open(about) {
  const select = filters.elements.folder;
  for (const folder of about.folders) select.add(new Option(folder, folder));
  select.closest("label").hidden = about.folders.length < 2;
  filters.elements.max_strength.placeholder = `to ${about.strongest.toFixed(2)}`;
}

filters.addEventListener("change", () => !results.hidden && search());
filters.addEventListener("reset", () => setTimeout(() => !results.hidden && search()));
filters.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});

const hits = () => ({
  hits: WAYS.flatMap((by) => found[by].map(({ id, start, end, score }) => ({ by, id, start, end, score }))),
});

for (const button of document.querySelectorAll("[data-export]")) {
  const kind = button.dataset.export;
  button.addEventListener("click", async () => {
    const sentence = kind === "clips.zip" ? "Cutting the clips" : `Making ${kind}`;
    const content = kind === "hits.csv" || kind === "clips.zip" ? hits() : {};
    const saved = await doing(sentence, (tell, signal) => download(`/api/export/${kind}`, content, signal));
    if (saved) say(`Saved ${kind}.`);
  });
}
