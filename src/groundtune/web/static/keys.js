// The keys of the working screen. A list of them is what `?` shows, so that none can be missing there.

import { byId, h, isTyping } from "./dom.js";

const SHARED = [
  ["u  Shift+U", "Undo, redo (also Ctrl+Z, Ctrl+Y)", { u: "undo", U: "redo" }],
  ["Ctrl + Enter", "Finish, and go to the next item", {}],
  ["s", "Skip: leave the item to others", { s: "skip" }],
  ["k", "Comment", { k: "comment" }],
  ["+  \u2212  0", "Zoom in, zoom out, fit the image", {
    "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "zoom-fit",
  }],
  [",  .", "Previous image, next image", { ",": "previous-image", ".": "next-image" }],
  ["g  ?", "Guidelines; these keys", { g: "guidelines", "?": "help" }],
];
const WORDS = [
  ["\u2190 \u2192 \u2191 \u2193", "Move by word or line", {}],
  ["Shift + \u2190 \u2192", "Choose more or fewer words", {}],
  ["1 \u2026 9", "Mark the chosen words as this kind of error", {}],
  ["x", "Remove the mark", { x: "unmark" }],
  ["Esc", "Cancel; choose nothing", { Escape: "cancel" }],
];

/** Rows of [keys, what they do, action by key]. */
export const CORRECT_KEYS = [
  ...WORDS,
  ["Enter", "Edit the chosen words; save what you typed", { Enter: "edit" }],
  ["Delete", "Delete the chosen words", { Delete: "remove", Backspace: "remove" }],
  ["i  a", "Insert before, insert after", { i: "insertBefore", a: "insertAfter" }],
  ["[  ]", "Previous mark, next mark", { "[": "previousMark", "]": "nextMark" }],
  ["y  n", "Accept, reject a suggestion", { y: "accept", n: "reject" }],
  ["Alt + 1 \u2026 9", "Change the kind while typing", {}],
  ["c", "Can't tell", { c: "unsure" }],
  ["m", "Note what is missing", { m: "missing" }],
  ...SHARED,
];
export const COMPARE_KEYS = [
  ["a  b", "Choose answer A or B for the open question", { a: "first", b: "second" }],
  ["e  c", "Equal; can't tell", { e: "tie", c: "unsure" }],
  ["o", "Go to the other answer's words", { o: "other" }],
  ...WORDS,
  ...SHARED,
];
export const REVIEW_KEYS = [
  ["\u2191 \u2193", "Previous sentence, next sentence", {}],
  ["y  n", "Accept, reject the sentence's changes", { y: "accept", n: "reject" }],
  ["e", "Edit the sentence (also Enter); Enter saves it", { e: "edit", Enter: "edit" }],
  ["Alt + 1 \u2026 9", "The kind of error, while you edit", {}],
  ["c", "Can't tell", { c: "unsure" }],
  ["m", "Note what is missing", { m: "missing" }],
  ...SHARED,
];
export const EVALUATE_KEYS = [
  ...WORDS,
  ["c", "Can't tell", { c: "unsure" }],
  ...SHARED,
];

const MOVES = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "home", End: "end",
};

/** Calls `actions` by the keys and by the buttons with data-do; `answer()` has the cursor. */
export function listen(actions, answer, rows) {
  const plain = Object.assign({}, ...rows.map(([, , keys]) => keys));
  byId("keys").replaceChildren(...rows.flatMap(([keys, what]) => [
    h("dt", {}, ...keys.split("  ").flatMap((key, place) => [place ? " " : "", h("kbd", {}, key)])),
    h("dd", {}, what),
  ]));
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name]?.();
  });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (act(event, actions, answer, plain)) event.preventDefault();
  });
}

function act(event, actions, answer, plain) {
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key === "Enter") return run(actions.finish);
  if (isTyping(event.target)) return false;
  if (control && event.key.toLowerCase() === "z") return run(event.shiftKey ? actions.redo : actions.undo);
  if (control && event.key.toLowerCase() === "y") return run(actions.redo);
  if (control || event.altKey) return false;
  const onButton = event.target.closest?.("button, a, summary");
  if (onButton && (event.key === "Enter" || event.key === " ")) return false;
  if (MOVES[event.key]) return run(() => answer().move(MOVES[event.key], event.shiftKey));
  if (/^[1-9]$/.test(event.key)) return run(() => actions.kind(Number(event.key) - 1));
  const name = plain[event.key];
  return name ? run(actions[name]) : false;
}

function run(action) {
  action?.();
  return true;
}
