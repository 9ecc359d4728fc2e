// The Evaluate screen: what is wrong in an answer, segment by segment; nobody knows whose answer it is.

import { byId } from "./dom.js";
import { EVALUATE_KEYS } from "./keys.js";
import { Marks } from "./marks.js";
import { Screen } from "./screen.js";
import { showTrouble } from "./status.js";
import { t } from "./words.js";

const screen = new Screen(
  { open: (item) => marks.open(item), draw, close: () => marks.close() },
  { asksMissing: false },
);
const marks = new Marks(screen, 1);

function draw({ spans }) {
  marks.draw();
  byId("finish").textContent = spans.length ? t("work.finish_wrong", { n: spans.length }) : t("work.nothing_wrong");
}

/** The verdict "nothing wrong" stands with the submission: a mark that comes later takes it back. */
function finish() {
  const { spans, verdict } = screen.state;
  const now = spans.length ? null : "nothing_wrong";
  screen.leave(...(now === verdict ? [] : [{ type: "verdict", verdict: now }]), { type: "submit" });
}

const actions = {
  ...marks.actions(),
  finish,
  unsure() { screen.leave({ type: "verdict", verdict: "unsure" }, { type: "submit" }); },
};

screen.start(actions, () => marks.answer, EVALUATE_KEYS).catch(showTrouble);
