// The map: windows of the library as points, those that move alike close together; drawn on a canvas.

import { card } from "./cards.js";
import { predictions } from "./classes.js";
import { labels } from "./labels.js";
import { found, more } from "./search.js";
import { get } from "./server.js";
import { doing, make, plural, say } from "./status.js";

const canvas = document.querySelector("#map canvas");
const peek = document.getElementById("peek");
const aside = document.querySelector(".plane aside");
const colouring = document.getElementById("map-colour");
const MARGIN = 22; // pixels around the points
const NEAR = 14; // pixels within which a point is meant

let points = []; // [window, x, y, strength], x and y from 0 to 1
let labelled = {}; // what points are labelled, by window
let known = -1; // the version of the labels that they are of
let strongest = 1;
let chosen = null;
let view = { zoom: 1, x: 0.5, y: 0.5 }; // the place in the middle
let drag = null;

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function onScreen([, x, y]) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  return [
    width / 2 + (x - view.x) * view.zoom * (width - 2 * MARGIN),
    height / 2 - (y - view.y) * view.zoom * (height - 2 * MARGIN),
  ];
}

function colours() {
  if (colouring.value === "class" && predictions.of) {
    return ([number]) => {
      const [place, share] = predictions.of[number] || [0, 0];
      return [labels.colour(predictions.names[place]), 0.25 + 0.75 * share];
    };
  }
  const [weak, strong] = [variable("--rule"), variable("--motion")];
  return ([, , , strength]) => [
    `color-mix(in srgb, ${strong} ${Math.round(100 * Math.min(1, strength / strongest))}%, ${weak})`, 0.9];
}

export function draw() {
  const [width, height, dense] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio || 1];
  if (!width) return;
  canvas.width = width * dense;
  canvas.height = height * dense;
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  const colour = colours();
  const radius = Math.min(6, (points.length > 1500 ? 2.6 : 4) * Math.sqrt(view.zoom));
  const dot = (x, y, r) => {
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
  };
  for (const point of points) {
    [pen.fillStyle, pen.globalAlpha] = colour(point);
    dot(...onScreen(point), radius);
    pen.fill();
  }
  pen.globalAlpha = 1;
  pen.lineWidth = 2;
  const places = new Map(points.map((point) => [point[0], point]));
  const ring = (number, name, r) => {
    if (!places.has(number)) return;
    pen.strokeStyle = name.startsWith("--") ? variable(name) : name;
    dot(...onScreen(places.get(number)), r);
    pen.stroke();
  };
  for (const hit of found.appearance) ring(hit.id, "--appearance", radius + 3);
  for (const hit of found.motion) ring(hit.id, "--motion", radius + 5);
  for (const [number, one] of Object.entries(labelled)) ring(Number(number), labels.colour(one.classes[0]), radius + 1.5);
  if (chosen) ring(chosen[0], "--ink", radius + 7);
  legend();
}

function legend() {
  const parts = [];
  if (colouring.value === "class" && predictions.of) {
    for (const name of predictions.names) parts.push(key("dot", labels.colour(name), name));
  } else {
    parts.push(key("dot", variable("--rule"), "still"), key("dot", variable("--motion"), "much motion"));
  }
  if (found.motion.length) parts.push(key("ring", variable("--motion"), "found by motion"));
  if (found.appearance.length) parts.push(key("ring", variable("--appearance"), "found by appearance"));
  document.getElementById("legend").replaceChildren(...parts);
}

function key(kind, colour, text) {
  const mark = make("i", { className: kind });
  mark.style.setProperty("--of", colour);
  return make("span", {}, mark, text);
}

function nearest(x, y, allowed = () => true) {
  let best = null;
  let least = Infinity;
  for (const point of points) {
    const [px, py] = onScreen(point);
    const far = Math.hypot(px - x, py - y);
    if (far < least && allowed(px, py, point)) [best, least] = [point, far];
  }
  return { point: best, far: least };
}

