// The audit trail, the newest first.

import { call } from "./api.js";
import { attempt } from "./account_forms.js";
import { byId, h } from "./dom.js";
import { day } from "./shown.js";
import { has, t } from "./words.js";

let oldest = 0;

function load() {
  return attempt(byId("message"), async () => {
    const { entries, more } = await call(`/api/audit?before=${oldest}`);
    byId("entries").append(...entries.map(line));
    oldest = entries.at(-1)?.id ?? oldest;
    byId("more").hidden = !more;
  });
}

function line({ at, by, action, subject, details }) {
  const name = `audit.actions.${action}`;
  const cells = [day(at), by || t("audit.command_line"), has(name) ? t(name) : action, subject, shown(details)];
  return h("tr", {}, ...cells.map((cell) => h("td", {}, cell)));
}

/** Details as words: `{role: "owner"}` as "role: owner". */
function shown(details) {
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${value && typeof value === "object" ? shown(value) : value}`)
    .join(", ");
}

byId("more").addEventListener("click", load);
load();
