// Labels in the formats of other tools: taken away, and brought in.

import { labels } from "./labels.js";
import { bring, download, get } from "./server.js";
import { doing, plural, say } from "./status.js";

const format = document.getElementById("labels-format");
const file = document.getElementById("labels-file");
const by = document.getElementById("labels-by");
const KEPT = "kinema.by"; // where the browser keeps who uses it

/** Offer the formats that the server writes. */
export async function open() {
  const { formats } = await get("/api/labels/formats").catch(() => ({ formats: [] }));
  try {
    labels.by = by.value = localStorage.getItem(KEPT) || "";
  } catch {
    // a browser that keeps nothing
  }
  format.replaceChildren(...formats.map((one) => new Option(one.title, one.name)));
}

by.addEventListener("change", () => {
  labels.by = by.value.trim();
  try {
    localStorage.setItem(KEPT, labels.by);
  } catch {
    // it holds until the page is closed
  }
});

document.getElementById("export-labels").addEventListener("click", async () => {
  const work = (tell, signal) => download("/api/labels/export", { to: format.value }, signal);
  const saved = await doing("Writing the labels", work);
  if (saved) say(`Saved ${saved.name}.${saved.notes.map((note) => ` ${note}.`).join("")}`);
});

document.getElementById("import-labels").addEventListener("click", () => file.click());
file.addEventListener("change", async () => {
  const [chosen] = file.files;
  file.value = "";
  if (!chosen) return;
  const asked = new URLSearchParams({ name: chosen.name, by: labels.by });
  const work = (tell, signal) => bring(`/api/labels/import?${asked}`, chosen, signal);
  const done = await doing(`Reading ${chosen.name}`, work);
  if (!done) return;
  labels.take(done);
  const there = done.already ? `, ${done.already.toLocaleString("en")} were there already` : "";
  const notes = done.notes.map((note) => ` ${note}.`).join("");
  labels.told(`Brought in ${plural(done.added, "label")}${there}.${notes}`, done.made);
});
