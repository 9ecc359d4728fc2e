// Buttons for the project's kinds of errors, with their number keys.

import { h } from "./dom.js";

/** `pressed` is the place of the kind that is set, or null; `choose(place)` is called by a click. */
export function kindButtons(kinds, pressed, choose) {
  return kinds.map((kind, place) => h(
    "button",
    {
      type: "button", class: `k${place + 1}`, title: kind.hint,
      "aria-pressed": String(place === pressed), on: { click: () => choose(place) },
    },
    h("kbd", {}, String(place + 1)),
    kind.shown,
  ));
}
