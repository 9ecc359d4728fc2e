// The conversation before the answer.

import { h } from "./dom.js";
import { t } from "./words.js";

/** One turn; its images are named only where there are several. */
export function turnOf({ role, pieces }, images) {
  let number = 0;
  const inside = pieces.map((piece) => {
    if ("text" in piece) return piece.text;
    number += 1;
    return images > 1 ? h("span", { class: "ref" }, t("work.image_reference", { n: number })) : null;
  });
  return h("div", { class: `turn ${role}`, dir: "auto" }, ...inside);
}
