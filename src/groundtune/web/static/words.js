// The strings of the person's language: `t("home.number", { n: 3 })`. The catalogue is strings/*.toml.

import { language, strings } from "/strings.js";

const plurals = new Intl.PluralRules(language);

/** The text of a name with its {places} filled in; by plural form where it depends on `n`. */
export function t(name, values = {}) {
  const found = strings[name];
  if (found === undefined) throw new Error(`the catalogue has no string ${name}`);
  const text = typeof found === "string" ? found : found[plurals.select(values.n)] ?? found.other;
  return text.replace(/\{(\w+)\}/g, (place, key) => (key in values ? String(values[key]) : place));
}

/** Whether the catalogue has a name. */
export function has(name) {
  return name in strings;
}

export { language };
