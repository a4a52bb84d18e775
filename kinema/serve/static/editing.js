// Acts on a timeline's labels: each is what a key, a button or a drag means. They tell the reader where nothing can be done.

import { labels } from "./labels.js";
import { say } from "./status.js";

const LEAST = 1e-6; // seconds that tell two times apart

/** The acts on the labels of a scene; `draw` is called where nothing but the picture has changed. */
export function editing(scene, draw) {
  const { axis, marks, player } = scene;
  const now = () => axis.snap(player.frame / player.fps);
  const saying = (sentence) => say(sentence, "bad");

  /** The chosen label, or a sentence that there is none. */
  function chosen() {
    if (!marks.current) saying("Choose a label first: click one, or press j.");
    return marks.current;
  }

  /** Move one end of the chosen label, or of the range, to the playhead. */
  function edge(which) {
    const time = now();
    const mark = marks.current;
    const [start, end] = mark ? [mark.start, mark.end] : scene.range || [time, time];
    const moved = which === "start" ? [time, Math.max(time, end)] : [Math.min(time, start), time];
    if (mark) marks.change(mark, { start: moved[0], end: moved[1] });
    else scene.range = moved;
    scene.offer = "";
    draw();
  }

  async function make(name) {
    const [start, end] = scene.range;
    [scene.range, scene.offer] = [null, ""];
    await marks.add(start, end, name);
  }

  const shift = (frames) => {
    const mark = chosen();
    if (!mark) return;
    const start = Math.min(Math.max(0, axis.snap(mark.start + frames / axis.fps)), axis.duration - (mark.end - mark.start));
    marks.change(mark, { start, end: start + mark.end - mark.start });
  };

  function go(way) {
    const mark = marks.neighbour(way, scene.time);
    if (!mark) return say(way > 0 ? "There is no label after this one." : "There is no label before this one.");
    scene.range = null;
    marks.choose(mark);
    player.seek(mark.start + 0.1 / player.fps);
    return say(`Chosen: ${mark.class}${mark.subject ? ` of ${mark.subject}` : ""}, ${mark.start.toFixed(2)} to ${mark.end.toFixed(2)} s.`);
  }

  return {
    onset: () => edge("start"),
    offset: () => edge("end"),
    left: () => shift(-1),
    right: () => shift(1),
    next: () => go(1),
    previous: () => go(-1),
    undo: marks.undo,
    redo: marks.redo,

    class(number) {
      const name = labels.names[number - 1];
      if (name === undefined) saying(`There is no class ${number}; write its name into the field for labels.`);
      else this.give(name);
    },

    /** A class was chosen: for the label or the range that is chosen, and for what comes. */
    give(name) {
      labels.add(name);
      const mark = marks.current;
      if (mark && mark.class !== name) marks.change(mark, { class: name });
      else if (!mark && scene.range) make(name);
    },

    label() {
      const name = scene.offer || labels.active;
      if (!scene.range) saying("Choose a range first: press i and o, drag with Shift, or click a predicted bout.");
      else if (!name) saying("Write a label's name into the field for labels first.");
      else make(name);
    },

    event() {
      if (labels.active) marks.add(now(), now(), labels.active);
      else saying("Write a label's name into the field for labels first.");
    },

    /** A subject was written: for the label that is chosen, and for what comes. */
    called(name) {
      marks.subject = name;
      const mark = marks.current;
      if (mark && (mark.subject || "") !== name) marks.change(mark, { subject: name || null });
    },

    split() {
      const time = now();
      const mark = chosen();
      if (!mark) return;
      if (time <= mark.start + LEAST || time >= mark.end - LEAST) saying("Put the playhead into the chosen label to split it.");
      else marks.split(mark, time);
    },

    merge() {
      const mark = chosen();
      const mate = marks.mate();
      if (mark && !mate) saying("There is no later label of this class and subject to merge it with.");
      else if (mark) marks.merge(mark, mate);
    },

    remove() {
      const mark = chosen();
      if (mark) marks.remove(mark);
    },

    leave() {
      [scene.range, scene.offer] = [null, ""];
      marks.choose(null);
    },

    /** A label was made, moved or resized by a drag. */
    async drop() {
      const { draft } = scene;
      if (!draft) return;
      if (draft.id) {
        const mark = marks.all.find((one) => one.id === draft.id);
        marks.chosen = draft.id;
        if (mark) await marks.change(mark, { start: draft.start, end: draft.end });
      } else await marks.add(draft.start, draft.end, draft.class);
      if (scene.draft === draft) scene.draft = null;
      draw();
    },
  };
}
