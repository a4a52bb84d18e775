// The page begins: what the library is, what its address asks for.

import * as address from "./address.js";
import "./chips.js";
import * as classes from "./classes.js";
import * as exchange from "./exchange.js";
import { labels } from "./labels.js";
import * as map from "./map.js";
import * as query from "./query.js";
import * as search from "./search.js";
import { get } from "./server.js";
import { doing, make, plural, say } from "./status.js";
import * as timeline from "./timeline.js";
import * as views from "./views.js";

const problems = document.getElementById("problems");

function restore() {
  const { view, source, filters } = address.read();
  views.show(view);
  search.restore(source, filters);
}

const library = await doing("Opening the library", (tell, signal) => get("/api/library", signal));
if (library) {
  const line = document.getElementById("about");
  line.append(`${plural(library.videos, "video")}, ${plural(library.windows, "window")}${library.mirror ? "" : ", left and right told apart"}`);
  if (library.problems.length) {
    const open = make("button", { type: "button", className: "quiet", id: "show-problems" }, `${library.problems.length} with problems`);
    open.addEventListener("click", () => problems.showModal());
    line.append(" ", open);
    problems.querySelector("ul").replaceChildren(
      ...library.problems.map((problem) => make("li", {}, make("b", {}, problem.name), ` ${problem.error}`)),
    );
  }
  problems.querySelector("button").addEventListener("click", () => problems.close());
  say(library.windows ? "" : "The library is empty; run `kinema index` on a folder of videos.", library.windows ? "" : "bad");
  document.getElementById("filtering").open = matchMedia("(min-width: 40.01rem)").matches;
  query.open(() => search.search(), search.stop, library);
  search.open(library);
  views.whenShown("map", map.open);
  timeline.begin();
  await Promise.all([labels.open(), exchange.open()]);
  classes.open(search.more);
  views.whenShown("classes", classes.show);
  restore();
  query.ready();
  window.addEventListener("popstate", restore);
}
