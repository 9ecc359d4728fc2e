// The Review screen: a machine's correction, sentence by sentence: accept, edit or reject.

import { pointsOf } from "./codepoints.js";
import { byId, h, newId } from "./dom.js";
import { REVIEW_KEYS } from "./keys.js";
import { kindButtons } from "./kinds.js";
import { correctedPieces } from "./replay.js";
import { Screen } from "./screen.js";
import { editOf, sentenceOf, sentencesOf } from "./sentences.js";
import { showTrouble } from "./status.js";
import { t } from "./words.js";

const screen = new Screen({ open: show, draw, close: forget }, { asksMissing: true });
let points, sentences;
let current = 0;
let editing = null; // {kind, text} while the current sentence is edited

const draftName = () => `draft ${screen.project.id} ${screen.work.key}`;

function show(item) {
  points = pointsOf(item.answers[0]);
  sentences = sentencesOf(item.answers[0], item.suggestions);
  editing = null;
  byId("facts").hidden = !item.facts.length || !item.images.length;
  byId(matchMedia("(max-width: 56rem)").matches ? "facts-below" : "facts-beside").append(byId("facts"));
  byId("facts").querySelector("ol").replaceChildren(...item.facts.map((fact) => h("li", {}, fact)));
  screen.state = null;
  screen.refresh();
  current = Math.max(0, nextOpen(-1));
  restoreDraft();
  screen.refresh();
  if (!editing) byId("sentences").focus({ preventScroll: true });
}

const inSentence = (place) => (edit) => sentenceOf(sentences, points, edit) === place;
const numbered = () => screen.work.suggestions.map((each, place) => ({ ...each, place }));
const suggestionsOf = (place) => numbered().filter(inSentence(place));
const spansOf = (place) => screen.state.spans.filter(inSentence(place));

function stateOf(place) {
  const suggested = suggestionsOf(place);
  const spans = spansOf(place);
  if (suggested.some((each) => !screen.state.decided.has(each.place))) return "open";
  if (!spans.length) return suggested.length ? "rejected" : "same";
  const as = (span) => suggested.some((each) => each.start === span.start && each.end === span.end && each.replacement === span.replacement);
  return spans.every(as) && spans.length === suggested.length ? "accepted" : "edited";
}

/** The next sentence after `place` that is to decide; -1 for none. */
function nextOpen(place) {
  const after = sentences.findIndex((_, each) => each > place && stateOf(each) === "open");
  return after >= 0 ? after : sentences.findIndex((_, each) => stateOf(each) === "open");
}

function draw(state) {
  byId("sentences").replaceChildren(...sentences.map(sentence));
  const pieces = correctedPieces(points, state.spans);
  byId("corrected").replaceChildren(...pieces.map(({ text, span }) => (span
    ? h("ins", { class: `k${screen.kindOf(span) + 1}` }, text)
    : text)));
  const left = sentences.filter((_, place) => stateOf(place) === "open").length;
  byId("changes").textContent = left ? t("work.to_decide", { n: left }) : "";
  byId("finish").disabled = left > 0;
  if (editing) byId("edited").focus({ preventScroll: true });
}

function sentence(range, place) {
  const state = stateOf(place);
  const chosen = place === current;
  const edits = state === "open" ? suggestionsOf(place) : spansOf(place);
  const inside = chosen && editing ? editor(place) : [
    h("p", { class: "words", dir: "auto" }, ...shown(range, edits, state === "open")),
    chosen ? buttons(state) : null,
  ];
  return h(
    "li",
    {
      class: `sentence ${state}`, "aria-current": chosen ? "true" : null,
      on: { click: (event) => event.target.closest("button, textarea") || go(place) },
    },
    h("span", { class: "state" }, state === "same" ? "" : t(`review.${state}`)),
    ...inside,
  );
}

/** The sentence with what goes struck through, next to what comes. */
function shown({ start, end }, edits, open) {
  const pieces = [];
  let position = start;
  for (const edit of edits) {
    const kind = `k${screen.kindOf(edit) + 1}${open ? " open" : ""}`;
    const from = Math.max(position, Math.min(edit.start, end));
    pieces.push(points.slice(position, from).join(""));
    position = Math.max(from, Math.min(edit.end, end));
    const gone = points.slice(from, position).join("");
    if (gone) pieces.push(h("del", { class: kind }, gone));
    if (edit.replacement) pieces.push(h("ins", { class: kind, title: edit.note || null }, edit.replacement));
  }
  pieces.push(points.slice(position, end).join(""));
  return pieces;
}

function buttons(state) {
  const button = (name, title, text) => h("button", { type: "button", "data-do": name, title }, text);
  const decide = state === "same" ? [] : [button("accept", "y", t("editor.accept")), button("reject", "n", t("editor.reject"))];
  return h("div", { class: "more" }, ...decide, button("edit", "e", t("review.edit")));
}

