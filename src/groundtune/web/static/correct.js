// The Correct screen: events in, everything shown is their replay.

import { Answer } from "./answer.js";
import { pointsOf } from "./codepoints.js";
import { byId, h, newId } from "./dom.js";
import { Editor } from "./editor.js";
import { CORRECT_KEYS } from "./keys.js";
import { correctedPieces } from "./replay.js";
import { Screen, merged } from "./screen.js";
import { showTrouble } from "./status.js";
import { t } from "./words.js";

const answer = new Answer(byId("answer"), chosen);
const editor = new Editor(byId("editor"), {});
const screen = new Screen({ open: show, draw, close: forget }, { asksMissing: true });
let points;
let open = null; // what is edited: {id}, {insertAt} or null

const change = (...bodies) => screen.change(...bodies);
const kindOf = (span) => screen.kindOf(span);
const spans = () => screen.state.spans;
const spanOf = (id) => spans().find((span) => span.id === id);
const draftName = () => `draft ${screen.project.id} ${screen.work.key}`;

function show(item) {
  points = pointsOf(item.answers[0]);
  open = null;
  answer.clear();
  byId("facts").hidden = !item.images.length || !item.facts.length;
  byId("facts").querySelector("ol").replaceChildren(...item.facts.map((fact) => h("li", {}, fact)));
  screen.refresh();
  restoreDraft();
  if (!open) byId("answer").focus({ preventScroll: true });
}

function draw() {
  answer.draw(screen.work.answers[0], spans().map(drawn), doubts());
  byId("finish").textContent = t(spans().length ? "work.finish" : "work.nothing_wrong");
  drawEditor();
  drawCorrected();
}

/** What is typed and chosen goes, when what is shown is taken back. */
function forget() {
  localStorage.removeItem(draftName());
  open = null;
  answer.select(null);
}

const drawn = (span) => ({ ...span, className: `k${kindOf(span) + 1}`, open: open?.id === span.id });

function doubts() {
  return screen.work.suggestions
    .map((suggestion, place) => ({ ...suggestion, place }))
    .filter(({ place }) => !screen.state.decided.has(place));
}

/** The corrected text, with what is being typed. */
function drawCorrected() {
  const shown = withTyped();
  const changed = shown.filter((span) => span.replacement !== null);
  const marked = shown.length - changed.length;
  const pieces = correctedPieces(points, shown);
  byId("corrected").replaceChildren(...pieces.map(({ text, span }) => (span
    ? h("ins", { class: `k${kindOf(span) + 1}`, "data-mark": span.id }, text)
    : text)));
  byId("corrected").closest(".derived").classList.toggle("same", !changed.length);
  const counts = [
    changed.length ? t("work.changed", { n: changed.length }) : "",
    marked ? t("work.only_marked", { n: marked }) : "",
  ];
  byId("changes").textContent = counts.filter(Boolean).join(", ") || t("work.unchanged");
}

function withTyped() {
  const text = editor.input?.value;
  if (!text || !open) return spans();
  if (open.id) return spans().map((span) => (span.id === open.id ? { ...span, replacement: text } : span));
  const at = open.insertAt;
  const typed = { id: "", start: at, end: at, label: "", kind: "other", replacement: padded(text, at) };
  return [...spans(), typed].sort((one, other) => one.start - other.start || one.end - other.end);
}

function drawEditor() {
  const span = open?.id ? spanOf(open.id) : null;
  const selection = answer.selection;
  if (open && !span && open.insertAt === undefined) open = null;
  if (!open && !selection) {
    editor.hide();
    return;
  }
  const range = span ?? selection ?? { start: 0, end: 0 };
  const at = open?.insertAt;
  editor.show({
    words: at === undefined ? wordsOf(range) : points.slice(Math.max(0, at - 30), at).join(""),
    kinds: screen.project.kinds,
    kind: span ? kindOf(span) : open?.kind ?? null,
    replacement: span?.replacement,
    insertion: at !== undefined || (span && span.start === span.end),
    marked: Boolean(span),
    doubt: at === undefined ? doubtAt(range) : undefined,
    severity: screen.project.severity ? span?.severity ?? null : undefined,
  });
  // the editor of a phone is over the answer
  document.querySelector("#answer :is(.sel, .mark.open)")?.scrollIntoView({ block: "nearest" });
}

