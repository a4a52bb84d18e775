// What a timeline shows: the video, its axis and its player, its labels, what was measured; and its picture, drawn when it changes.

import { Axis, stamp } from "./axis.js";
import { labels } from "./labels.js";
import * as lanes from "./lanes.js";
import { Marks } from "./marks.js";
import { Player } from "./player.js";
import { found } from "./search.js";
import { Summary } from "./summaries.js";

const MOST_ROWS = 12;

export const element = (id) => document.getElementById(`timeline-${id}`);
export const section = document.getElementById("timeline");
export const canvas = element("canvas");
export const button = (name) => section.querySelector(`[data-act=${name}]`);

const axis = new Axis();
const player = new Player(element("video"));
const marks = new Marks(axis);
const address = (what) => (scene.video ? `/api/timeline/${scene.video.id}/${what}` : "");
const like = () => (scene.video && found.source ? `${address("similarity")}?${new URLSearchParams(found.source)}` : "");

export const scene = {
  axis, player, marks,
  video: null, // what the server says of it
  range: null, // seconds that are chosen
  offer: "", // the class that is predicted there
  draft: null, // a label while it is dragged
  get time() { return player.time; },
  get source() { return found.source; },
  strength: new Summary(() => address("strength"), () => draw()),
  predicted: new Summary(() => address("predicted"), () => draw()),
  similarity: new Summary(like, () => draw()),

  /** The labels of a class as they are drawn: while one is dragged, where it is dragged to. */
  shown(name) {
    const { draft } = scene;
    const kept = marks.all.filter((one) => one.class === name && one.id !== draft?.id);
    return draft?.class === name ? [...kept, draft] : kept;
  },

  /** The seconds that are chosen, by a range or a label; null where nothing is. */
  chosen: () => scene.range || (marks.current ? [marks.current.start, marks.current.end] : null),
};
export const summaries = [scene.strength, scene.predicted, scene.similarity];

/** The classes that have a row: all, or, of very many, those of this video and the active one. */
function rows() {
  if (labels.names.length <= MOST_ROWS) return labels.names;
  const here = new Set([...marks.all.map((one) => one.class), labels.active]);
  return labels.names.filter((name) => here.has(name));
}

let drawing = 0;
let made = lanes.lanes(scene, []);

/** The lane at a height, or null. */
export const lane = (y) => made.find((one) => y >= one.top && y < one.top + one.height) || null;

/** Draw it, once, before the screen is shown next. */
export function draw() {
  if (!drawing) drawing = requestAnimationFrame(drawn);
}

function drawn() {
  drawing = 0;
  if (!scene.video || section.hidden || !canvas.clientWidth) return;
  axis.width = canvas.clientWidth;
  for (const summary of summaries) summary.want(axis);
  made = lanes.lanes(scene, rows());
  lanes.draw(canvas, scene, made);
  canvas.setAttribute("aria-valuemax", axis.duration.toFixed(2));
  canvas.setAttribute("aria-valuenow", player.time.toFixed(2));
  canvas.setAttribute("aria-valuetext", stamp(player.time, 2));
  element("time").textContent = `${stamp(player.time, 2)} of ${stamp(axis.duration, 2)}, frame ${player.frame}`;
  for (const name of ["split", "remove", "merge"]) button(name).disabled = !marks.current;
  for (const name of ["find", "fit"]) button(name).disabled = !scene.chosen();
  button("label").disabled = !scene.range;
}

for (const source of [axis, marks, labels]) source.addEventListener("change", draw);
new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
