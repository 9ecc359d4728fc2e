// Conflicts: what people made of an item, next to each other. A key takes a side, which settles it.

import { Answer } from "./answer.js";
import { call } from "./api.js";
import { byId, h } from "./dom.js";
import { CONFLICT_KEYS, listen } from "./keys.js";
import { Stage } from "./stage.js";
import { hideTrouble, showTrouble } from "./status.js";
import { turnsOf } from "./turns.js";
import { t } from "./words.js";

const LONGEST = 40;
const stage = new Stage();
const passed = [];
const settled = [];
let conflict = null;
let busy = false;

const answerNames = [t("work.answer_a"), t("work.answer_b")];

function kindOf(span) {
  const named = conflict.kinds.findIndex((kind) => kind.name === span.label);
  return Math.max(0, named >= 0 ? named : conflict.kinds.findIndex((kind) => kind.counts_as === span.kind));
}

function marksOf(side, answer) {
  return side.spans.filter((span) => span.answer === answer).map((span) => ({
    start: span.start, end: span.end, replacement: span.replacement, id: span.id,
    className: `k${kindOf(span) + 1}`,
  }));
}

function text(side, words, place) {
  const shown = h("p", { class: "answer", dir: "auto" });
  new Answer(shown, () => {}).draw(words, marksOf(side, place));
  return [conflict.item.answers.length > 1 ? h("h3", {}, answerNames[place]) : null, shown];
}

function choices(side) {
  if (!side.better) return [];
  return ["hallucinates_more", "better"].filter((name) => side[name]).map((name) =>
    h("p", { class: "verdict" }, h("h3", {}, t(`compare.${name}`)), t(`compare.${side[name]}`)));
}

function kinds(side) {
  const counts = new Map();
  for (const span of side.spans) counts.set(kindOf(span), (counts.get(kindOf(span)) ?? 0) + 1);
  const found = [...counts].sort(([first], [second]) => first - second).flatMap(([place, number]) => {
    const name = conflict.kinds[place].shown;
    return [h("b", { class: `k${place + 1}` }, number > 1 ? t("conflicts.kinds", { kind: name, n: number }) : name), " "];
  });
  return found.length ? h("p", { class: "kinds-said" }, ...found) : null;
}

function verdict(side) {
  if (side.better) return null;
  if (conflict.item.task === "thumb") return h("p", { class: "verdict" }, t(side.good ? "conflicts.good" : "conflicts.bad"));
  if (side.verdict === "unsure") return h("p", { class: "verdict" }, t("work.unsure"));
  return side.spans.length ? null : h("p", { class: "verdict" }, t("work.nothing_wrong"));
}

function card(side, place) {
  const taken = conflict.own && same(side, conflict.own);
  const omitted = ({ note, facts }) => [note, ...facts.map((place) => conflict.item.facts[place])].filter(Boolean).join(" ");
  const notes = [...side.missing.map((each) => [t("work.missing"), omitted(each.missing)]), [t("conflicts.comment"), side.note]];
  return h(
    "article",
    { class: `card${taken ? " taken" : ""}`, "aria-label": t("conflicts.side", { n: place + 1 }) },
    h("h2", {}, t("conflicts.side", { n: place + 1 })),
    ...choices(side),
    verdict(side),
    ...conflict.item.answers.flatMap((words, answer) => text(side, words, answer)),
    kinds(side),
    ...notes.filter(([, said]) => said).map(([name, said]) => h("p", { class: "hint-said" }, h("h3", {}, name), said)),
    h(
      "button",
      { type: "button", class: "primary", on: { click: () => take(place) } },
      t("conflicts.take"),
      h("kbd", {}, String(place + 1)),
    ),
  );
}

/** Whether two results are the same but for the ids of their marks. */
function same(first, second) {
  const plain = ({ spans, verdict: said, better, good, hallucinates_more: more }) =>
    JSON.stringify([spans.map(({ answer, start, end, replacement }) => [answer, start, end, replacement]), said, better, good, more]);
  return plain(first) === plain(second);
}

function show(found) {
  conflict = found.conflict;
  byId("work").hidden = byId("bar").hidden = !conflict;
  byId("finished").hidden = Boolean(conflict);
  byId("progress").textContent = t("conflicts.left", { n: found.open });
  document.querySelector("[data-do=undo]").disabled = !settled.length;
  if (!conflict) return;
  hideTrouble();
  stage.show(conflict.item);
  byId("turns").replaceChildren(...turnsOf(conflict.item, (place) => stage.choose(place)));
  byId("state").textContent = conflict.held ? t("conflicts.held") : conflict.settled ? t("conflicts.settled") : "";
  byId("sides").replaceChildren(...conflict.sides.map(card));
  document.querySelector(".side").scrollTop = 0;
}

async function next() {
  const query = new URLSearchParams(passed.map((key) => ["besides", key]));
  show(await call(`/api/conflicts/next?${query}`));
}

async function take(place) {
  const side = conflict?.sides[place];
  if (!side) return;
  const { item: { key }, settled: known } = conflict;
  try {
    await call(`/api/conflicts/${encodeURIComponent(key)}`, { side: side.key, settled: known });
  } catch (error) {
    if (![410, 423].includes(error.status)) throw error;
    await next(); // another reviewer was faster: say so, and go on
    return showTrouble(error);
  }
  settled.push(key);
  settled.splice(0, settled.length - LONGEST);
  await next();
}

/** One thing at a time: a key that is held down must not settle what comes next. */
const guarded = (action) => async (...given) => {
  if (busy) return;
  busy = true;
  try {
    await action(...given);
  } catch (error) {
    showTrouble(error);
  } finally {
    busy = false;
  }
};

const actions = {
  kind: guarded(take),
  edit: () => location.assign(`/task/${conflict.item.task}?item=${encodeURIComponent(conflict.item.key)}`),
  skip: guarded(async () => {
    if (!conflict) return;
    passed.push(conflict.item.key);
    passed.splice(0, passed.length - LONGEST);
    await next();
  }),
  undo: guarded(async () => {
    if (settled.length) show(await call(`/api/conflicts/${encodeURIComponent(settled.pop())}`));
  }),
  "zoom-in": () => stage.zoom(1.4),
  "zoom-out": () => stage.zoom(1 / 1.4),
  "zoom-fit": () => stage.fit(),
  "previous-image": () => stage.step(-1),
  "next-image": () => stage.step(1),
  guidelines: () => byId("guidelines").showModal(),
  help: () => byId("help").showModal(),
};

listen(actions, () => ({ move() {} }), CONFLICT_KEYS);
const named = new URLSearchParams(location.search).get("item");
guarded(async () => {
  if (named) show(await call(`/api/conflicts/${encodeURIComponent(named)}`));
  else await next();
})();