const wordsOf = ({ start, end }) => points.slice(start, end).join("");
const doubtAt = ({ start, end }) => doubts().find((each) => each.start < end && start < each.end);

/** Words were chosen, or a mark: on a mark its editor opens. */
function chosen(selection, byPointer) {
  if (open && editor.input) commit();
  const id = selection?.mark ?? markAt(selection)?.id;
  const same = !id && !open;
  open = id ? { id } : null;
  if (selection?.mark) answer.select(spanOf(id));
  if (same) drawEditor(); // while dragging the words stay as they are drawn
  else screen.refresh();
  if (byPointer && id) editor.focus();
}

function markAt(selection) {
  if (!selection || selection.mark) return undefined;
  return spans().find((span) => span.start <= selection.start && selection.end <= span.end && span.start < span.end);
}

/** The body of a span with changes. */
const put = (range, changes) => screen.body(range, { id: range.id ?? newId(), text: wordsOf(range), ...changes });

/** Marks the chosen words; marks that they overlap become part of the new one. */
function mark(range, changes) {
  const { removals, ...whole } = merged(range, spans());
  const body = put(whole, changes);
  open = { id: body.id };
  change(...removals, body);
  answer.select(whole);
}

/** Stores what was typed in the editor; an empty field of a mark changes nothing. */
function commit() {
  const text = editor.input?.value ?? "";
  const span = open?.id ? spanOf(open.id) : null;
  localStorage.removeItem(draftName());
  if (span && text !== (span.replacement ?? "")) {
    if (text || span.start < span.end) change(put(span, { replacement: text || null }));
  } else if (!span && open?.insertAt !== undefined && text) {
    const range = { start: open.insertAt, end: open.insertAt };
    change(put(range, { kind: open.kind ?? 0, replacement: padded(text, open.insertAt) }));
  }
}

