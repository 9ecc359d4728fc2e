// The screen for thumbs: one key says whether an answer is good, and the next one comes.

import { byId } from "./dom.js";
import { THUMB_KEYS } from "./keys.js";
import { Screen } from "./screen.js";
import { showTrouble } from "./status.js";

const screen = new Screen(
  { open, draw, close() {} },
  { asksMissing: false },
);

function open(item) {
  byId("answer-0").textContent = item.answers[0];
  screen.refresh();
  byId("answer-0").focus({ preventScroll: true });
}

function draw({ good }) {
  byId("good").setAttribute("aria-pressed", String(good === true));
  byId("bad").setAttribute("aria-pressed", String(good === false));
}

/** The thumb and the end of the item are one action. */
const say = (good) => screen.leave(...(screen.state.good === good ? [] : [{ type: "thumb", good }]), { type: "submit" });

const actions = {
  good() { say(true); },
  bad() { say(false); },
  finish() { if (screen.state.good !== null) say(screen.state.good); },
};

screen.start(actions, () => ({ move() {} }), THUMB_KEYS).catch(showTrouble);
