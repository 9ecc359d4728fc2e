// Notes on an item: what the answer should say and doesn't, and a comment.

import { h, newId } from "./dom.js";
import { t } from "./words.js";

export class Notes {
  /** `asksMissing` where notes on what is missing have a place in the result. */
  constructor(element, change, asksMissing) {
    Object.assign(this, { element, change, asksMissing });
  }

  show({ missing, note }) {
    if (this.element.contains(document.activeElement) && document.activeElement.value !== undefined) return;
    this.comment = this.field(t("work.comment"), note, (text) => this.change({ type: "note", note: text }));
    this.element.replaceChildren(
      ...missing.map(({ id, missing: each }) => this.field(t("work.missing"), each.note, (text) => this.put(id, text))),
      this.comment,
    );
    if (this.asksMissing) {
      this.element.append(h("button", { type: "button", class: "quiet", "data-do": "missing", title: "m" }, t("work.add_missing")));
    }
  }

  field(title, value, store) {
    const area = h("textarea", { rows: "1", dir: "auto" });
    area.value = value;
    area.addEventListener("change", () => store(area.value));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") area.blur();
    });
    return h("label", {}, title, area);
  }

  put(id, text) {
    if (text.trim()) this.change({ type: "missing", id, missing: { label: "", note: text, facts: [] } });
    else this.change({ type: "unmissing", id });
  }

  addMissing() {
    const id = newId();
    const label = this.field(t("work.missing"), "", (text) => text.trim() && this.put(id, text));
    this.element.insertBefore(label, this.comment);
    label.querySelector("textarea").focus();
  }

  focusComment() {
    this.comment?.querySelector("textarea").focus();
  }
}
