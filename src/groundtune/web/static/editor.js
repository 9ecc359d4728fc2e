// The editor under the answer: what is chosen, its kind, and what replaces it.

import { h } from "./dom.js";
import { kindButtons } from "./kinds.js";

const SEVERITIES = ["Minor", "Major", "Dangerous"];

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
    const title = model.insertion ? "Insert after" : model.marked ? "Marked" : "Chosen";
    const reach = model.insertion || model.marked ? null : h(
      "span",
      { class: "reach", role: "toolbar", "aria-label": "Extent" },
      this.button("\u2190 more", "moreLeft", { title: "Extend to the left (Shift+Left)" }),
      this.button("more \u2192", "moreRight", { title: "Extend to the right (Shift+Right)" }),
    );
    return h("div", { class: "what" }, h("b", {}, title), h("q", { dir: "auto" }, model.words), reach);
  }

  kinds(model) {
    const buttons = kindButtons(model.kinds, model.kind, (place) => this.actions.kind(place));
    return h("div", { class: "kinds", role: "group", "aria-label": "Kind of error" }, ...buttons);
  }

  line(model) {
    this.input = h("input", {
      type: "text", value: model.replacement ?? "", dir: "auto", autocomplete: "off", enterkeyhint: "done",
      "aria-label": model.insertion ? "What to insert" : "What to write instead",
      placeholder: model.insertion ? "What to insert" : "What to write instead",
      on: {
        keydown: (event) => this.key(event),
        input: () => this.actions.typed(this.input.value),
      },
    });
    return h("div", { class: "line" }, this.input, this.button("Save", "save", { class: "primary", title: "Enter" }));
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
      name,
    ));
    return h("div", { class: "more", role: "group", "aria-label": "Severity" }, ...buttons);
  }

  more(model) {
    const buttons = [];
    if (model.doubt) {
      buttons.push(this.button(offer(model.doubt), "accept", { title: "Accept the suggestion (y)" }));
      buttons.push(this.button("Reject", "reject", { title: "Reject the suggestion (n)" }));
    }
    if (!model.insertion) {
      buttons.push(this.button("Delete words", "remove", { title: "Delete" }));
    }
    if (!model.insertion && !model.marked) {
      buttons.push(this.button("Insert before", "insertBefore", { title: "i" }));
      buttons.push(this.button("Insert after", "insertAfter", { title: "a" }));
    }
    if (model.marked) buttons.push(this.button("Unmark", "unmark", { title: "x", class: "danger" }));
    buttons.push(this.button("Cancel", "cancel", { title: "Esc" }));
    return h("div", { class: "more" }, ...buttons);
  }

  focus() {
    this.input?.focus();
    this.input?.select();
  }
}

/** What accepting a suggestion would do. */
function offer({ replacement }) {
  if (replacement === null || replacement === undefined) return "Accept";
  return replacement ? `Accept: ${replacement}` : "Accept: delete";
}
