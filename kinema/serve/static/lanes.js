// Drawing a timeline on its canvas: the ruler, what was measured, what is predicted, and a row of labels for each class.

import { stamp } from "./axis.js";
import { labels } from "./labels.js";

const RULER = 24; // pixels
const CURVE = 46;
const BOUTS = 22;
const ROW = 24;
const GAP = 4;
const SIGMAS = [-2, 6]; // spreads that the lane of similarity shows
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The lanes from above to below: { kind, name, top, height }; `rows` are names of classes. */
export function lanes(scene, rows) {
  const found = [{ kind: "ruler", name: "", height: RULER }, { kind: "strength", name: "motion", height: CURVE }];
  if (scene.source) found.push({ kind: "similarity", name: "like the query, σ", height: CURVE });
  found.push({ kind: "predicted", name: "predicted", height: BOUTS });
  for (const name of rows) found.push({ kind: "row", name, height: ROW });
  if (!rows.length) found.push({ kind: "row", name: "", height: ROW });
  let top = 0;
  for (const lane of found) {
    lane.top = top;
    top += lane.height + GAP;
  }
  return found;
}

/** Draw everything; `scene` holds what there is, `made` the lanes of above. */
export function draw(canvas, scene, made) {
  const { axis } = scene;
  const dense = devicePixelRatio || 1;
  const height = made.at(-1).top + made.at(-1).height + GAP;
  canvas.style.height = `${height}px`;
  const size = [Math.round(axis.width * dense), Math.round(height * dense)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const pen = canvas.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, axis.width, height);
  const paint = { pen, axis, ink: variable("--ink"), muted: variable("--muted"), rule: variable("--rule"), panel: variable("--panel"), motion: variable("--motion"), appearance: variable("--appearance"), height };
  for (const lane of made) {
    if (lane.kind !== "ruler") {
      pen.fillStyle = paint.panel;
      pen.fillRect(0, lane.top, axis.width, lane.height);
    }
  }
  grid(paint);
  for (const lane of made) DRAWN[lane.kind](paint, lane, scene);
  range(paint, scene);
  playhead(paint, scene.time);
}

function grid({ pen, axis, muted, rule, height }) {
  const { times, digits } = axis.ticks();
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "top";
  for (const time of times) {
    const x = axis.x(time);
    pen.fillStyle = rule;
    pen.fillRect(Math.round(x), 0, 1, height);
    pen.fillStyle = muted;
    pen.fillText(stamp(time, digits), x + 4, 5);
  }
}

function name(paint, lane, text, colour = paint.muted) {
  const { pen, axis } = paint;
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const wide = Math.min(pen.measureText(text).width, axis.width / 2);
  pen.globalAlpha = 0.75;
  pen.fillStyle = paint.panel;
  pen.fillRect(2, lane.top + 2, wide + 8, 15);
  pen.globalAlpha = 1;
  pen.fillStyle = colour;
  pen.fillText(text, 6, lane.top + 10, wide);
}

/** Lines through the means over bands from the least to the largest, in parts where there are gaps. */
function curve({ pen, axis }, lane, data, colour, scale) {
  const { at, low, mean, high, step } = data;
  const y = (value) => lane.top + lane.height - 2 - Math.min(1, Math.max(0, scale(value))) * (lane.height - 4);
  let first = at.findIndex((time) => time >= axis.from);
  first = Math.max(0, (first < 0 ? at.length : first) - 2);
  for (let begin = first; begin < at.length && at[begin] <= axis.to + 2 * step; ) {
    let end = begin + 1;
    while (end < at.length && at[end] - at[end - 1] < 1.6 * step && at[end - 1] <= axis.to + step) end += 1;
    pen.fillStyle = pen.strokeStyle = colour;
    pen.globalAlpha = 0.35;
    pen.beginPath();
    for (let n = begin; n < end; n += 1) pen.lineTo(axis.x(at[n]), y(high[n]));
    for (let n = end - 1; n >= begin; n -= 1) pen.lineTo(axis.x(at[n]), y(low[n]));
    pen.fill();
    pen.globalAlpha = 1;
    pen.lineWidth = 1.3;
    pen.beginPath();
    for (let n = begin; n < end; n += 1) pen.lineTo(axis.x(at[n]), y(mean[n]));
    if (end - begin === 1) pen.arc(axis.x(at[begin]), y(mean[begin]), 1.5, 0, 2 * Math.PI);
    pen.stroke();
    begin = end;
  }
}

