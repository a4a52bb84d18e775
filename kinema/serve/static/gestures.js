// What pointers and the wheel do on a timeline: seek, pan, zoom, choose a range, and make, move and resize labels.

const MOVED = 4; // pixels from which a press is a drag
const EDGE = { mouse: 6, pen: 8, touch: 12 }; // pixels around the end of a label that resize it

/** Listen on a canvas. `scene` has the axis and the marks; `lane` gives the lane of a height; `on` does what is meant. */
export function listen(canvas, scene, lane, on) {
  const { axis, marks } = scene;
  const pointers = new Map(); // those that are down, and where
  let drag = null;
  let pinch = null;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  /** The label at a place, and which end of it, if any; of several the shortest. */
  function hit(at, kind) {
    const found = lane(at.y);
    if (found?.kind !== "row") return null;
    const near = EDGE[kind] || EDGE.mouse;
    const touched = scene.shown(found.name).filter((one) => axis.x(one.start) - near <= at.x && axis.x(one.end) + near >= at.x);
    const mark = touched.sort((one, other) => (other.id === marks.chosen) - (one.id === marks.chosen) || one.end - one.start - (other.end - other.start))[0];
    if (!mark) return null;
    const [left, right] = [axis.x(mark.start), axis.x(mark.end)];
    const slim = right - left < 3 * near; // so that there is something to move it by
    const inside = slim ? 0 : near;
    if (mark.start === mark.end) return { mark, end: "" };
    if (Math.abs(at.x - left) <= near && at.x < left + inside) return { mark, end: "start" };
    if (Math.abs(at.x - right) <= near && at.x > right - inside) return { mark, end: "end" };
    return at.x >= left && at.x <= right ? { mark, end: "" } : null;
  }

  function begin(event) {
    const at = place(event);
    const time = axis.time(at.x);
    const found = lane(at.y);
    const touched = hit(at, event.pointerType);
    drag = { at, time, found, touched, moved: false, from: axis.from, to: axis.to };
    drag.way = event.shiftKey ? "range" : touched ? "mark" : found?.kind === "ruler" ? "seek" : found?.kind === "row" && found.name ? "make" : "pan";
    if (drag.way === "seek") on.seek(time);
  }

  function move(event) {
    const at = place(event);
    drag.moved ||= Math.abs(at.x - drag.at.x) > MOVED;
    if (!drag.moved) return;
    const time = axis.time(at.x);
    const [low, high] = [Math.min(time, drag.time), Math.max(time, drag.time)].map(axis.snap);
    if (drag.way === "seek") on.seek(time);
    else if (drag.way === "pan") axis.look(...[drag.from, drag.to].map((one) => one - ((at.x - drag.at.x) / axis.width) * (drag.to - drag.from)));
    else if (drag.way === "range") on.range(low, high);
    else if (drag.way === "make") on.draft({ id: 0, start: low, end: high, class: drag.found.name });
    else on.draft(shifted(drag.touched, time - drag.time));
  }

  /** A label whose end, or all of it, was moved by some seconds. */
  function shifted({ mark, end }, by) {
    if (end) {
      const edges = { start: mark.start, end: mark.end };
      edges[end] = axis.snap(mark[end] + by);
      return { ...mark, start: Math.min(edges.start, edges.end), end: Math.max(edges.start, edges.end) };
    }
    const start = Math.min(Math.max(0, axis.snap(mark.start + by)), axis.duration - (mark.end - mark.start));
    return { ...mark, start, end: start + mark.end - mark.start };
  }

  function finish(event) {
    const { moved, way, touched, found, time } = drag;
    drag = null;
    if (moved) {
      if (way === "make" || way === "mark") on.drop();
      return;
    }
    if (way === "seek") return;
    if (touched) on.choose(touched.mark);
    else if (found?.kind === "predicted") on.bout(time);
    else on.click(time, found?.kind === "row" ? found.name : "");
    if (event.pointerType === "mouse") canvas.focus({ preventScroll: true });
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 1) begin(event);
    else if (pointers.size === 2) {
      on.draft(null);
      drag = null;
      const [one, other] = [...pointers.values()].map((at) => at.x);
      pinch = { apart: Math.max(10, Math.abs(one - other)), middle: axis.time((one + other) / 2), span: axis.span };
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, place(event));
    if (pinch && pointers.size === 2) {
      const [one, other] = [...pointers.values()].map((at) => at.x);
      const span = (pinch.span * pinch.apart) / Math.max(10, Math.abs(one - other));
      const from = pinch.middle - ((one + other) / 2 / axis.width) * span;
      axis.look(from, from + span);
    } else if (drag) move(event);
    else {
      const over = hit(place(event), event.pointerType);
      const found = lane(place(event).y);
      canvas.style.cursor = over ? (over.end ? "ew-resize" : "move") : found?.kind === "row" ? "crosshair" : found?.kind === "ruler" ? "col-resize" : "grab";
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      if (drag && kind === "pointerup") finish(event);
      else if (drag) on.draft(null);
      drag = null;
      if (pointers.size < 2) pinch = null;
    });
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const unit = [1, 16, 400][event.deltaMode];
      const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) axis.pan(((across * unit) / axis.width) * axis.span);
      else axis.zoom(Math.exp(Math.max(-1, Math.min(1, 0.002 * event.deltaY * unit))), axis.time(place(event).x));
    },
    { passive: false },
  );
}
