// The editor under the answer: what is chosen, its kind, and what replaces it.

import { h } from "./dom.js";
import { kindButtons } from "./kinds.js";
import { t } from "./words.js";

const SEVERITIES = ["minor", "major", "dangerous"];

export class Editor {
  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
    this.input = null;
  }

  hide() {
    this.element.hidden = true;
    this.input = null;
    this.element.replaceChildren();
  }

  /**
   * Shows what is edited: {words, kinds, kind, replacement, insertion, marked, doubt, severity}.
   * `kind` is the place of the pressed kind, null for none; `severity` undefined where not asked.
   */
  show(model) {
    const parts = [this.head(model), this.kinds(model)];
    if (model.marked || model.insertion) parts.push(this.line(model));
    if (model.severity !== undefined && model.marked) parts.push(this.severities(model));
    parts.push(this.more(model));
    this.element.replaceChildren(...parts);
    this.element.hidden = false;
  }

  button(text, action, attributes = {}) {
    return h("button", { type: "button", ...attributes, on: { click: () => this.actions[action]() } }, text);
  }

  head(model) {
    const title = t(model.insertion ? "editor.insert_after" : model.marked ? "editor.marked" : "editor.chosen");
    const reach = model.insertion || model.marked ? null : h(
      "span",
      { class: "reach", role: "toolbar", "aria-label": t("editor.extent") },
      this.button(t("editor.more_left"), "moreLeft", { title: t("editor.more_left_key") }),
      this.button(t("editor.more_right"), "moreRight", { title: t("editor.more_right_key") }),
    );
    return h("div", { class: "what" }, h("b", {}, title), h("q", { dir: "auto" }, model.words), reach);
  }

  kinds(model) {
    const buttons = kindButtons(model.kinds, model.kind, (place) => this.actions.kind(place));
    return h("div", { class: "kinds", role: "group", "aria-label": t("kinds.group") }, ...buttons);
  }

  line(model) {
    this.input = h("input", {
      type: "text", value: model.replacement ?? "", dir: "auto", autocomplete: "off", enterkeyhint: "done",
      "aria-label": t(model.insertion ? "editor.insertion" : "editor.replacement"),
      placeholder: t(model.insertion ? "editor.insertion" : "editor.replacement"),
      on: {
        keydown: (event) => this.key(event),
        input: () => this.actions.typed(this.input.value),
      },
    });
    return h("div", { class: "line" }, this.input, this.button(t("editor.save"), "save", { class: "primary", title: "Enter" }));
  }

  key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") this.actions.save();
    else if (event.key === "Escape") this.actions.cancel();
    else if (event.altKey && /^Digit[1-9]$/.test(event.code)) this.actions.kind(Number(event.code.at(-1)) - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  severities(model) {
    const buttons = SEVERITIES.map((name, place) => h(
      "button",
      {
        type: "button", "aria-pressed": String(model.severity === place + 1),
        on: { click: () => this.actions.severity(place + 1) },
      },
      t(`editor.${name}`),
    ));
    return h("div", { class: "more", role: "group", "aria-label": t("editor.severity") }, ...buttons);
  }

  more(model) {
    const buttons = [];
    if (model.doubt) {
      buttons.push(this.button(offer(model.doubt), "accept", { title: t("editor.accept_key") }));
      buttons.push(this.button(t("editor.reject"), "reject", { title: t("editor.reject_key") }));
    }
    if (!model.insertion) {
      buttons.push(this.button(t("editor.delete"), "remove", { title: t("editor.delete_key") }));
    }
    if (!model.insertion && !model.marked) {
      buttons.push(this.button(t("editor.insert_before"), "insertBefore", { title: "i" }));
      buttons.push(this.button(t("editor.insert_after"), "insertAfter", { title: "a" }));
    }
    if (model.marked) buttons.push(this.button(t("editor.unmark"), "unmark", { title: "x", class: "danger" }));
    buttons.push(this.button(t("editor.cancel"), "cancel", { title: "Esc" }));
    return h("div", { class: "more" }, ...buttons);
  }

  focus() {
    this.input?.focus();
    this.input?.select();
  }
}

/** What accepting a suggestion would do. */
function offer({ replacement }) {
  if (replacement === null || replacement === undefined) return t("editor.accept");
  return replacement ? t("editor.accept_text", { text: replacement }) : t("editor.accept_deletion");
}
