// Words of one or more answers, marked by their kind of error, without replacements.

import { Answer } from "./answer.js";
import { pointsOf } from "./codepoints.js";
import { byId, h, newId } from "./dom.js";
import { kindButtons } from "./kinds.js";
import { merged } from "./screen.js";
import { t } from "./words.js";

export class Marks {
  constructor(screen, number) {
    this.screen = screen;
    this.answers = Array.from(
      { length: number },
      (_, side) => new Answer(byId(`answer-${side}`), (selection) => this.chosen(side, selection)),
    );
    this.close();
  }

  /** The answer whose words are chosen. */
  get answer() {
    return this.answers[this.active];
  }

  open(item) {
    this.points = item.answers.map(pointsOf);
    for (const answer of this.answers) answer.clear();
    this.active = 0;
    this.marked = null;
    this.screen.refresh();
    this.answers[0].element.focus({ preventScroll: true });
  }

  close() {
    this.active ??= 0;
    this.marked = null; // the id of the mark that is chosen
    this.answer.select(null);
  }

  draw() {
    this.answers.forEach((answer, side) => {
      answer.draw(this.screen.work.answers[side], this.of(side).map((span) => ({
        ...span, className: `k${this.screen.kindOf(span) + 1}`, open: this.marked === span.id,
      })));
      this.drawKinds(side);
    });
  }

  of(side) {
    return this.screen.state.spans.filter((span) => span.answer === side);
  }

  drawKinds(side) {
    const bar = byId(`kinds-${side}`);
    const span = this.of(side).find((each) => each.id === this.marked);
    bar.hidden = side !== this.active || (!this.answers[side].selection && !span);
    const pressed = span ? this.screen.kindOf(span) : null;
    const buttons = kindButtons(this.screen.project.kinds, pressed, (place) => this.mark(place));
    bar.replaceChildren(...buttons, ...(span ? [h("button", { type: "button", "data-do": "unmark", title: "x" }, t("editor.unmark"))] : []));
  }

  chosen(side, selection) {
    if (this.active !== side) this.answer.select(null);
    this.active = side;
    const span = this.of(side).find((each) => selection && each.start <= selection.start && selection.end <= each.end);
    const before = this.marked;
    this.marked = span?.id ?? null;
    if (before !== this.marked) this.screen.refresh();
    else this.answers.forEach((_, place) => this.drawKinds(place));
  }

  mark(place) {
    const known = this.of(this.active).find((span) => span.id === this.marked);
    const range = known ?? this.answer.selection;
    if (place >= this.screen.project.kinds.length || !range) return;
    const { start, end, removals } = merged(range, known ? [] : this.of(this.active));
    const text = this.points[this.active].slice(start, end).join("");
    const id = known?.id ?? newId();
    const body = this.screen.body({ ...range, answer: this.active, start, end }, { id, text, kind: place });
    this.marked = id;
    this.screen.change(...removals, body);
  }

  actions() {
    return {
      kind: (place) => this.mark(place),
      unmark: () => {
        const id = this.marked;
        this.marked = null;
        if (id) this.screen.change({ type: "unspan", id });
      },
      cancel: () => {
        this.close();
        this.screen.refresh();
      },
      other: () => {
        this.answer.select(null);
        this.active = (this.active + 1) % this.answers.length;
        this.answer.element.focus();
        this.screen.refresh();
      },
    };
  }
}
