// The rates of each model, which follow the work: they are fetched again every few seconds.

import { call } from "./api.js";
import { byId, h } from "./dom.js";
import { t } from "./words.js";

const EVERY_MS = 4000;
const COST = new Set(["words", "unparsed"]);

function shown({ value, low, high, scale, decimals }) {
  const text = (number) => (number * scale).toFixed(decimals);
  return [text(value), t("rates.interval", { low: text(low), high: text(high) })];
}

function card({ model, answers, unsure, rates }) {
  const bars = rates.filter(({ metric }) => !COST.has(metric));
  return h(
    "section",
    { class: "model", "aria-label": model },
    h("h2", {}, model),
    h("p", { class: "total" }, [t("rates.answers", { n: answers }), unsure ? t("rates.unsure", { n: unsure }) : ""].filter(Boolean).join(", ")),
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
    byId("total").textContent = models.length ? "" : t("rates.none");
  } catch (trouble) {
    byId("total").textContent = `${trouble.what} ${trouble.fix ?? ""}`;
  }
  setTimeout(load, EVERY_MS);
}

load();
