// How good the work is: agreement, known results, time and people. It follows the work.

import { call } from "./api.js";
import { byId, h } from "./dom.js";
import { language, t } from "./words.js";

const EVERY_MS = 4000;
const SVG = "http://www.w3.org/2000/svg";
const HEADLINES = ["places", "better", "thumb", "gold_right", "planted", "seconds", "cost"];
const OF_PEOPLE = ["gold_right", "f1_others", "seconds", "planted"];
const open = new Set();
let kinds = {};
let currency = "";

const number = (value, digits) =>
  value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });

function text(unit, value) {
  if (unit === "share") return `${number(100 * value, 1)}%`;
  if (unit === "seconds") return t("quality.seconds", { n: number(value, 1) });
  if (unit === "money") return [number(value, 2), currency].filter(Boolean).join(" ");
  return number(value, 2);
}

function interval({ unit, low, high }) {
  return low === null ? "" : t("quality.interval", { low: text(unit, low), high: text(unit, high) });
}

function nameOf(name) {
  const kind = name.startsWith("kind = ") ? name.slice(7) : null;
  return kind === null ? t(`quality.names.${name}`) : t("quality.kind", { kind: kinds[kind] ?? kind });
}

/** The value and its interval between 0 and 1; alpha below 0 is at the edge. */
function plot({ unit, value, low, high }) {
  if (unit !== "share" && unit !== "alpha") return null;
  const place = (x) => 2 + 96 * Math.min(1, Math.max(0, x));
  const piece = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, each] of Object.entries(attributes)) made.setAttribute(key, each);
    return made;
  };
  const svg = piece("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(piece("line", { class: "axis", x1: 2, x2: 98, y1: 4, y2: 4 }));
  if (low !== null) svg.append(piece("line", { class: "whisker", x1: place(low), x2: place(high), y1: 4, y2: 4 }));
  svg.append(piece("rect", { class: "dot", x: place(value) - 0.8, y: 0, width: 1.6, height: 8 }));
  return svg;
}

function row(figure, name = nameOf(figure.name), others = null, apart = false) {
  const sub = others === null ? null : h("span", { class: "sub" }, t("quality.others", { value: others }));
  return h(
    "tr",
    { class: apart ? "apart" : null },
    h("th", { scope: "row" }, name, sub),
    h("td", { class: "plot" }, plot(figure)),
    h("td", { class: "value" }, text(figure.unit, figure.value)),
    h("td", { class: "interval" }, interval(figure), h("span", { class: "sub of" }, t("quality.of_items", { n: figure.n }))),
    h("td", { class: "n" }, number(figure.n, 0)),
  );
}

function table(title, figures) {
  if (!figures.length) return [];
  const heads = ["", "", t("quality.value"), t("quality.ci"), t("quality.n")];
  const classes = [null, "plot", null, null, "n"];
  return [
    h("h3", {}, title),
    h(
      "table",
      { "aria-label": title },
      h("thead", {}, h("tr", {}, ...heads.map((each, place) => h(each ? "th" : "td", { scope: each ? "col" : null, class: classes[place] }, each)))),
      h("tbody", {}, ...figures.map((figure) => row(figure))),
    ),
  ];
}

/** How replacements were compared: by a labeler, or by their texts alone. */
function claims({ agreement, claim_check: check }) {
  if (!agreement.some((each) => each.name === "same_text")) return [];
  const command = h("pre", { tabindex: 0 }, h("code", {}, `groundtune project claims PROJECT${check ? "" : " --labeler MODEL"}`));
  if (!check) return [h("p", { class: "note" }, t("quality.claims.off")), command];
  const waiting = ["unjudged", "unclear"].filter((name) => check[name]).map((name) => t(`quality.claims.${name}`, { n: check[name] }));
  const note = h("p", { class: "note" }, [t("quality.claims.on", check), ...waiting].join(" "));
  return check.unjudged ? [note, command] : [note];
}

