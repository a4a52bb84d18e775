// The line that says what the page is doing, and the small helpers that all parts use.

const line = document.getElementById("status");

export function say(sentence, kind = "") {
  line.textContent = sentence && sentence[0].toUpperCase() + sentence.slice(1);
  line.className = kind;
}

/** Do something that may fail; the reader is told how it goes. Returns undefined if it failed or was overtaken. */
export async function doing(sentence, work) {
  say(sentence, "busy");
  try {
    return await work((now) => say(now, "busy"));
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    say(`${error.message}.`, "bad");
    return undefined;
  }
}

/** Make an element: `make("p", { className: "note" }, "text", child, ...)`. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Seconds as 1.5 s or 2:05.0. */
export function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - 60 * minutes).toFixed(1);
  return minutes ? `${minutes}:${rest.padStart(4, "0")}` : `${rest} s`;
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
