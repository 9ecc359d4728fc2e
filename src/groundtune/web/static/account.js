// A person's own account: sessions, password, logging out.

import { call } from "./api.js";
import { attempt, onSubmit, say, twice } from "./account_forms.js";
import { byId, h } from "./dom.js";
import { browserOf, day } from "./shown.js";
import { t } from "./words.js";

async function load() {
  const { sessions } = await call("/api/account");
  byId("sessions").replaceChildren(...sessions.map(line));
  byId("others").hidden = sessions.length < 2;
}

function line({ id, agent, created, seen, here }) {
  const times = t("account.session_times", { created: day(created), seen: day(seen) });
  return h(
    "li",
    {},
    h("span", { class: "what" }, browserOf(agent), h("span", { class: "note" }, times)),
    here
      ? h("span", { class: "note" }, t("account.here"))
      : h("button", { type: "button", on: { click: () => end(id) } }, t("account.end")),
  );
}

function end(session) {
  attempt(byId("message"), async () => {
    await call("/api/account/sessions/end", { session });
    await load();
  });
}

byId("others").addEventListener("click", () => end(""));
byId("logout").addEventListener("click", () => attempt(byId("message"), async () => {
  await call("/api/logout", {});
  location.replace("/login");
}));
onSubmit(byId("change"), byId("changed"), async () => {
  const given = { old: byId("old").value, new: twice(byId("new"), byId("again")) };
  await call("/api/account/password", given);
  byId("change").reset();
  await load();
  say(byId("changed"), t("account.changed"), true);
});
attempt(byId("message"), load);
