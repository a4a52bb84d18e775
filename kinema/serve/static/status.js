// The line that says what the page is doing, and the small helpers that all parts use.

const line = document.getElementById("status");

let told = null; // the deed that is offered, and the text beside it

/** Say something; `deed` is a button beside it: { text, run }. The same deed keeps its button, however often more is said. */
export function say(sentence, kind = "", deed = null) {
  const text = new Text(sentence && sentence[0].toUpperCase() + sentence.slice(1));
  line.className = kind;
  if (deed && told?.deed === deed) {
    told.text.replaceWith(text);
    told.text = text;
    return;
  }
  told = deed && { deed, text };
  line.replaceChildren(text);
  if (!deed) return;
  const button = make("button", { type: "button", className: "quiet deed", textContent: deed.text });
  button.addEventListener("click", deed.run);
  line.append(button);
}

/**
 * Do something that may fail, take long or be cancelled; the reader is told how it goes.
 * `work` gets a function that tells, and a signal. Returns undefined if it failed, was cancelled or was overtaken.
 */
export async function doing(sentence, work, mine = new AbortController()) {
  const cancel = { text: "Cancel", run: () => mine.abort("cancelled") };
  const tell = (now) => mine.signal.aborted || say(now, "busy", cancel);
  tell(sentence);
  try {
    return await work(tell, mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) say(`${error.message}.`, "bad");
    else if (mine.signal.reason === "cancelled") say("Cancelled.");
    return undefined;
  }
}

/** Make an element: `make("p", { className: "note" }, "text", child, ...)`. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A file's name that is cut in the middle where it is too long: its end tells files apart. */
export function named(element, file) {
  const name = file.replace(/[\n\r\t]/g, " "); // which would break the line
  const end = name.length > 16 ? name.length - 12 : name.length;
  element.classList.add("cut");
  element.title = name;
  element.replaceChildren(make("span", {}, name.slice(0, end)), make("span", {}, name.slice(end)));
  return element;
}

/** Seconds as 1.5 s or 2:05.0. */
export function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const minutes = Math.floor(tenths / 600);
  const rest = (tenths / 10 - 60 * minutes).toFixed(1);
  return minutes ? `${minutes}:${rest.padStart(4, "0")}` : `${rest} s`;
}

/** What `clock` writes, or a number of seconds, read again; NaN where it is neither. */
export function seconds(text) {
  const found = /^\s*(?:(\d+):)?(?:(\d+):)?(\d+(?:[.,]\d*)?|[.,]\d+)\s*s?\s*$/.exec(text);
  if (!found) return NaN;
  const larger = found.slice(1, 3).filter((part) => part !== undefined).reduce((sum, part) => 60 * sum + Number(part), 0);
  return 60 * larger + Number(found[3].replace(",", "."));
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