function editor(place) {
  const area = h("textarea", {
    id: "edited", rows: "2", dir: "auto", "aria-label": t("review.sentence"),
    on: {
      keydown: key,
      input: () => {
        editing.text = area.value;
        localStorage.setItem(draftName(), JSON.stringify({ place, ...editing }));
      },
    },
  });
  area.value = editing.text;
  const kinds = kindButtons(screen.project.kinds, editing.kind, setKind);
  const button = (name, title, text, look) => h("button", { type: "button", class: look, "data-do": name, title }, text);
  return [
    h("p", { class: "words before", dir: "auto" }, points.slice(sentences[place].start, sentences[place].end).join("")),
    area,
    h("div", { class: "kinds", role: "group", "aria-label": t("kinds.group") }, ...kinds),
    h("div", { class: "more" }, button("save", "Enter", t("editor.save"), "primary"), button("cancel", "Esc", t("editor.cancel"), "")),
  ];
}

function key(event) {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.metaKey) actions.save();
  else if (event.key === "Escape") actions.cancel();
  else if (event.altKey && /^Digit[1-9]$/.test(event.code)) setKind(Number(event.code.at(-1)) - 1);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function setKind(kind) {
  if (!editing || kind >= screen.project.kinds.length) return;
  editing.kind = kind;
  screen.refresh();
}

function go(place) {
  if (place < 0 || place >= sentences.length) return;
  if (editing) actions.save();
  current = place;
  screen.refresh();
  byId("sentences").children[place].scrollIntoView({ block: "nearest" });
}

/** Replaces what was decided on the current sentence; `edits` are the spans that it gets. */
function decide(accepted, edits) {
  const removals = spansOf(current).map((span) => ({ type: "unspan", id: span.id }));
  const suggested = suggestionsOf(current);
  const bodies = edits.map((edit) => screen.body(
    { ...edit, id: undefined },
    { id: newId(), text: points.slice(edit.start, edit.end).join(""), kind: edit.kind },
  ));
  const of = (each) => bodies.find((body) => body.start <= each.end && each.start <= body.end)?.id ?? null;
  const decisions = suggested.map((each) => ({
    type: "suggestion", place: each.place, accepted, span: accepted ? of(each) : null,
  }));
  editing = null;
  localStorage.removeItem(draftName());
  screen.change(...removals, ...bodies, ...decisions);
  const next = suggested.length ? nextOpen(current) : -1;
  if (next >= 0) go(next);
  byId("sentences").focus({ preventScroll: true });
}

function forget() {
  localStorage.removeItem(draftName());
  editing = null;
}

function restoreDraft() {
  const draft = JSON.parse(localStorage.getItem(draftName()) ?? "null");
  if (!sentences[draft?.place] || typeof draft.text !== "string") return;
  current = draft.place;
  editing = { kind: draft.kind, text: draft.text };
}

/** The sentence with its edits, as it is edited further. */
function textOf({ start, end }, edits) {
  const inside = edits.map((edit) => ({
    ...edit, start: Math.max(0, edit.start - start), end: Math.max(0, Math.min(edit.end, end) - start),
  }));
  return correctedPieces(points.slice(start, end), inside).map(({ text }) => text).join("");
}

const actions = {
  accept() {
    const suggested = suggestionsOf(current);
    if (!suggested.length) return;
    decide(true, suggested.map((each) => ({ ...each, kind: screen.kindOf(each) })));
  },
  reject() { if (suggestionsOf(current).length) decide(false, []); },
  edit() {
    if (editing) return;
    const edits = stateOf(current) === "open" ? suggestionsOf(current) : spansOf(current);
    editing = { kind: edits.length ? screen.kindOf(edits[0]) : 0, text: textOf(sentences[current], edits) };
    screen.refresh();
  },
  save() {
    const range = sentences[current];
    const before = points.slice(range.start, range.end).join("");
    const edit = editOf(before, editing.text.trim(), range.start);
    decide(Boolean(edit), edit ? [{ ...edit, kind: editing.kind }] : []);
  },
  cancel() {
    forget();
    screen.refresh();
    byId("sentences").focus({ preventScroll: true });
  },
  kind: setKind,
  finish() {
    if (editing) actions.save();
    if (byId("finish").disabled) return;
    const { spans, verdict } = screen.state;
    const now = spans.length ? null : "nothing_wrong";
    screen.leave(...(now === verdict ? [] : [{ type: "verdict", verdict: now }]), { type: "submit" });
  },
  unsure() { screen.leave({ type: "verdict", verdict: "unsure" }, { type: "submit" }); },
  missing() { screen.notes.addMissing(); },
};

const cursor = { move: (step) => go(current + (step === "left" || step === "up" ? -1 : 1)) };
screen.start(actions, () => cursor, REVIEW_KEYS).catch(showTrouble);
