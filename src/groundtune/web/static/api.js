// The JSON API. A failure is a Trouble: three lines and a status, 0 where the server wasn't reached.

import { t } from "./words.js";

export class Trouble extends Error {
  constructor(status, { what, where, fix }) {
    super(what);
    Object.assign(this, { status, what, where, fix });
  }
}

export async function call(path, body) {
  const options = body === undefined
    ? {}
    : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Trouble(0, {
      what: t("trouble.unreachable"),
      where: location.host,
      fix: t("trouble.unreachable_fix"),
    });
  }
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  throw new Trouble(response.status, {
    what: found.what ?? t("trouble.status", { status: response.status }),
    where: found.where ?? path,
    fix: found.fix ?? t("trouble.reload"),
  });
}
