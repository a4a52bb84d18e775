// The page begins: what the library is, and the three views.

import * as classes from "./classes.js";
import { labels } from "./labels.js";
import * as map from "./map.js";
import * as query from "./query.js";
import * as search from "./search.js";
import { get } from "./server.js";
import { doing, plural, say } from "./status.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

function open(tab, focus = false) {
  for (const other of tabs) {
    const mine = other === tab;
    other.setAttribute("aria-selected", String(mine));
    other.tabIndex = mine ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !mine;
  }
  if (focus) tab.focus();
  if (tab.id === "tab-map") map.open();
}

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) open(tabs[(place + step + tabs.length) % tabs.length], true);
  });
}

const about = await doing("Opening the library", () => get("/api/library"));
if (about) {
  const line = document.getElementById("about");
  line.textContent = `${plural(about.videos, "video")}, ${plural(about.windows, "window")}`;
  if (about.problems.length) {
    line.textContent += `, ${about.problems.length} with problems`;
    line.title = about.problems.map((problem) => `${problem.name}: ${problem.error}`).join("\n");
  }
  say(about.windows ? "" : "The library is empty; run `kinema index` on a folder of videos.", about.windows ? "" : "bad");
  document.getElementById("filtering").open = matchMedia("(min-width: 40.01rem)").matches;
  query.open(() => search.search(), about);
  search.open(about);
  labels.open(about.name);
  classes.open(search.more);
}
