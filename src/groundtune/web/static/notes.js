// Notes on an item: what the answer should say and doesn't, and a comment.

import { h, isTyping, newId } from "./dom.js";
import { t } from "./words.js";

const PAUSE_MS = 1000;

export class Notes {
  /** `asksMissing` where notes on what is missing have a place in the result. */
  constructor(element, change, asksMissing) {
    Object.assign(this, { element, change, asksMissing });
    this.fields = [];
  }

  show({ missing, note }, { missing: said, facts }) {
    if (this.element.contains(document.activeElement) && isTyping(document.activeElement)) return;
    this.fields = [];
    const open = said.filter((each) => !missing.some((own) => same(own.missing, each)));
    this.comment = this.field(t("work.comment"), note, (text) => this.change({ type: "note", note: text }));
    this.element.replaceChildren(
      ...open.map((each) => this.suggestion(each, facts)),
      ...missing.map(({ id, missing: each }) => this.missing(id, each, facts)),
      this.comment,
    );
    if (this.asksMissing) {
      this.element.append(h("button", { type: "button", class: "quiet", "data-do": "missing", title: "m" }, t("work.add_missing")));
    }
  }

  /** Stores what is typed before another item comes, whose it isn't. */
  commit() {
    for (const save of this.fields) save();
    if (this.element.contains(document.activeElement)) document.activeElement.blur();
  }

  /** A text area that is stored in pauses of typing, and at the end. */
  field(title, value, store, ...quoted) {
    const area = h("textarea", { rows: "1", dir: "auto" });
    let stored = value;
    let timer;
    const save = () => {
      clearTimeout(timer);
      if (area.value === stored) return;
      stored = area.value;
      store(stored);
    };
    this.fields.push(save);
    area.value = value;
    area.addEventListener("change", save);
    area.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(save, PAUSE_MS);
    });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") area.blur();
    });
    return h("label", {}, title, ...quoted, area);
  }

  /** What somebody said is missing, to take over. */
  suggestion(said, facts) {
    const take = () => this.change({ type: "missing", id: newId(), missing: said });
    return h(
      "div",
      { class: "said" },
      h("p", {}, titleOf(said, t("work.said_missing"))),
      ...quotes(said, facts),
      said.note && h("p", { dir: "auto" }, said.note),
      h("button", { type: "button", on: { click: take } }, t("work.take_missing")),
    );
  }

  missing(id, each, facts) {
    const store = (note) => this.put(id, { ...each, note });
    const drop = () => this.change({ type: "unmissing", id });
    return h(
      "div",
      { class: "said" },
      this.field(titleOf(each, t("work.missing")), each.note, store, ...quotes(each, facts)),
      each.facts.length ? h("button", { type: "button", on: { click: drop } }, t("work.drop_missing")) : null,
    );
  }

  put(id, missing) {
    if (missing.note.trim() || missing.facts.length) this.change({ type: "missing", id, missing });
    else this.change({ type: "unmissing", id });
  }

  addMissing() {
    const id = newId();
    const store = (note) => note.trim() && this.put(id, { label: "", note, facts: [] });
    const label = this.field(t("work.missing"), "", store);
    this.element.insertBefore(label, this.comment);
    label.querySelector("textarea").focus();
  }

  focusComment() {
    this.comment?.querySelector("textarea").focus();
  }
}

const titleOf = ({ label }, title) => (label ? `${title} (${label})` : title);
const quotes = ({ facts: places }, facts) => places.map((place) => h("q", { dir: "auto" }, facts[place]));

/** Whether two notes name the same facts; notes on none are told apart by their text. */
function same(one, other) {
  const key = ({ label, note, facts }) => JSON.stringify(facts.length ? [label, facts] : [label, note]);
  return key(one) === key(other);
}
