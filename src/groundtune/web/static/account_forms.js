// What forms of accounts share: a message, two equal passwords, the choice of a language.

import { call } from "./api.js";
import { byId } from "./dom.js";
import { t } from "./words.js";

/** Sends a form by `act` instead of the browser; what goes wrong is shown in `message`. */
export function onSubmit(form, message, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button:not([type=button])");
    button.disabled = true;
    await attempt(message, act);
    button.disabled = false;
  });
}

/** Runs a step; what goes wrong is shown. */
export async function attempt(message, step) {
  say(message, "");
  try {
    await step();
  } catch (trouble) {
    say(message, `${trouble.what ?? trouble.message} ${trouble.fix ?? ""}`);
  }
}

/** A message, of success if `good`. */
export function say(message, text, good = false) {
  message.textContent = text;
  message.classList.toggle("good", good);
}

/** The password that was typed twice; an Error if the two differ. */
export function twice(first, second) {
  if (first.value !== second.value) throw new Error(t("join.differ"));
  return first.value;
}

/** Where to go after logging in: a page of this site, never of another one. */
export function destination() {
  const wanted = new URLSearchParams(location.search).get("to") ?? "/";
  try {
    const url = new URL(wanted, location.origin);
    return url.origin === location.origin ? url.pathname + url.search : "/";
  } catch {
    return "/";
  }
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", async () => {
    await call("/api/language", { language: button.dataset.language });
    location.reload();
  });
}

