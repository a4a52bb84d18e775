// How time is spent, by hand-made labels and by predicted bouts, and how far the two agree: a table, with bars in it.

import { stamp } from "./axis.js";
import { labels } from "./labels.js";
import { get } from "./server.js";
import { doing, make, plural, say } from "./status.js";

const box = document.getElementById("timeline-budget");
const choice = box.querySelector("select");
const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);
const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

let video = null; // its number
let shown = ""; // what the table is of
let running = null;

/** Another video, or other labels. */
export function of(number) {
  video = number;
  if (box.open) load();
}

async function load() {
  const now = `${choice.value} ${choice.value === "video" ? video : ""} ${labels.version}`;
  if (!video || now === shown) return;
  running?.abort();
  const mine = (running = new AbortController());
  const address = choice.value === "video" ? `/api/timeline/${video}/budget` : "/api/budget";
  box.setAttribute("aria-busy", "true");
  const told = await doing("Adding up the time", (tell, signal) => get(address, signal), mine);
  if (mine !== running) return;
  box.removeAttribute("aria-busy");
  if (!told) return;
  shown = now;
  fill(told);
  say("");
}

/** A cell with a bar behind its text. */
function barred(text, share, colour) {
  const cell = make("td", { className: "share" }, text);
  cell.style.setProperty("--share", `${100 * Math.max(0, share || 0)}%`);
  cell.style.setProperty("--of", colour);
  return cell;
}

function part(row) {
  if (!row) return ["–", "–", "–", "–"].map((text) => make("td", {}, text));
  const share = barred(percent(row.share), row.share, labels.colour(row.name));
  return [make("td", {}, stamp(row.seconds, 1)), share, make("td", {}, String(row.bouts)), make("td", {}, row.mean === null ? "–" : `${row.mean.toFixed(2)} s`)];
}

const scored = (values, colour) => values.map((value) => barred(score(value), value, colour));

function fill({ videos, seconds, hand, predicted, agreement }) {
  const said = [`${plural(videos, "video")}, ${stamp(seconds)}.`];
  if (!predicted) said.push("Nothing is predicted before two classes are labelled.");
  else if (!agreement) said.push("There is no label to compare the prediction with.");
  else {
    said.push(`Agreement on ${plural(agreement.videos, "labelled video")}, each from its first label to its last.`);
    if (agreement.learned) said.push(`The classifier has learned from the labels of ${agreement.learned === agreement.videos ? "these same videos" : `${agreement.learned} of them`}, so that this flatters it.`);
    else said.push("Each was predicted from the labels of others.");
  }
  box.querySelector(".said").textContent = said.join(" ");
  const scores = new Map((agreement?.classes || []).map((one) => [one.label, one]));
  const rows = hand.map((row, place) => {
    const { frame_f1: frames = null, bout_f1: bouts = null, kappa = null } = scores.get(row.name) || {};
    const name = make("th", { scope: "row" }, make("i", { className: "dot" }), ` ${row.name}`);
    name.style.setProperty("--of", labels.colour(row.name));
    const found = predicted && predicted[place];
    return make("tr", {}, name, ...part(row), ...part(found), ...scored([frames, bouts, kappa], labels.colour(row.name)));
  });
  if (agreement) {
    const name = make("th", { scope: "row" }, "all");
    const blank = Array.from({ length: 8 }, () => make("td"));
    const all = [agreement.frame_f1, agreement.bout_f1, agreement.kappa];
    rows.push(make("tr", { className: "all" }, name, ...blank, ...scored(all, "var(--accent)")));
  }
  box.querySelector("tbody").replaceChildren(...rows);
}

box.addEventListener("toggle", () => box.open && load());
choice.addEventListener("change", load);
labels.addEventListener("change", () => {
  clearTimeout(box.waiting);
  if (box.open) box.waiting = setTimeout(load, 1000);
});
