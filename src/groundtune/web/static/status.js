// Whether everything is saved, and what went wrong: what, where, and what to do.

import { byId, h } from "./dom.js";
import { t } from "./words.js";

export function showSaved({ waiting, trouble }) {
  const saved = byId("saved");
  saved.classList.toggle("waiting", Boolean(trouble));
  saved.textContent = t(trouble ? "saving.offline" : waiting ? "saving.saving" : "saving.saved");
  saved.title = trouble ? `${trouble.what} ${trouble.fix ?? ""}` : "";
}

export function showTrouble(trouble) {
  const box = byId("trouble");
  box.replaceChildren(
    h("button", { type: "button", class: "quiet", on: { click: hideTrouble } }, t("page.close")),
    h("strong", {}, trouble.what ?? trouble.message),
    h("div", { class: "where" }, trouble.where ?? ""),
    h("div", {}, trouble.fix ?? ""),
  );
  box.hidden = false;
}

export function hideTrouble() {
  byId("trouble").hidden = true;
}
