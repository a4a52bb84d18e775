// The view of one video: the player, the timeline below it, and what can be done with both.

import * as address from "./address.js";
import * as budget from "./budget.js";
import * as classes from "./classes.js";
import { forget, next as nextDoubtful } from "./doubtful.js";
import { editing } from "./editing.js";
import * as gestures from "./gestures.js";
import * as keys from "./keys.js";
import { labels } from "./labels.js";
import * as query from "./query.js";
import { button, canvas, draw, element, lane, scene, section, summaries } from "./scene.js";
import { found, search } from "./search.js";
import { get } from "./server.js";
import { doing, named, say } from "./status.js";
import * as viewer from "./viewer.js";
import * as views from "./views.js";

const RATES = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];
const AFTER = 700; // milliseconds from the last change of the labels to the question what they predict

const { axis, player, marks } = scene;
let opening = null;

/** Open a video by the number of a window of it; at a time, in seconds. */
export async function open(number, time = 0) {
  opening?.abort();
  opening = new AbortController();
  const seen = await doing("Opening the video", (tell, signal) => get(`/api/timeline/${number}`, signal), opening);
  if (!seen) return;
  for (const summary of summaries) summary.clear();
  Object.assign(scene, { video: seen, range: null, offer: "", draft: null });
  element("none").hidden = true;
  element("opened").hidden = false;
  named(element("name"), seen.name);
  element("gone").textContent = seen.gone ? `${seen.gone}.` : "";
  player.open(seen, time);
  axis.width = canvas.clientWidth || 1;
  axis.open(seen.duration, seen.fps);
  say("");
  budget.of(seen.id);
  await marks.open(number);
}

/** Go to a time of a video, as a step of the page's history. */
export function visit(number, time = 0) {
  address.write({ view: "timeline", place: `${number}@${time.toFixed(2)}` });
  views.show("timeline");
}

/** The video that is shown is what the address asks for. */
function asked() {
  if (scene.video) scene.video.asked = address.read().place;
}

function shown() {
  const [number, time] = address.read().place.split("@").map(Number);
  if (!number) {
    element("none").hidden = Boolean(scene.video);
    draw();
  } else if (scene.video?.asked === address.read().place) draw();
  else open(number, time || 0).then(asked);
}

const acts = {
  ...editing(scene, draw),
  play: () => player.toggle(),
  back: () => player.step(-1),
  on: () => player.step(1),
  earlier: () => player.seek(player.time - 1),
  later: () => player.seek(player.time + 1),
  muchEarlier: () => player.seek(player.time - 10),
  muchLater: () => player.seek(player.time + 10),
  begin: () => player.seek(0),
  end: () => player.seek(player.duration),
  slower: () => rate(-1),
  faster: () => rate(1),
  closer: () => axis.zoom(1 / 1.6, around()),
  farther: () => axis.zoom(1.6, around()),
  whole: () => axis.look(0, axis.duration),
  help: () => element("keys").showModal(),
  subject: () => element("subject").select(),
  sound: () => (player.video.muted = !player.video.muted),
  another: () => query.pick((picked) => visit(picked.id)),

  fit() {
    const part = scene.chosen();
    if (!part) return;
    const room = Math.max(0.2 * (part[1] - part[0]), 4 / axis.fps);
    axis.look(part[0] - room, part[1] + room);
  },

  async find() {
    const part = scene.chosen();
    if (!part) return say("Choose a label or a range first.", "bad");
    const [start, end] = [part[0], Math.max(part[1], part[0] + 0.1)];
    player.pause();
    views.show("search");
    scrollTo({ top: 0, behavior: "instant" });
    if (await query.take(scene.video.id, [start, end])) await search({ window: scene.video.id, start, end });
    return undefined;
  },

  doubtful: () => nextDoubtful(scene.video?.name, show),
};

