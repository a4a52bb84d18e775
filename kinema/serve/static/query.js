// What is asked for: a clip that is dropped, chosen or picked from the library, and the part of it.

import * as address from "./address.js";
import { hide, show, stand } from "./cards.js";
import { forget, get, leave, send } from "./server.js";
import { doing, make, named, plural, say } from "./status.js";
import { part } from "./strip.js";

const element = (id) => document.getElementById(id);
const drop = element("drop");
const asked = element("asked");
const file = element("file");
const dialog = element("library");

let source = null; // its address, { upload: token } or { window: number }, and where its pictures are
let sent = ""; // the clip that this page has sent last
let coming = null; // what is being sent or opened
let limit = Infinity;
let searching = () => {};
let stopping = () => {};
let begun = () => {};
const beginning = new Promise((resolve) => (begun = resolve)); // until the page knows what its address asks for

/** Begin; `search` is called when the reader asks for it, `stop` when its answer is wanted no more. */
export function open(search, stop, about) {
  [searching, stopping, limit] = [search, stop, about.max_upload];
  const kind = stand() ? "still" : "clip";
  element("samples").dataset.some = about.samples.length ? "yes" : "";
  const choices = about.samples.map((video) => choice(video, `/media/window/${video.id}/${kind}`));
  element("samples").querySelector("ul").replaceChildren(...choices);
  close();
}

/** From now on clips are taken; one that was dropped before has waited. */
export const ready = () => begun();

/** What is asked for now, or null. */
export function question() {
  if (!source) return null;
  const [from, to] = source.kept || [];
  if (part.from === from && part.to === to) return { like: source.address.window };
  return { ...source.address, start: part.from, end: part.to };
}

function preview() {
  if (!source) return;
  const span = `?start=${part.from.toFixed(3)}&end=${part.to.toFixed(3)}`;
  const still = source.address.window ? `${source.media}/still` : `${source.media}/clip${span}`;
  show(element("asked-shot"), `${source.media}/clip${span}`, `${source.media}/flow${span}`, still, "The chosen part, playing");
}

function begin(address, media, seen, span = []) {
  source = { address, media };
  named(element("asked-name"), seen.name);
  drop.hidden = element("samples").hidden = true;
  asked.hidden = element("filtering").hidden = false;
  part.open(`${media}/strip`, seen.duration, ...span);
  preview();
}

function away() {
  hide(element("asked-shot"));
  part.close();
}

/** Nothing is asked for: the page as it begins. */
export function close() {
  source = null;
  away();
  stopping();
  coming?.abort();
  asked.hidden = element("filtering").hidden = element("results").hidden = true;
  drop.hidden = false;
  element("samples").hidden = !element("samples").dataset.some;
}

/** Do something of which the last is meant alone. */
function alone(sentence, work) {
  stopping();
  coming?.abort();
  coming = new AbortController();
  return doing(sentence, work, coming);
}

/**
 * Ask for a window of the library: all of its video is on the strip; the window is chosen, or the part given. As long as
 * it stays chosen the window itself is asked for, whose vector is kept, and not the stretch of its video.
 */
export async function take(number, span = null) {
  return alone("Opening the video", async (tell, signal) => {
    const seen = await get(`/api/source/window/${number}`, signal);
    begin({ window: number }, `/media/window/${number}`, seen, span || [seen.start, seen.end]);
    if (!span) source.kept = [part.from, part.to];
    say(seen.gone ? `${seen.gone}.` : "");
    return seen;
  });
}

/** Ask for a clip that was sent before. */
export async function takeSent(token, span = []) {
  return alone("Opening the clip", async (tell, signal) => {
    const seen = await get(`/api/source/upload/${encodeURIComponent(token)}`, signal);
    sent = token;
    begin({ upload: token }, `/media/upload/${token}`, seen, span);
    say("");
    return seen;
  });
}

async function upload(chosen) {
  if (!chosen) return;
  await beginning;
  if (chosen.size > limit) {
    say(`The clip ${chosen.name} has more than ${limit / 2 ** 20} MiB; send a shorter clip, or raise --max-upload.`, "bad");
    return;
  }
  const seen = await alone(`Sending ${chosen.name}`, (tell, signal) =>
    send(chosen, (share) =>
      tell(share < 1 ? `Sending ${chosen.name}, ${Math.round(100 * share)} %` : `Looking into ${chosen.name}`), signal,
    ),
  );
  if (!seen) return;
  if (sent) {
    away();
    forget(sent);
  }
  sent = seen.token;
  begin({ upload: seen.token }, `/media/upload/${seen.token}`, seen);
  address.write({ view: "search", source: question(), filters: {} });
  say("Choose the part to search for, then press Search.");
  element("from").focus();
}

element("choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  upload(file.files[0]);
  file.value = "";
});
element("another").addEventListener("click", () => {
  if (sent) leave(sent);
  close();
  address.write({ view: "search", source: null });
  say("");
  element("choose").focus();
});
asked.addEventListener("submit", (event) => {
  event.preventDefault();
  searching();
});
part.addEventListener("change", preview);
window.addEventListener("pagehide", () => sent && leave(sent));
window.addEventListener("pageshow", (event) => event.persisted && sent && get(`/api/source/upload/${sent}`).catch(() => {}));

// A clip may be dropped anywhere on the page.
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
window.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
window.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  upload(event.dataTransfer.files[0]);
});

/** Ask for a video that was chosen. */
async function askFor(video) {
  if (!(await take(video.id, []))) return;
  address.write({ view: "search", source: question(), filters: {} });
  element("from").focus();
}

/** A video of the library as a button; `chosen` is called with it. */
function choice(video, picture, chosen = askFor) {
  const image = make("img", { src: picture, alt: "", loading: "lazy" });
  const button = make("button", { type: "button" }, image, named(make("span"), video.name));
  button.addEventListener("click", () => {
    dialog.close();
    chosen(video);
  });
  return make("li", {}, button);
}

// The library, to pick from.
const list = dialog.querySelector(".videos");
const text = element("library-text");
let picked = askFor; // what the one that is picked is for

async function fill(offset) {
  const wanted = text.value;
  const page = await get(`/api/videos?text=${encodeURIComponent(wanted)}&offset=${offset}`);
  if (wanted !== text.value) return; // typed on meanwhile
  if (!offset) list.replaceChildren();
  list.append(...page.videos.map((video) => choice(video, `/media/window/${video.id}/still`, picked)));
  element("library-more").hidden = list.children.length >= page.total;
  element("library-head").textContent = plural(page.total, "video");
}

const filling = (offset) => fill(offset).catch((error) => say(`${error.message}.`, "bad"));

/** Let the reader pick a video of the library; `chosen` is called with it. */
export function pick(chosen) {
  picked = chosen;
  dialog.showModal();
  filling(0);
}

element("pick").addEventListener("click", () => pick(askFor));
element("library-close").addEventListener("click", () => dialog.close());
element("library-more").addEventListener("click", () => filling(list.children.length));
text.addEventListener("input", () => filling(0));
