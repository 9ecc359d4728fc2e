// The rates of each model, which follow the work: they are fetched again every few seconds.

import { call } from "./api.js";
import { byId, h } from "./dom.js";

const EVERY_MS = 4000;
const COST = new Set(["words", "unparsed"]);

function shown({ value, low, high, scale, decimals }) {
  const text = (number) => (number * scale).toFixed(decimals);
  return [text(value), `${text(low)} to ${text(high)}`];
}

function card({ model, answers, unsure, rates }) {
  const bars = rates.filter(({ metric }) => !COST.has(metric));
  return h(
    "section",
    { class: "model", "aria-label": model },
    h("h2", {}, model),
    h("p", { class: "total" }, `${answers} answers${unsure ? `, ${unsure} can't be told` : ""}`),
    h("table", {}, h("tbody", {}, ...bars.map(line))),
  );
}

function line(rate) {
  const [value, interval] = shown(rate);
  const share = rate.scale === 100;
  const unit = share ? "%" : "";
  const bar = h("progress", { max: 1, value: rate.value, "aria-label": rate.label });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, rate.label),
    h("td", { class: "bar" }, share ? bar : null),
    h("td", { class: "value" }, `${value}${unit}`),
    h("td", { class: "interval" }, `${interval}${unit}`),
  );
}

async function load() {
  try {
    const { models } = await call("/api/figures");
    byId("models").replaceChildren(...models.map(card));
    byId("total").textContent = models.length ? "" : "No answer has been evaluated so far.";
  } catch (trouble) {
    byId("total").textContent = `${trouble.what} ${trouble.fix ?? ""}`;
  }
  setTimeout(load, EVERY_MS);
}

load();
