// The Compare screen: which of two answers invents more, then which is better.

import { Answer } from "./answer.js";
import { call } from "./api.js";
import { pointsOf } from "./codepoints.js";
import { byId, h, newId } from "./dom.js";
import { Flow } from "./flow.js";
import { COMPARE_KEYS, listen } from "./keys.js";
import { Notes } from "./notes.js";
import { Queue } from "./queue.js";
import { history, replay } from "./replay.js";
import { Stage } from "./stage.js";
import { hideTrouble, showSaved, showTrouble } from "./status.js";
import { turnOf } from "./turns.js";

const QUESTIONS = [
  { name: "hallucinates_more", text: "Which one says more that isn't in the image?" },
  { name: "better", text: "Which one is better? Honesty first, then how helpful it is." },
];
const SIDES = [["first", "A", "a"], ["second", "B", "b"], ["tie", "Equal", "e"], ["unsure", "Can't tell", "c"]];

const work = byId("work");
const stage = new Stage(byId("stage"), byId("canvas"), byId("thumbs"), byId("scale"));
const answers = [0, 1].map((side) => new Answer(byId(`answer-${side}`), (selection) => chosen(side, selection)));
const notes = new Notes(byId("notes"), (body) => change(body), false);
let project, flow, state, points;
let active = 0; // the answer whose words are chosen
let open = null; // the id of the mark that is chosen

function show(item) {
  work.hidden = byId("bar").hidden = !item;
  byId("finished").hidden = Boolean(item);
  if (!item) return;
  hideTrouble();
  points = item.answers.map(pointsOf);
  active = 0;
  open = null;
  for (const answer of answers) answer.clear();
  stage.show(item.images, item.facts);
  byId("turns").replaceChildren(...item.turns.map((turn) => turnOf(turn, item.images.length)));
  refresh();
  byId("answer-0").focus({ preventScroll: true });
  document.querySelector(".side").scrollTop = 0;
}

function refresh() {
  state = replay(flow.work.events);
  answers.forEach((answer, side) => {
    answer.draw(flow.work.answers[side], spansOf(side).map(drawn));
    drawKinds(side);
  });
  byId("choices").replaceChildren(...QUESTIONS.map(question));
  notes.show(state);
  const { undo, redo } = history(flow.work.events);
  document.querySelector("[data-do=undo]").disabled = !undo.length;
  document.querySelector("[data-do=redo]").disabled = !redo.length;
  byId("finish").disabled = !complete();
}

const complete = () => QUESTIONS.every(({ name }) => state[name]);
const spansOf = (side) => state.spans.filter((span) => span.answer === side);
const drawn = (span) => ({ ...span, className: `k${kindOf(span) + 1}`, open: open === span.id });
const kindOf = (span) => Math.max(0, project.kinds.findIndex((kind) => kind.name === span.label));

function question({ name, text }) {
  const buttons = SIDES.map(([side, title, key]) => h(
    "button",
    { type: "button", "aria-pressed": String(state[name] === side), on: { click: () => choose(name, side) } },
    title,
    h("kbd", {}, key),
  ));
  const later = name === "better" && !state.hallucinates_more;
  return h(
    "fieldset",
    { id: name, class: later ? "later" : null },
    h("legend", {}, text),
    h("div", {}, ...buttons),
  );
}

/** A key answers the first open question; when both are answered, the second again. */
const chooseNext = (side) => choose(state.hallucinates_more ? "better" : "hallucinates_more", side);
const choose = (name, side) => change({ type: "choice", question: name, side });

function drawKinds(side) {
  const bar = byId(`kinds-${side}`);
  const span = spansOf(side).find((each) => each.id === open);
  bar.hidden = side !== active || (!answers[side].selection && !span);
  const buttons = project.kinds.map((kind, place) => h(
    "button",
    {
      type: "button", class: `k${place + 1}`, title: kind.hint,
      "aria-pressed": String(Boolean(span) && kindOf(span) === place), on: { click: () => mark(place) },
    },
    h("kbd", {}, String(place + 1)),
    kind.name,
  ));
  if (span) buttons.push(h("button", { type: "button", "data-do": "unmark", title: "x" }, "Unmark"));
  bar.replaceChildren(...buttons);
}

function chosen(side, selection) {
  if (active !== side) answers[active].select(null);
  active = side;
  const span = spansOf(side).find((each) => selection && each.start <= selection.start && selection.end <= each.end);
  const before = open;
  open = span?.id ?? null;
  if (before !== open) refresh();
  else [0, 1].forEach(drawKinds);
}

function mark(place) {
  const kind = project.kinds[place];
  const selection = answers[active].selection;
  const known = spansOf(active).find((span) => span.id === open);
  const range = known ?? selection;
  if (!kind || !range) return;
  const overlapped = known ? [] : spansOf(active).filter((span) => span.start < range.end && range.start < span.end);
  const start = Math.min(range.start, ...overlapped.map((span) => span.start));
  const end = Math.max(range.end, ...overlapped.map((span) => span.end));
  const body = {
    type: "span", id: known?.id ?? newId(), answer: active, start, end,
    text: points[active].slice(start, end).join(""), kind: kind.counts_as, label: kind.name,
    severity: null, replacement: null, note: "",
  };
  open = body.id;
  change(...overlapped.map((span) => ({ type: "unspan", id: span.id })), body);
}

async function change(...bodies) {
  const recorded = flow.record(...bodies);
  refresh();
  await recorded;
}

async function leave(end) {
  await change(end);
  await flow.next();
  countProgress();
}

function replayAction(name) {
  const action = history(flow.work.events)[name];
  if (!action.length) return;
  open = null;
  answers[active].select(null);
  change(...action.map((event) => ({ type: name, event: event.id })));
}

const actions = {
  kind: mark,
  unmark() {
    const id = open;
    open = null;
    if (id) change({ type: "unspan", id });
  },
  cancel() {
    open = null;
    answers[active].select(null);
    refresh();
  },
  first() { chooseNext("first"); },
  second() { chooseNext("second"); },
  tie() { chooseNext("tie"); },
  unsure() { chooseNext("unsure"); },
  other() {
    answers[active].select(null);
    active = 1 - active;
    byId(`answer-${active}`).focus();
    refresh();
  },
  undo() { replayAction("undo"); },
  redo() { replayAction("redo"); },
  finish() { if (complete()) leave({ type: "submit" }); },
  skip() { leave({ type: "skip", reason: "" }); },
  comment() { notes.focusComment(); },
  "zoom-in"() { stage.zoom(1.4); },
  "zoom-out"() { stage.zoom(1 / 1.4); },
  "zoom-fit"() { stage.fit(); },
  guidelines() { byId("guidelines").showModal(); },
  help() { byId("help").showModal(); },
};

async function countProgress() {
  const { counts } = await call("/api/project").catch(() => ({ counts: null }));
  const own = counts?.[work.dataset.task];
  if (own) byId("progress").textContent = `${own.done} of ${own.items} done`;
}

function refused(event, why) {
  showTrouble({ what: "A change was not accepted.", where: why, fix: "It was taken back here. Try it again." });
  if (flow.work?.key !== event.item) return;
  flow.work.events = flow.work.events.filter((each) => each.id !== event.id);
  refresh();
}

async function start() {
  project = await call("/api/project");
  const queue = new Queue(`groundtune ${project.id} ${project.person}`, { changed: showSaved, refused });
  await queue.open();
  flow = new Flow(work.dataset.task, queue, { show, trouble: showTrouble });
  listen(actions, () => answers[active], COMPARE_KEYS);
  await flow.start();
  countProgress();
}

start().catch(showTrouble);