/** Show a place, of this video or of another one, and choose it. */
async function show(place, here) {
  if (here) player.seek(place.start);
  else {
    address.write({ view: "timeline", place: `${place.id}@${place.start.toFixed(2)}` });
    await open(place.id, place.start);
    asked();
  }
  Object.assign(scene, { range: [place.start, place.end], offer: "" });
  marks.choose(null);
  const room = 10 * (place.end - place.start);
  axis.look(place.start - room, place.end + room);
}

const around = () => (player.time >= axis.from && player.time <= axis.to ? player.time : undefined);

function rate(step) {
  const place = RATES.indexOf(player.rate) + step;
  if (RATES[place]) player.setRate(RATES[place]);
}

gestures.listen(canvas, scene, lane, {
  seek: (time) => player.seek(time),
  drop: () => acts.drop(),
  draft(draft) {
    scene.draft = draft;
    draw();
  },
  range(start, end) {
    Object.assign(scene, { range: [start, end], offer: "" });
    marks.choose(null);
  },
  choose(mark) {
    scene.range = null;
    marks.choose(mark);
  },
  bout(time) {
    const data = scene.predicted.seen(axis);
    const bout = data?.bouts.find(([start, end]) => start <= time && time < end);
    marks.choose(null);
    Object.assign(scene, { range: bout ? [axis.snap(bout[0]), axis.snap(bout[1])] : null, offer: bout ? data.names[bout[2]] : "" });
    if (bout) say(`Predicted: ${scene.offer}, ${Math.round(100 * bout[3])} %; Enter labels it so.`);
    player.seek(time);
  },
  click(time, name) {
    acts.leave();
    if (name) labels.add(name);
    player.seek(time);
  },
});
keys.listen(() => !section.hidden && Boolean(scene.video), (name, number) => acts[name](number));
keys.explain(element("line"), element("keys").querySelector("tbody"));
for (const one of section.querySelectorAll("[data-act]")) {
  one.addEventListener("click", (event) => {
    if (event.detail) canvas.focus({ preventScroll: true }); // of a pointer; keys are for the timeline again
    acts[one.dataset.act]();
  });
}
for (const close of element("keys").querySelectorAll("button")) close.addEventListener("click", () => element("keys").close());
element("rate").append(...RATES.map((one) => new Option(`${one}×`, one, one === 1, one === 1)));
element("rate").addEventListener("change", (event) => player.setRate(Number(event.target.value)));
section.querySelector(".labels").addEventListener("click", (event) => event.target.closest(".chip") && acts.give(labels.active));
element("subject").addEventListener("change", (event) => acts.called(event.target.value.trim()));
element("subject").addEventListener("keydown", ({ key }) => {
  if (key === "Escape") whose();
  if (key === "Enter" || key === "Escape") canvas.focus({ preventScroll: true });
});
marks.addEventListener("change", () => document.activeElement !== element("subject") && whose());

/** The field shows the subject of the chosen label, or that of what is labelled next. */
function whose() {
  element("subject").value = marks.current ? marks.current.subject || "" : marks.subject;
}

found.addEventListener("change", () => scene.similarity.clear());
player.addEventListener("time", () => {
  if (player.playing || player.wanted !== null) axis.reveal(player.time);
  draw();
});
player.addEventListener("state", () => {
  button("play").textContent = player.playing ? "Pause" : "Play";
  button("sound").setAttribute("aria-pressed", String(!player.video.muted));
  element("rate").value = String(player.rate);
});
player.addEventListener("broken", () => (element("gone").textContent = `${player.broken}.`));

let waiting = 0;
let learned = "";
labels.addEventListener("change", () => {
  const now = String(labels.version);
  if (now === learned) return;
  learned = now;
  forget();
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    scene.predicted.again();
    draw();
  }, AFTER);
});

/** Begin. */
export function begin() {
  views.whenShown("timeline", shown);
  viewer.begin((window) => visit(window.id, window.start));
  views.whenLeft("timeline", () => {
    player.pause();
    setTimeout(classes.catchUp); // once another view is shown
  });
}