/** An insertion with the blanks that keep it apart from the words beside it. */
function padded(text, at) {
  const before = points[at - 1];
  const after = points[at];
  const left = before && /[\p{L}\p{N}\p{P}]/u.test(before) && !/[(\[{\u201c]/u.test(before) && !/^[\s,.;:!?)]/u.test(text);
  const right = after && /[\p{L}\p{N}]/u.test(after) && !/\s$/u.test(text);
  return `${left ? " " : ""}${text}${right ? " " : ""}`;
}

function close() {
  const span = open?.id ? spanOf(open.id) : null;
  const end = span?.end ?? open?.insertAt ?? answer.selection?.end ?? 0;
  open = null;
  answer.select(null);
  answer.rest(end);
  screen.refresh();
  byId("answer").focus({ preventScroll: true });
}

function restoreDraft() {
  let draft = null;
  try {
    draft = JSON.parse(localStorage.getItem(draftName()));
  } catch {
    return;
  }
  if (!draft || (draft.open.id && !spanOf(draft.open.id))) return;
  open = draft.open;
  if (open.id) answer.select(spanOf(open.id));
  screen.refresh();
  editor.input.value = draft.text;
  editor.focus();
}

function step(verdict, end) {
  if (open) commit();
  const bodies = verdict === undefined || verdict === screen.state.verdict ? [] : [{ type: "verdict", verdict }];
  screen.leave(...bodies, end);
}

function decide(accepted) {
  const doubt = answer.selection ? doubtAt(answer.selection) : doubts()[0];
  if (!doubt) return;
  const decision = { type: "suggestion", place: doubt.place, accepted, span: null };
  if (!accepted) {
    settle(decision);
    return;
  }
  const kind = Math.max(0, kindOf(doubt));
  const body = put({ start: doubt.start, end: doubt.end }, { kind, replacement: doubt.replacement ?? null });
  if (body.replacement !== null) {
    settle({ ...decision, span: body.id }, body);
    return;
  }
  open = { id: body.id };
  change({ ...decision, span: body.id }, body);
  answer.select(doubt);
  editor.focus();
}

/** Stores a decision and goes to the next suggestion. */
function settle(...bodies) {
  open = null;
  change(...bodies);
  answer.select(doubts()[0] ?? null);
  drawEditor();
  byId("answer").focus({ preventScroll: true });
}

function insert(side) {
  const range = answer.selection;
  if (!range) return;
  open = { insertAt: side === "before" ? range.start : range.end, kind: 0 };
  screen.refresh();
  editor.focus();
}

function jump(by) {
  const all = spans();
  if (!all.length) return;
  const here = open?.id ? all.findIndex((span) => span.id === open.id) : by > 0 ? -1 : 0;
  const span = all[(here + by + all.length) % all.length];
  open = { id: span.id };
  answer.select(span);
  screen.refresh();
}

const actions = {
  kind(place) {
    if (place >= screen.project.kinds.length) return;
    const span = open?.id ? spanOf(open.id) : null;
    const typed = editor.input?.value;
    if (span) change(put(span, { kind: place }));
    else if (open?.insertAt !== undefined) {
      open.kind = place;
      screen.refresh();
    } else if (answer.selection) mark(answer.selection, { kind: place });
    else return;
    if (typed !== undefined && editor.input) editor.input.value = typed;
    editor.focus();
  },
  edit() {
    if (open) editor.focus();
    else if (answer.selection) actions.kind(0);
  },
  save() { commit(); close(); },
  cancel() { localStorage.removeItem(draftName()); close(); },
  remove() {
    const span = open?.id ? spanOf(open.id) : null;
    if (span) change(put(span, { replacement: "" }));
    else if (answer.selection) mark(deletable(answer.selection), { kind: 0, replacement: "" });
    else return;
    close();
  },
  unmark() {
    if (!open?.id) return;
    change({ type: "unspan", id: open.id });
    close();
  },
  typed(text) {
    localStorage.setItem(draftName(), JSON.stringify({ open, text }));
    drawCorrected();
  },
  severity(severity) { change(put(spanOf(open.id), { severity })); },
  moreLeft() { grow("left"); },
  moreRight() { grow("right"); },
  insertBefore() { insert("before"); },
  insertAfter() { insert("after"); },
  previousMark() { jump(-1); },
  nextMark() { jump(1); },
  accept() { decide(true); },
  reject() { decide(false); },
  finish() {
    if (open) commit();
    const verdict = spans().length ? (screen.state.verdict === "nothing_wrong" ? null : undefined) : "nothing_wrong";
    step(verdict, { type: "submit" });
  },
  unsure() { step("unsure", { type: "submit" }); },
  skip() { step(undefined, { type: "skip", reason: "" }); },
  missing() { screen.notes.addMissing(); },
};
editor.actions = actions;

/** Deleting words takes a blank beside them along, and a whole sentence its full stop. */
function deletable({ start, end }) {
  const blank = (place) => points[place] === " ";
  const before = points.slice(0, start).join("").trimEnd();
  if ((!before || /[.!?]$/u.test(before)) && /[.!?]/u.test(points[end] ?? "")) end += 1;
  const wordAfter = /[\p{L}\p{N}]/u.test(points[end] ?? "");
  if (blank(start - 1) && !wordAfter) return { start: start - 1, end };
  return blank(end) && (start === 0 || blank(start - 1)) ? { start, end: end + 1 } : { start, end };
}

function grow(side) {
  const { units } = answer;
  const low = Math.min(answer.anchor, answer.focus);
  const high = Math.max(answer.anchor, answer.focus);
  const by = side === "left" ? -1 : 1;
  let place = side === "left" ? low : high;
  do place += by; while (units[place] && !units[place].text.trim());
  if (units[place]) answer.choose(side === "left" ? high : low, place);
}

byId("corrected").addEventListener("click", (event) => {
  const id = event.target.closest("[data-mark]")?.dataset.mark;
  if (id) chosen({ mark: id }, true);
});

screen.start(actions, () => answer, CORRECT_KEYS).catch(showTrouble);
