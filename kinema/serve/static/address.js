// The address of what is shown, so that Back, reload and a saved link work: the search after "?", the view after "#", and
// after it the video and the time that the timeline shows.

/** What the address asks for: `view` and `place` in it, `source` (window or upload, and its part) or null, `filters`. */
export function read() {
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  const { like, window, upload, start, end, ...filters } = asked;
  const part = start && end ? { start: Number(start), end: Number(end) } : {};
  const source = like ? { like: Number(like) } : window ? { window: Number(window), ...part } : upload ? { upload, ...part } : null;
  const [view, place = ""] = location.hash.slice(1).split("/");
  return { view: view || "search", place, source, filters };
}

/** Make an address the page's own, as a step of its history; nothing happens where it is that already. */
export function write({ view = read().view, place = "", source = read().source, filters = read().filters }) {
  const rounded = Object.fromEntries(
    Object.entries(source || {}).map(([name, value]) => [name, typeof value === "number" ? Number(value.toFixed(3)) : value]),
  );
  const asked = new URLSearchParams({ ...rounded, ...(source ? filters : {}) }).toString();
  const address = `/${asked && `?${asked}`}${view === "search" ? "" : `#${view}${place && `/${place}`}`}`;
  if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
}