async function choose(point) {
  chosen = point;
  draw();
  const window = await get(`/api/source/window/${point[0]}`).catch((error) => say(`${error.message}.`, "bad"));
  if (window && chosen === point) aside.replaceChildren(make("ul", { className: "cards" }, card(window, more)));
}

function zoom(factor) {
  view.zoom = Math.min(20, Math.max(1, view.zoom * factor));
  if (chosen && factor > 1) [view.x, view.y] = [chosen[1], chosen[2]];
  if (view.zoom === 1) [view.x, view.y] = [0.5, 0.5];
  draw();
}

canvas.addEventListener("pointerdown", (event) => {
  drag = { x: event.offsetX, y: event.offsetY, at: { ...view }, moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (drag) {
    const [dx, dy] = [event.offsetX - drag.x, event.offsetY - drag.y];
    drag.moved ||= Math.hypot(dx, dy) > 4;
    if (!drag.moved || view.zoom === 1) return;
    view.x = drag.at.x - dx / view.zoom / (canvas.clientWidth - 2 * MARGIN);
    view.y = drag.at.y + dy / view.zoom / (canvas.clientHeight - 2 * MARGIN);
    draw();
    return;
  }
  const { point, far } = nearest(event.offsetX, event.offsetY);
  peek.hidden = far > NEAR;
  if (peek.hidden) return;
  const still = `/media/window/${point[0]}/still`;
  if (!peek.src.endsWith(still)) peek.src = still;
  [peek.style.left, peek.style.top] = onScreen(point).map((place) => `${place}px`);
});
canvas.addEventListener("pointerleave", () => (peek.hidden = true));
canvas.addEventListener("pointerup", (event) => {
  const clicked = drag && !drag.moved;
  drag = null;
  if (!clicked) return;
  const { point, far } = nearest(event.offsetX, event.offsetY);
  if (point && far <= 2 * NEAR) choose(point);
});
canvas.addEventListener("pointercancel", () => (drag = null));

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && chosen) more({ id: chosen[0], gone: "" });
  else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5);
  else if (event.key in WAYS && points.length) {
    event.preventDefault();
    const [dx, dy] = WAYS[event.key];
    const [x, y] = chosen ? onScreen(chosen) : [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const ahead = (px, py, point) => {
      const along = (px - x) * dx + (py - y) * dy;
      return point !== chosen && along > 0 && along >= Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
    };
    const { point } = chosen ? nearest(x, y, ahead) : nearest(x, y);
    if (point) choose(point);
  }
});
document.getElementById("closer").addEventListener("click", () => zoom(1.5));
document.getElementById("farther").addEventListener("click", () => zoom(1 / 1.5));
colouring.addEventListener("change", draw);
new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
found.addEventListener("change", draw);
labels.addEventListener("change", () => {
  draw();
  look();
});
predictions.addEventListener("change", () => {
  const option = colouring.querySelector("[value=class]");
  option.disabled = !predictions.of;
  colouring.value = predictions.of ? "class" : "strength";
  draw();
});

/** Learn what the points are labelled, where that may have changed. */
async function look() {
  const version = labels.version;
  if (!points.length || !canvas.clientWidth || known === version) return;
  known = version;
  const answer = await get("/api/labels?windows=map").catch(() => null);
  if (!answer || known !== version) return;
  labelled = answer.windows;
  draw();
}

/** Load the points; called when the map is opened. */
export async function open() {
  look();
  if (points.length) return draw();
  const map = await doing("Drawing the map, which takes some seconds the first time", (tell, signal) => get("/api/map", signal));
  if (!map) return undefined;
  points = map.points;
  strongest = Math.max(0.02, ...points.map((point) => point[3])) * 0.7;
  const some = points.length < map.total ? `${points.length.toLocaleString("en")} of ` : "";
  document.getElementById("map-said").textContent =
    `${some}${plural(map.total, "window")}; those that move alike lie close together.`;
  say("");
  look();
  return draw();
}
