// Searching: the filters, the two columns of hits, exports.

import { card } from "./cards.js";
import { labels } from "./labels.js";
import { question, take } from "./query.js";
import { download, follow } from "./server.js";
import { doing, plural, say } from "./status.js";

const WAYS = ["motion", "appearance"];
const TOP = 12;
const results = document.getElementById("results");
const filters = document.getElementById("filters");
const column = (way) => results.querySelector(`.${way}`);

/** The hits that are shown, by motion and by appearance. */
export const found = new (class extends EventTarget {
  motion = [];
  appearance = [];
})();

let running = null;

function asFilters() {
  const values = {};
  for (const [name, value] of new FormData(filters)) {
    if (value !== "") values[name] = name === "folder" ? value : Number(value);
  }
  return values;
}

/** Search for what is chosen, or for the source that is given. */
export async function search(source = question()) {
  if (!source) return;
  const asked = JSON.stringify(source);
  if (running?.asked !== asked) running?.abort(); // what is being read is wanted no more
  const mine = (running = Object.assign(new AbortController(), { asked }));
  const go = document.getElementById("go");
  go.textContent = "Searching";
  results.setAttribute("aria-busy", "true");
  const answer = await doing("Searching", (tell) =>
    follow("/api/search", { source, filters: asFilters(), top: TOP }, tell, mine.signal),
  );
  if (mine !== running) return;
  go.textContent = "Search";
  results.removeAttribute("aria-busy");
  if (!answer) return;
  for (const way of WAYS) {
    found[way] = answer[way].hits;
    const section = column(way);
    section.querySelector(".note").textContent = answer[way].warnings.map((said) => `${said}.`).join(" ");
    section.querySelector(".cards").replaceChildren(...answer[way].hits.map((hit) => card(hit, more, { score: hit.score })));
  }
  results.hidden = false;
  say(`Found ${plural(found.motion.length, "place")} by motion and ${found.appearance.length} by appearance.`);
  found.dispatchEvent(new Event("change"));
}

/** Search for what is like a window of the library, at once. */
export async function more(window) {
  document.getElementById("tab-search").click();
  scrollTo({ top: 0, behavior: "instant" });
  if (window.gone) await search({ like: window.id }); // its vectors are still there
  else if (await take(window.id)) await search({ like: window.id });
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

const contents = {
  "hits.csv": () => ({
    hits: WAYS.flatMap((by) => found[by].map(({ id, start, end, score }) => ({ by, id, start, end, score }))),
  }),
  "clips.zip": () => contents["hits.csv"](),
  "labels.csv": () => labels.asked(),
  "classifier.safetensors": () => labels.asked(),
};

for (const button of document.querySelectorAll("[data-export]")) {
  const kind = button.dataset.export;
  button.addEventListener("click", async () => {
    const saved = await doing(kind === "clips.zip" ? "Cutting the clips" : `Making ${kind}`, async () => {
      await download(kind, contents[kind]());
      return true;
    });
    if (saved) say(`Saved ${kind}.`);
  });
}
