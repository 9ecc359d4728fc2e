// The JSON API. A failure is a Trouble: three lines and a status, 0 where the server wasn't reached.

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
      what: "The server can't be reached.",
      where: location.host,
      fix: "Go on working: everything is kept here and sent when it is back.",
    });
  }
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  throw new Trouble(response.status, {
    what: found.what ?? `The server answered ${response.status}.`,
    where: found.where ?? path,
    fix: found.fix ?? "Reload the page.",
  });
}
