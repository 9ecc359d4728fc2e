// Whether everything is saved, and what went wrong: what, where, and what to do.

import { byId, h } from "./dom.js";
import { t } from "./words.js";

export function showSaved({ waiting, trouble }) {
  const saved = byId("saved");
  saved.classList.toggle("waiting", Boolean(trouble));
  saved.textContent = t(trouble ? "saving.offline" : waiting ? "saving.saving" : "saving.saved");
  saved.title = trouble ? `${trouble.what} ${trouble.fix ?? ""}` : "";
}

/** Whether somebody has to log in (again) before anything is saved. */
export function needsLogin({ status }) {
  return status === 401 || status === 409;
}

export function showTrouble(trouble) {
  const box = byId("trouble");
  box.replaceChildren(...[
    h("button", { type: "button", class: "quiet", on: { click: hideTrouble } }, t("page.close")),
    h("strong", {}, trouble.what ?? trouble.message),
    h("div", { class: "where" }, trouble.where ?? ""),
    h("div", {}, trouble.fix ?? ""),
    needsLogin(trouble) ? h("a", { href: loginAddress(trouble) }, t("login.title")) : null,
  ].filter(Boolean));
  box.hidden = false;
}

function loginAddress({ status }) {
  if (status === 409) return "/account"; // to log the other person out
  return `/login?to=${encodeURIComponent(location.pathname + location.search)}`;
}

export function hideTrouble() {
  byId("trouble").hidden = true;
}
