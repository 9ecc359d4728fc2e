// The overview's list of items: searched and filtered, a page at a time.

import { call } from "./api.js";
import { byId, h } from "./dom.js";
import { t } from "./words.js";

const STATES = { new: "", held: t("home.held"), done: t("home.finished"), skipped: t("home.skipped") };
let shown = 0;
let timer;

async function load(more) {
  if (!more) shown = 0;
  const query = new URLSearchParams({ words: byId("words").value, offset: shown });
  if (byId("state").value) query.set("state", byId("state").value);
  const total = byId("total");
  try {
    const found = await call(`/api/items?${query}`);
    const lines = found.items.map(line);
    if (more) byId("items").append(...lines);
    else byId("items").replaceChildren(...lines);
    shown += lines.length;
    total.textContent = t("home.number", { n: found.total });
    byId("more").hidden = shown >= found.total;
  } catch (trouble) {
    total.textContent = `${trouble.what} ${trouble.fix ?? ""}`;
  }
}

const SUGGESTIONS = [
  "accepted", "edited", "rejected", "ignored", "planted_accepted", "planted_rejected", "planted_ignored",
];

async function countSuggestions() {
  const { suggestions } = await call("/api/figures").catch(() => ({ suggestions: null }));
  byId("suggestions").hidden = !suggestions;
  if (!suggestions) return;
  byId("suggestion-counts").replaceChildren(...SUGGESTIONS.flatMap((name) => [
    h("dt", {}, String(suggestions[name])), h("dd", {}, t(`home.${name}`)),
  ]));
}

function line({ place, key, task, opening, state }) {
  return h(
    "li",
    {},
    h(
      "a",
      { href: `/task/${task}?item=${encodeURIComponent(key)}` },
      h("span", { class: "place" }, String(place)),
      h("span", { class: "opening", dir: "auto" }, opening),
      h("span", { class: "task-name" }, t(`short_tasks.${task}`)),
      h("span", { class: `state ${state}` }, STATES[state]),
    ),
  );
}

if (byId("filter")) {
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(load, 150);
  });
  byId("more").addEventListener("click", () => load(true));
  load();
  if (byId("suggestions")) countSuggestions();
}
