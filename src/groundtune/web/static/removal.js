// The dialog that deletes a person's data or puts their work under a pseudonym, and lists what went.

import { call } from "./api.js";
import { attempt } from "./account_forms.js";
import { byId, h } from "./dom.js";
import { t } from "./words.js";

const message = byId("removal-message");
let person;
let changed;

export function openRemoval(who, after) {
  person = who;
  changed = after;
  byId("removal-title").textContent = t("removal.title", { name: who.name });
  byId("wish").hidden = false;
  byId("gone").hidden = true;
  byId("has").replaceChildren();
  byId("removal").showModal();
  attempt(message, async () => show("has", await call(`${path()}/data`)));
}

function path() {
  return `/api/people/${encodeURIComponent(person.id)}`;
}

function show(list, counts) {
  const rows = Object.entries(counts).filter(([, number]) => number);
  byId(list).replaceChildren(...rows.flatMap(([name, number]) => [
    h("dt", {}, String(number)), h("dd", {}, t(`removal.of.${name}`)),
  ]));
}

function remove(keepWork) {
  attempt(message, async () => {
    const gone = await call(`${path()}/remove`, { keep_work: keepWork });
    byId("gone-as").textContent = t(gone.log_emptied ? "removal.as" : "removal.as_in_log", { name: gone.name });
    show("deleted", gone.deleted);
    show("kept", gone.kept);
    byId("wish").hidden = true;
    byId("gone").hidden = false;
    await changed();
  });
}

byId("keep").addEventListener("click", () => remove(true));
byId("delete").addEventListener("click", () => remove(false));
