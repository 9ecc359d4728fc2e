// The keys of the working screen. A list of them is what `?` shows, so that none can be missing there.

import { byId, h, isTyping } from "./dom.js";
import { t } from "./words.js";

const SHARED = [
  ["u  Shift+U", t("keys.undo"), { u: "undo", U: "redo" }],
  ["Ctrl + Enter", t("keys.finish"), {}],
  ["s", t("keys.skip"), { s: "skip" }],
  ["k", t("keys.comment"), { k: "comment" }],
  ["+  \u2212  0", t("keys.zoom"), {
    "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "zoom-fit",
  }],
  [",  .", t("keys.images"), { ",": "previous-image", ".": "next-image" }],
  ["g  ?", t("keys.help"), { g: "guidelines", "?": "help" }],
];
const WORDS = [
  ["\u2190 \u2192 \u2191 \u2193", t("keys.move"), {}],
  ["Shift + \u2190 \u2192", t("keys.choose"), {}],
  ["1 \u2026 9", t("keys.mark"), {}],
  ["x", t("keys.unmark"), { x: "unmark" }],
  ["Esc", t("keys.cancel"), { Escape: "cancel" }],
];

/** Rows of [keys, what they do, action by key]. */
export const CORRECT_KEYS = [
  ...WORDS,
  ["Enter", t("keys.edit"), { Enter: "edit" }],
  ["Delete", t("keys.delete"), { Delete: "remove", Backspace: "remove" }],
  ["i  a", t("keys.insert"), { i: "insertBefore", a: "insertAfter" }],
  ["[  ]", t("keys.jump"), { "[": "previousMark", "]": "nextMark" }],
  ["y  n", t("keys.decide"), { y: "accept", n: "reject" }],
  ["Alt + 1 \u2026 9", t("keys.kind"), {}],
  ["c", t("keys.unsure"), { c: "unsure" }],
  ["m", t("keys.missing"), { m: "missing" }],
  ...SHARED,
];
export const COMPARE_KEYS = [
  ["a  b", t("keys.choice"), { a: "first", b: "second" }],
  ["e  c", t("keys.tie"), { e: "tie", c: "unsure" }],
  ["o", t("keys.other_answer"), { o: "other" }],
  ...WORDS,
  ...SHARED,
];
export const REVIEW_KEYS = [
  ["\u2191 \u2193", t("keys.sentences"), {}],
  ["y  n", t("keys.decide_sentence"), { y: "accept", n: "reject" }],
  ["e", t("keys.edit_sentence"), { e: "edit", Enter: "edit" }],
  ["Alt + 1 \u2026 9", t("keys.kind_sentence"), {}],
  ["c", t("keys.unsure"), { c: "unsure" }],
  ["m", t("keys.missing"), { m: "missing" }],
  ...SHARED,
];
export const EVALUATE_KEYS = [
  ...WORDS,
  ["c", t("keys.unsure"), { c: "unsure" }],
  ...SHARED,
];
export const THUMB_KEYS = [
  ["y  n", t("keys.thumb"), { y: "good", n: "bad" }],
  ...SHARED,
];
export const CONFLICT_KEYS = [
  ["1 \u2026 9", t("keys.take"), {}],
  ["e", t("keys.edit_own"), { e: "edit" }],
  ["s", t("keys.skip_conflict"), { s: "skip" }],
  ["u", t("keys.back"), { u: "undo" }],
  ...SHARED.filter(([keys]) => [...",+g"].includes(keys[0])),
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
