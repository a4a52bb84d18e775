// A place of a video seen larger and in its context: some seconds before it and after it.

import { labels } from "./labels.js";
import { get } from "./server.js";
import { clock, named } from "./status.js";

const dialog = document.getElementById("viewer");
const element = (name) => dialog.querySelector(name);
const video = element("video");
const CONTEXT = 3; // seconds before and after at first
const WIDEST = 27;
const SHOWN = 60; // seconds, at most

let inContext = () => {}; // shows a window in the timeline of its video
let shown = null; // { window, context, duration, more }

/** What shows a window in the timeline of its video. */
export const begin = (visit) => (inContext = visit);

/** Open it for a window, or for the longer stretch of a hit; `more` is called with the window for "More like this". */
export async function watch(window, more) {
  shown = { window, more, context: CONTEXT, duration: Infinity };
  named(element("h2"), window.name);
  if (!dialog.open) dialog.showModal();
  play();
  const seen = await get(`/api/source/window/${window.id}`).catch(() => null);
  if (!seen || shown?.window !== window) return;
  shown.duration = seen.duration;
  draw();
}

function span() {
  const { start, end } = shown.window;
  const first = Math.max(0, start - shown.context);
  return [first, Math.min(end + shown.context, first + SHOWN)];
}

function play() {
  const { window } = shown;
  const [start, end] = span();
  element(".gone").textContent = window.gone ? `${window.gone}.` : "";
  video.hidden = Boolean(window.gone);
  video.poster = `/media/window/${window.id}/still`;
  if (!window.gone) video.src = `/media/window/${window.id}/watch?start=${start.toFixed(2)}&end=${end.toFixed(2)}`;
  draw();
}

function draw() {
  const { window } = shown;
  const [start, end] = span();
  const last = Math.min(end, shown.duration);
  const bar = element(".span");
  bar.style.setProperty("--from", `${(100 * (window.start - start)) / (last - start)}%`);
  bar.style.setProperty("--to", `${(100 * (Math.min(window.end, last) - start)) / (last - start)}%`);
  element(".said").textContent =
    `${clock(window.start)} – ${clock(window.end)}, shown from ${clock(start)} to ${clock(last)}`;
  element(".wider").disabled = shown.context >= WIDEST || (start === 0 && end >= shown.duration);
  element(".tighter").disabled = shown.context === 0;
  const name = labels.of(window.id);
  element(".label").textContent = name || "Label";
  element(".label").className = name ? "quiet label tag" : "quiet label";
  element(".label").style.setProperty("--of", name ? labels.colourOf(window.id) : "");
}

function widen(context) {
  shown.context = context;
  play();
}

video.addEventListener("timeupdate", () => {
  if (!shown) return;
  const [start, end] = span();
  const share = video.currentTime / (Math.min(end, shown.duration) - start);
  element(".span").style.setProperty("--now", `${100 * Math.min(1, share)}%`);
});
video.addEventListener("error", async () => {
  if (!shown || !video.getAttribute("src")) return;
  const said = await fetch(video.src).then((response) => response.json()).catch(() => ({}));
  element(".gone").textContent = `${said.error || "This browser cannot play it"}.`;
});
element(".wider").addEventListener("click", () => widen(shown.context ? 3 * shown.context : CONTEXT));
element(".tighter").addEventListener("click", () => widen(0));
element(".label").addEventListener("click", () => labels.toggle(shown.window));
element(".more").addEventListener("click", () => {
  const { window, more } = shown;
  dialog.close();
  more(window);
});
element(".whole").addEventListener("click", () => {
  const { window } = shown;
  dialog.close();
  inContext(window);
});
element(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  shown = null;
  video.removeAttribute("src");
  video.load();
});
labels.addEventListener("change", () => shown && draw());
