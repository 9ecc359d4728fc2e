// The page of a link: an invitation, or a new password. The token behind # is sent to no log.

import { call } from "./api.js";
import { attempt, onSubmit, twice } from "./account_forms.js";
import { byId } from "./dom.js";
import { t } from "./words.js";

const token = location.hash.slice(1);

attempt(byId("message"), async () => {
  const link = await call("/api/link", { token }).catch((trouble) => {
    byId("title").textContent = t("join.over");
    throw trouble;
  });
  const { name, role, project } = link;
  byId("title").textContent = name ? t("join.new_password", { name }) : t("join.title", { project });
  byId("purpose").textContent = name
    ? ""
    : `${t("join.as", { role: t(`roles.${role}.name`) })} ${t(`roles.${role}.may`)}`;
  byId("do").textContent = t(name ? "account.change" : "join.do");
  byId("name").value = name;
  byId("name").readOnly = Boolean(name);
  byId("name-note").hidden = Boolean(name);
  byId("join").hidden = false;
  byId(name ? "password" : "name").focus();
});

onSubmit(byId("join"), byId("message"), async () => {
  const password = twice(byId("password"), byId("again"));
  await call("/api/join", { token, name: byId("name").value, password });
  location.replace("/");
});

addEventListener("hashchange", () => location.reload());
