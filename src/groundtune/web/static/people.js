// The owner's page of people: invitations, roles, access, passwords, removal of data.

import { call } from "./api.js";
import { attempt, onSubmit, say } from "./account_forms.js";
import { byId, h } from "./dom.js";
import { openRemoval } from "./removal.js";
import { day } from "./shown.js";
import { t } from "./words.js";

const ROLES = ["annotator", "reviewer", "owner"];
const message = byId("message");

async function load() {
  const { people, links, failures } = await call("/api/people");
  byId("people").replaceChildren(...people.map(personLine));
  byId("links").replaceChildren(...links.map(linkLine));
  byId("links-section").hidden = !links.length;
  byId("failures").textContent = failures.total ? t("people.failures", { n: failures.total, ...failures }) : "";
}

/** Changes something, shows what is new, and says what went wrong. */
function change(path, body = {}) {
  return attempt(message, async () => {
    const answer = await call(path, body);
    await load();
    return answer;
  });
}

function personLine(person) {
  const facts = [
    t("people.done", { n: person.done }),
    person.seen && t("people.seen", { at: day(person.seen) }),
    person.sessions > 1 && t("people.sessions", { n: person.sessions }),
    !person.has_password && !person.closed && t("people.no_password"),
    person.closed && t("people.closed", { at: day(person.closed) }),
  ].filter(Boolean);
  return h(
    "li",
    { class: person.closed ? "person closed" : "person" },
    h(
      "span",
      { class: "what" },
      h("span", { class: "name" }, person.name),
      person.you ? ` (${t("people.you")})` : null,
      h("span", { class: "note" }, facts.join(" \u00b7 ")),
    ),
    h("span", { class: "acts" }, ...acts(person)),
  );
}

function acts(person) {
  const path = `/api/people/${encodeURIComponent(person.id)}`;
  const remove = button("people.remove", person, () => openRemoval(person, load), "danger");
  if (person.closed) {
    const back = person.has_password ? button("people.reopen", person, () => change(`${path}/reopen`)) : null;
    return [back, person.has_password ? remove : null];
  }
  const role = h(
    "select",
    {
      "aria-label": t("people.role_of", { name: person.name }),
      on: { change: async ({ target }) => { await change(`${path}/role`, { role: target.value }); await load(); } },
    },
    ...ROLES.map((each) => h("option", { value: each, selected: each === person.role }, t(`roles.${each}.name`))),
  );
  return [
    role,
    button("people.password", person, () => makeLink(`${path}/link`, {}, t("people.password_for", { name: person.name }))),
    person.you ? null : button("people.close", person, () => change(`${path}/close`)),
    remove,
  ];
}

function button(name, person, act, kind = "") {
  const label = t("people.act_on", { act: t(name), name: person.name });
  return h("button", { type: "button", class: kind || null, "aria-label": label, on: { click: act } }, t(name));
}

function linkLine({ id, role, name, uses, until }) {
  const what = name ? t("people.password_for", { name }) : t("people.invites", { n: uses, role: t(`roles.${role}.name`) });
  return h(
    "li",
    {},
    h("span", { class: "what" }, what, h("span", { class: "note" }, t("people.until", { at: day(until) }))),
    h("button", { type: "button", on: { click: () => change(`/api/links/${id}/withdraw`) } }, t("people.withdraw")),
  );
}

/** Makes a link and shows it once: the project doesn't keep it. */
function makeLink(path, body, purpose) {
  return attempt(message, async () => {
    const { token } = await call(path, body);
    byId("link-purpose").textContent = purpose;
    byId("link").value = `${location.origin}/join#${token}`;
    byId("new-link").hidden = false;
    byId("link").focus();
    byId("link").select();
    byId("new-link").scrollIntoView({ block: "nearest" });
    await load();
  });
}

onSubmit(byId("invite"), message, () => {
  const [role, uses, days] = [byId("role").value, Number(byId("uses").value), Number(byId("days").value)];
  const purpose = t("people.invites", { n: uses, role: t(`roles.${role}.name`) });
  return makeLink("/api/invitations", { role, uses, days }, purpose);
});
byId("copy").addEventListener("click", async () => {
  byId("link").select();
  try {
    await navigator.clipboard.writeText(byId("link").value);
    say(message, t("people.copied"), true);
  } catch {
    // No clipboard over plain HTTP or in a frame: the link is selected, to be copied by keys.
  }
});
attempt(message, load);
