// Times and browsers as people read them.

import { language, t } from "./words.js";

const DAY = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const BROWSERS = ["Firefox", "Edg", "OPR", "Chrome", "Safari"];
const NAMES = { Edg: "Edge", OPR: "Opera" };
const SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"];

/** Seconds since 1970 as a day and time. */
export function day(seconds) {
  return DAY.format(new Date(seconds * 1000));
}

/** What a browser calls itself, in short. */
export function browserOf(agent) {
  const browser = BROWSERS.find((name) => agent.includes(`${name}/`));
  const system = SYSTEMS.find((name) => agent.includes(name));
  const found = [browser && (NAMES[browser] ?? browser), system].filter(Boolean).join(", ");
  return found || agent || t("account.unknown_browser");
}
