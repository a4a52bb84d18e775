// The views, one of which is shown; the address says which.

import * as address from "./address.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const opened = {};
const left = {};

/** Have something done whenever a view is shown. */
export const whenShown = (view, run) => (opened[view] = run);

/** Have something done whenever a view is no longer shown. */
export const whenLeft = (view, run) => (left[view] = run);

/** Show a view. */
export function show(view, focus = false) {
  const tab = tabs.find((one) => one.id === `tab-${view}`) || tabs[0];
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    const view = document.getElementById(other.getAttribute("aria-controls"));
    if (!view.hidden && other !== tab) left[view.id]?.();
    view.hidden = other !== tab;
  }
  if (focus) tab.focus();
  opened[tab.getAttribute("aria-controls")]?.();
}

function choose(tab, focus) {
  const view = tab.getAttribute("aria-controls");
  address.write({ view });
  show(view, focus);
}

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) choose(tabs[(place + step + tabs.length) % tabs.length], true);
  });
}
