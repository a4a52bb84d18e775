// Cards: a window of the library as a moving picture, with its flow on hover, focus or touch, and what can be done with it.

import { labels } from "./labels.js";
import { clock, make, named } from "./status.js";
import { watch } from "./viewer.js";

/** Spreads above what is typical of the library, below which a hit may be no more than the nearest of many. */
const DOUBTFUL = 2;
const FULL = 6; // spreads that fill the bar

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const pause = document.getElementById("pause");
/** Whether pictures are to stand still. */
export const stand = () => pause.getAttribute("aria-pressed") === "true";

pause.setAttribute("aria-pressed", String(calm.matches));
pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!stand()));
  for (const image of document.querySelectorAll("img[data-moving]")) image.src = shown(image);
});

const shown = (image) => (stand() ? image.dataset.still : image.dataset.moving);

/** The address of a picture of a part of a window's video. */
export const picture = (window, kind) => `/media/window/${window.id}/${kind}?start=${window.start}&end=${window.end}`;

/** Let pictures go: what is still coming of them is wanted no more, and would fail where its clip is deleted. */
export function hide(shot) {
  for (const image of shot.querySelectorAll("img")) image.removeAttribute("src");
  shot.replaceChildren();
}

/** Put a moving picture, and the flow that appears over it, into an element. */
export function show(shot, moving, flow, still, description, complain = () => {}) {
  const image = make("img", { alt: description, loading: "lazy", decoding: "async" });
  Object.assign(image.dataset, { moving, still });
  image.addEventListener("error", async () => {
    if (image.src.endsWith(still)) return;
    image.src = still;
    const said = await fetch(moving).then((response) => response.json()).catch(() => ({}));
    complain(said.error || "this picture cannot be made");
  });
  image.src = shown(image);
  hide(shot);
  shot.append(image);
  const over = make("img", { className: "flow", alt: "" });
  const begin = () => {
    if (!over.src) {
      over.src = flow;
      over.onload = () => shot.classList.toggle("flowing", shot.matches(".wanted"));
      shot.append(over);
    }
    shot.classList.add("wanted");
    shot.classList.toggle("flowing", over.complete && over.naturalWidth > 0);
  };
  const end = () => shot.classList.remove("wanted", "flowing");
  shot.onpointerenter = shot.onfocus = begin; // in place of those of the picture before
  shot.onpointerleave = shot.onblur = end;
}

/** A card of a window; `more` is called with it for "More like this", a click on its picture shows it larger. */
export function card(window, more, { score = null, outstanding = 0, share = null } = {}) {
  const rest = make("button", { type: "button", className: "quiet", textContent: "More like this" });
  rest.setAttribute("aria-label", `More like this: ${window.name} at ${clock(window.start)}`);
  rest.addEventListener("click", () => more(window));
  const tag = make("button", { type: "button", className: "quiet" });
  tag.addEventListener("click", () => labels.toggle(window));
  const shot = make("button", { type: "button", className: "shot" });
  shot.setAttribute("aria-label", `${window.name} from ${clock(window.start)}: see it larger`);
  shot.addEventListener("click", () => watch(window, more));
  const facts = make("p", { className: "facts" }, make("span", {}, `${clock(window.start)} – ${clock(window.end)}`));
  const item = make("li", { className: "card" }, shot);
  item.dataset.window = window.id;
  if (score !== null) {
    const doubtful = outstanding < DOUBTFUL;
    item.classList.toggle("doubtful", doubtful);
    const title = `${outstanding.toFixed(1)} spreads above what is typical of the library; cosine ${score.toFixed(2)}`;
    facts.append(make("span", { className: "outstanding", title }, doubtful ? "doubtful" : `${outstanding.toFixed(1)} σ`));
    const bar = make("div", { className: "score" });
    bar.style.setProperty("--share", `${Math.min(100, Math.max(0, (100 * outstanding) / FULL))}%`);
    item.append(bar);
  }
  if (share !== null) facts.append(make("span", { title: "probability" }, `${Math.round(100 * share)} %`));
  item.append(named(make("p", { className: "name" }), window.name), facts);
  const complain = (sentence) => {
    item.classList.add("is-gone");
    if (!item.querySelector(".gone")) item.append(make("p", { className: "gone" }, `${sentence}.`));
  };
  const still = `/media/window/${window.id}/still`;
  if (window.gone) {
    shot.append(make("img", { src: still, alt: window.name, loading: "lazy" }));
    complain(window.gone);
  } else {
    show(shot, picture(window, "clip"), picture(window, "flow"), still, window.name, complain);
  }
  item.append(make("div", { className: "deeds" }, rest, tag));
  item.addEventListener("keydown", (event) => {
    const name = labels.names[Number(event.key) - 1];
    if (name && !event.ctrlKey && !event.metaKey && !event.altKey) labels.set(window, name);
  });
  const mark = () => {
    const name = labels.of(window.id);
    tag.textContent = name || "Label";
    tag.className = name ? "quiet tag" : "quiet";
    tag.setAttribute("aria-pressed", String(Boolean(name)));
    tag.setAttribute("aria-label", name ? `Labelled ${name}: take the label off` : `Label ${window.name}`);
    tag.style.setProperty("--of", name ? labels.colourOf(window.id) : "");
  };
  mark();
  labels.want();
  const follow = () => (item.isConnected ? mark() : labels.removeEventListener("change", follow));
  labels.addEventListener("change", follow);
  return item;
}