function strength(paint, lane, scene) {
  const data = scene.strength.seen(paint.axis);
  if (data) curve(paint, lane, data, paint.motion, (value) => value / Math.max(data.most, 1e-3));
  name(paint, lane, scene.strength.error || lane.name);
}

function similarity(paint, lane, scene) {
  const data = scene.similarity.seen(paint.axis);
  const share = (value) => (value - SIGMAS[0]) / (SIGMAS[1] - SIGMAS[0]);
  if (data) {
    paint.pen.fillStyle = paint.rule;
    paint.pen.fillRect(0, lane.top + lane.height - 2 - share(2) * (lane.height - 4), paint.axis.width, 1); // below is doubtful
    curve(paint, lane, data, paint.appearance, share);
  }
  name(paint, lane, scene.similarity.error || lane.name);
}

function block({ pen, axis }, lane, start, end, colour, alpha) {
  const [from, to] = [Math.max(-2, axis.x(start)), Math.min(axis.width + 2, axis.x(end))];
  if (to < 0 || from > axis.width) return null;
  pen.globalAlpha = alpha;
  pen.fillStyle = colour;
  pen.fillRect(from, lane.top + 3, Math.max(1, to - from), lane.height - 6);
  pen.globalAlpha = 1;
  return [from, to];
}

function predicted(paint, lane, scene) {
  const data = scene.predicted.seen(paint.axis);
  for (const [start, end, kind, share] of data?.bouts || []) {
    block(paint, lane, start, end, labels.colour(data.names[kind]), 0.15 + 0.75 * share);
  }
  const none = data && !data.names.length ? "predicted: label two classes first" : lane.name;
  name(paint, lane, scene.predicted.error || none);
}

function row(paint, lane, scene) {
  const { pen, axis, ink } = paint;
  const { marks } = scene;
  const colour = lane.name ? labels.colour(lane.name) : paint.muted;
  for (const mark of scene.shown(lane.name)) {
    const chosen = mark.id === marks.chosen;
    if (mark.start === mark.end) {
      const x = axis.x(mark.start);
      const middle = lane.top + lane.height / 2;
      pen.fillStyle = colour;
      pen.beginPath();
      for (const [dx, dy] of [[0, -8], [6, 0], [0, 8], [-6, 0]]) pen.lineTo(x + dx, middle + dy);
      pen.closePath();
      pen.fill();
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      if (chosen) pen.stroke();
      continue;
    }
    const place = block(paint, lane, mark.start, mark.end, colour, chosen ? 0.95 : 0.7);
    if (!place || place[1] - place[0] < 3) continue;
    pen.strokeStyle = chosen ? ink : colour;
    pen.lineWidth = chosen ? 2 : 1;
    pen.strokeRect(place[0] + 0.5, lane.top + 3.5, place[1] - place[0] - 1, lane.height - 7);
  }
  name(paint, lane, lane.name || "write a label below, then drag here", lane.name ? ink : paint.muted);
}

function range({ pen, axis, ink, height }, scene) {
  const chosen = scene.marks.current;
  const [start, end] = scene.range || (chosen ? [chosen.start, chosen.end] : []);
  if (start === undefined) return;
  pen.globalAlpha = 0.1;
  pen.fillStyle = ink;
  pen.fillRect(axis.x(start), 0, axis.x(end) - axis.x(start), height);
  pen.globalAlpha = 1;
  for (const time of scene.range || []) pen.fillRect(Math.round(axis.x(time)), 0, 1, height);
}

function playhead({ pen, axis, ink, height }, time) {
  const x = Math.round(axis.x(time));
  pen.fillStyle = ink;
  pen.fillRect(x - 1, 0, 2, height);
  pen.beginPath();
  for (const [dx, y] of [[-6, 0], [6, 0], [0, 8]]) pen.lineTo(x + dx, y);
  pen.fill();
}

const DRAWN = { ruler: () => {}, strength, similarity, predicted, row };
