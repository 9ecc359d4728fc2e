// The answer's words: drawn with their marks, chosen by mouse, touch or keys. Offsets are code points.

import { unitsOf } from "./codepoints.js";
import { h } from "./dom.js";

export class Answer {
  /** `changed(selection, byPointer)` when words are chosen; a selection is {start, end} or null. */
  constructor(element, changed) {
    this.element = element;
    this.changed = changed;
    this.units = [];
    this.nodes = [];
    this.anchor = null;
    this.focus = null;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.drag(event));
    for (const type of ["pointerup", "pointercancel"]) {
      element.addEventListener(type, () => { this.dragging = false; });
    }
  }

  /** Draws a text with marks {start, end, replacement, className, id} in order, and doubts. */
  draw(text, marks, doubts = []) {
    this.marks = marks;
    const ends = [this.anchor, this.focus].map((place) => this.units[place]?.start);
    const cuts = [...marks, ...doubts].flatMap((each) => [each.start, each.end]);
    this.units = unitsOf(text, cuts);
    this.nodes = this.units.map((unit, place) => h(
      "span",
      { class: this.classOf(unit, doubts), "data-u": String(place) },
      unit.text,
    ));
    const children = [];
    const inserts = marks.filter((mark) => mark.replacement);
    let next = 0;
    this.units.forEach((unit, place) => {
      while (inserts[next] && inserts[next].end <= unit.start) children.push(this.insert(inserts[next++]));
      children.push(this.nodes[place]);
    });
    while (next < inserts.length) children.push(this.insert(inserts[next++]));
    this.element.replaceChildren(...children);
    [this.anchor, this.focus] = ends.map((offset) => this.placeOf(offset));
    this.paint();
  }

  /** The unit that an offset is in; null for none. */
  placeOf(offset) {
    const place = offset === undefined ? -1 : this.units.findIndex((unit) => unit.end > offset);
    return place >= 0 ? place : null;
  }

  insert(mark) {
    const empty = mark.start === mark.end;
    return h(
      "ins",
      { class: `${mark.className}${empty ? " caret" : ""}`, "data-mark": mark.id },
      mark.replacement,
    );
  }

  classOf(unit, doubts) {
    const mark = this.marks.find((each) => each.start <= unit.start && unit.end <= each.end);
    const doubt = doubts.some((each) => each.start <= unit.start && unit.end <= each.end);
    const classes = [unit.word ? "word" : "gap"];
    if (mark) classes.push("mark", mark.className, mark.replacement === null ? "" : "replaced");
    if (mark?.open) classes.push("open");
    if (doubt && !mark) classes.push("doubt");
    return classes.filter(Boolean).join(" ");
  }

  get selection() {
    if (this.anchor === null || this.focus === null) return null;
    const [from, to] = [this.units[Math.min(this.anchor, this.focus)], this.units[Math.max(this.anchor, this.focus)]];
    return from && to ? { start: from.start, end: to.end } : null;
  }

  /** Chooses the units of a range; none for an empty one or null. */
  select(range) {
    const first = range ? this.units.findIndex((unit) => unit.end > range.start) : -1;
    const last = range ? this.units.findLastIndex((unit) => unit.start < range.end) : -1;
    const found = first >= 0 && last >= first;
    this.anchor = found ? first : null;
    this.focus = found ? last : null;
    this.paint();
  }

  /** Forgets the last item's words. */
  clear() {
    this.units = [];
    this.nodes = [];
    this.anchor = this.focus = null;
    this.resting = undefined;
  }

  /** Puts the cursor on the word after an offset, without saying so. */
  rest(offset) {
    const place = this.units.findIndex((unit) => unit.word && unit.start >= offset);
    this.resting = place >= 0 ? place : this.units.findLastIndex((unit) => unit.word);
  }

  choose(anchor, focus, byPointer = false) {
    this.anchor = anchor;
    this.focus = focus;
    this.paint();
    this.changed(this.selection, byPointer);
  }

  paint() {
    const chosen = this.anchor !== null;
    const low = Math.min(this.anchor, this.focus);
    const high = Math.max(this.anchor, this.focus);
    this.nodes.forEach((node, place) => {
      node.classList.toggle("sel", chosen && place >= low && place <= high);
      node.classList.toggle("cursor", chosen && place === this.focus);
    });
    if (chosen) this.nodes[this.focus]?.scrollIntoView({ block: "nearest" });
  }

  /** Moves the cursor by a word, a line, or to an end; `extend` keeps the other end. */
  move(step, extend) {
    if (!this.units.length) return;
    const rest = this.resting === undefined ? -1 : this.resting - (step === "right" ? 1 : 0);
    const from = this.focus ?? rest;
    const to = this.target(step, from, extend);
    if (to === null) return;
    this.resting = undefined;
    this.choose(extend && this.anchor !== null ? this.anchor : to, to);
  }

  target(step, from, extend) {
    const words = (place) => this.units[place]?.word || (extend && this.units[place]?.text.trim());
    if (step === "left" || step === "right") {
      const by = step === "left" ? -1 : 1;
      for (let place = from + by; place >= 0 && place < this.units.length; place += by) {
        if (words(place)) return place;
      }
      return null;
    }
    if (step === "home") return this.units.findIndex((unit) => unit.word);
    if (step === "end") return this.units.findLastIndex((unit) => unit.word);
    return this.inLine(step, Math.max(0, from));
  }

  /** The word nearest to `from` in the line above or below. */
  inLine(step, from) {
    const here = this.nodes[from].getBoundingClientRect();
    const by = step === "up" ? -1 : 1;
    let best = null;
    let line = null;
    for (let place = from + by; place >= 0 && place < this.units.length; place += by) {
      const box = this.nodes[place].getBoundingClientRect();
      const away = step === "up" ? here.top - box.bottom : box.top - here.bottom;
      if (!this.units[place].word || away < -here.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > here.height / 2) break;
      const distance = Math.abs(box.left - here.left);
      if (!best || distance < best.distance) best = { place, distance };
    }
    return best?.place ?? null;
  }

  down(event) {
    if (event.button !== 0) return;
    const mark = event.target.closest("[data-mark]");
    if (mark) {
      this.changed({ mark: mark.dataset.mark }, true);
      return;
    }
    const place = this.placeAt(event);
    if (place === null) return;
    const extend = event.shiftKey && this.anchor !== null;
    this.dragging = event.pointerType === "mouse";
    this.choose(extend ? this.anchor : place, place, true);
  }

  drag(event) {
    if (!this.dragging || !event.buttons) return;
    const place = this.placeAt(event);
    if (place !== null && place !== this.focus) this.choose(this.anchor, place, true);
  }

  /** The unit under the pointer; of white space the word beside it. */
  placeAt(event) {
    const found = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-u]");
    if (!found || !this.element.contains(found)) return null;
    const place = Number(found.dataset.u);
    if (this.units[place].text.trim()) return place;
    const right = this.dragging && this.anchor !== null && place < this.anchor;
    const beside = right ? place + 1 : place - 1;
    return this.units[beside] ? beside : null;
  }
}