function card(figure) {
  return h(
    "div",
    { class: "card" },
    h("span", { class: "label" }, nameOf(figure.name)),
    h("span", { class: "value" }, text(figure.unit, figure.value)),
    h("span", { class: "interval" }, [interval(figure), t("quality.of_items", { n: figure.n })].filter(Boolean).join(", ")),
  );
}

function person(task, each) {
  const id = `${task} ${each.person}`;
  const found = Object.fromEntries(each.figures.map((figure) => [figure.name, figure]));
  const short = (name) => (found[name] ? text(found[name].unit, found[name].value) : "–");
  const apart = each.habits.filter((habit) => habit.apart).length;
  const habits = each.habits.filter(({ figure, others }) => figure.value || others).map(({ figure, others, apart: unlike }) =>
    row(figure, nameOf(figure.name), others === null ? null : text(figure.unit, others), unlike));
  return h(
    "details",
    {
      open: open.has(id),
      on: { toggle: ({ target }) => (target.open ? open.add(id) : open.delete(id)) },
    },
    h(
      "summary",
      {},
      h("span", {}, each.name),
      h("span", {}, number(each.done, 0)),
      h("span", {}, short(OF_PEOPLE[0])),
      h("span", { class: apart ? "apart" : null }, apart ? number(apart, 0) : "–"),
      ...OF_PEOPLE.slice(1, 3).map((name) => h("span", {}, short(name))),
    ),
    h("div", { class: "within" }, ...table(t("quality.how"), each.figures), h("h3", {}, t("quality.habits")), h("table", { "aria-label": t("quality.habits") }, h("tbody", {}, ...habits))),
  );
}

function people(task) {
  if (!task.people.length) return [];
  const heads = [
    t("quality.person"), t("quality.done"), t("quality.short.gold_right"), t("quality.unlike"),
    t("quality.short.f1_others"), t("quality.short.seconds"),
  ];
  return [
    h("h3", {}, t("quality.people")),
    h("p", { class: "note" }, t("quality.people_note")),
    h("div", { class: "people-head", "aria-hidden": "true" }, ...heads.map((each) => h("span", {}, each))),
    ...task.people.map((each) => person(task.task, each)),
  ];
}

function section(task) {
  const figures = [...task.agreement, ...task.known, ...task.suggestions, ...task.effort];
  const headlines = HEADLINES.map((name) => figures.find((each) => each.name === name)).filter(Boolean);
  const numbers = ["finished", "overlapping", "gold", "conflicts", "settled"].filter((name) => name === "finished" || task[name]);
  return h(
    "section",
    { "aria-label": t(`tasks.${task.task}`) },
    h("h2", {}, t(`tasks.${task.task}`)),
    h("p", { class: "total" }, numbers.map((name) => t(`quality.numbers.${name}`, { n: task[name], items: task.items })).join(" · ")),
    task.conflicts ? h("p", {}, h("a", { href: "/conflicts" }, t("conflicts.link", { n: task.conflicts }))) : null,
    h("progress", { max: Math.max(1, task.items), value: task.finished, "aria-label": t("home.progress") }),
    h("div", { class: "headline" }, ...headlines.map(card)),
    ...table(t("quality.agreement"), task.agreement),
    ...claims(task),
    task.agreement.length ? null : h("p", { class: "note" }, t("quality.no_agreement")),
    ...table(t("quality.known"), task.known),
    ...table(t("quality.rest"), [...task.suggestions, ...task.effort, ...(task.wrong ? [task.wrong] : [])]),
    ...people(task),
  );
}

async function load() {
  let wait = EVERY_MS;
  try {
    const found = await call("/api/quality");
    ({ kinds, currency } = found);
    byId("tasks").replaceChildren(...found.tasks.map(section));
    byId("total").textContent = found.unread
      ? t("quality.unread", { n: found.unread })
      : found.tasks.length ? "" : t("quality.none");
    if (found.unread) wait = 0;
  } catch (trouble) {
    byId("total").textContent = `${trouble.what} ${trouble.fix ?? ""}`;
  }
  setTimeout(load, wait);
}

load();
