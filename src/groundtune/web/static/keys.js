// The keys of the working screen. A list of them is what `?` shows, so that none can be missing there.

import { byId, h, isTyping } from "./dom.js";

const KEYS = [
  ["\u2190 \u2192 \u2191 \u2193", "Move by word or line"],
  ["Shift + \u2190 \u2192", "Choose more or fewer words"],
  ["1 \u2026 9", "Mark the chosen words as this kind of error"],
  ["Enter", "Edit the chosen words; save what you typed"],
  ["Delete", "Delete the chosen words"],
  ["i  a", "Insert before, insert after"],
  ["[  ]", "Previous mark, next mark"],
  ["x", "Remove the mark"],
  ["y  n", "Accept, reject a suggestion"],
  ["Esc", "Cancel; choose nothing"],
  ["u  Shift+U", "Undo, redo (also Ctrl+Z, Ctrl+Y)"],
  ["Ctrl + Enter", "Finish, and go to the next item"],
  ["c  s", "Can't tell; skip"],
  ["m  k", "Note what is missing; comment"],
  ["+  \u2212  0", "Zoom in, zoom out, fit the image"],
  ["Alt + 1 \u2026 9", "Change the kind while typing"],
  ["g  ?", "Guidelines; these keys"],
];

const PLAIN = {
  Enter: "edit", Delete: "remove", Backspace: "remove", Escape: "cancel",
  i: "insertBefore", a: "insertAfter", "[": "previousMark", "]": "nextMark", x: "unmark",
  y: "accept", n: "reject", u: "undo", U: "redo", c: "unsure", s: "skip", m: "missing", k: "comment",
  "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "zoom-fit", g: "guidelines", "?": "help",
};
const MOVES = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "home", End: "end",
};

/** Calls `actions` by the keys and by the buttons that name one in data-do. */
export function listen(actions, answer) {
  byId("keys").replaceChildren(...KEYS.flatMap(([keys, what]) => [
    h("dt", {}, ...keys.split("  ").flatMap((key, place) => [place ? " " : "", h("kbd", {}, key)])),
    h("dd", {}, what),
  ]));
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name]?.();
  });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (act(event, actions, answer)) event.preventDefault();
  });
}

function act(event, actions, answer) {
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key === "Enter") return run(actions.finish);
  if (isTyping(event.target)) return false;
  if (control && event.key.toLowerCase() === "z") return run(event.shiftKey ? actions.redo : actions.undo);
  if (control && event.key.toLowerCase() === "y") return run(actions.redo);
  if (control || event.altKey) return false;
  const onButton = event.target.closest?.("button, a, summary");
  if (onButton && (event.key === "Enter" || event.key === " ")) return false;
  if (MOVES[event.key]) return run(() => answer.move(MOVES[event.key], event.shiftKey));
  if (/^[1-9]$/.test(event.key)) return run(() => actions.kind(Number(event.key) - 1));
  const name = PLAIN[event.key];
  return name ? run(actions[name]) : false;
}

function run(action) {
  action?.();
  return true;
}
