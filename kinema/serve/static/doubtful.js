// Where to label next: the places of the library that the classifier of the present labels is least sure of, one after the other.

import { get } from "./server.js";
import { doing, say } from "./status.js";

let places = []; // those to come
let running = null;

/** The labels have changed, and with them what is doubtful. */
export function forget() {
  places = [];
  running?.abort();
}

/** Go to the next one: `show` is called with it, and whether it is of the video with the name `here`. */
export async function next(here, show) {
  if (!places.length) {
    const mine = (running = new AbortController());
    const told = await doing("Looking for the most doubtful places", (tell, signal) => get("/api/doubtful", signal), mine);
    if (!told || mine !== running) return;
    if (!told.places.length) return say("All that the library has is labelled.");
    places = told.places;
  }
  const place = places.shift();
  const [first, second] = place.between;
  await show(place, place.name === here);
  say(`Is this ${first} or ${second}? The classifier cannot tell.`);
}
