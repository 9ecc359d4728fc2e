// The Compare screen: which of two answers invents more, then which is better.

import { byId, h } from "./dom.js";
import { COMPARE_KEYS } from "./keys.js";
import { Marks } from "./marks.js";
import { Screen } from "./screen.js";
import { showTrouble } from "./status.js";
import { t } from "./words.js";

const QUESTIONS = ["hallucinates_more", "better"];
const SIDES = [["first", "a"], ["second", "b"], ["tie", "e"], ["unsure", "c"]];

const screen = new Screen(
  { open: (item) => marks.open(item), draw, close: () => marks.close() },
  { asksMissing: false },
);
const marks = new Marks(screen, 2);

function draw(state) {
  marks.draw();
  byId("choices").replaceChildren(...QUESTIONS.map(question));
  byId("finish").disabled = !complete(state);
}

const complete = (state) => QUESTIONS.every((name) => state[name]);

function question(name) {
  const buttons = SIDES.map(([side, key]) => h(
    "button",
    { type: "button", "aria-pressed": String(screen.state[name] === side), on: { click: () => choose(name, side) } },
    t(`compare.${side}`),
    h("kbd", {}, key),
  ));
  const later = name === "better" && !screen.state.hallucinates_more;
  return h(
    "fieldset",
    { id: name, class: later ? "later" : null },
    h("legend", {}, t(`compare.${name}`)),
    h("div", {}, ...buttons),
  );
}

/** A key answers the first open question; when both are answered, the second again. */
const chooseNext = (side) => choose(screen.state.hallucinates_more ? "better" : "hallucinates_more", side);
const choose = (name, side) => screen.change({ type: "choice", question: name, side });

const actions = {
  ...marks.actions(),
  first() { chooseNext("first"); },
  second() { chooseNext("second"); },
  tie() { chooseNext("tie"); },
  unsure() { chooseNext("unsure"); },
  finish() { if (complete(screen.state)) screen.leave({ type: "submit" }); },
};

screen.start(actions, () => marks.answer, COMPARE_KEYS).catch(showTrouble);
