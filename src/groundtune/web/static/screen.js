// What all working screens share: the item's image and conversation, its events, undo, and what comes next.

import { call } from "./api.js";
import { byId } from "./dom.js";
import { Flow } from "./flow.js";
import { listen } from "./keys.js";
import { Notes } from "./notes.js";
import { Queue } from "./queue.js";
import { history, replay } from "./replay.js";
import { Stage } from "./stage.js";
import { hideTrouble, needsLogin, showSaved, showTrouble } from "./status.js";
import { turnsOf } from "./turns.js";
import { t } from "./words.js";

export class Screen {
  /** `view` draws the rest: open(item), draw(state), and close() before what is shown is taken back. */
  constructor(view, { asksMissing }) {
    this.view = view;
    this.task = byId("work").dataset.task;
    this.stage = new Stage();
    this.notes = new Notes(byId("notes"), (body) => this.noted(body), asksMissing);
  }

  get work() {
    return this.flow.work;
  }

  /** Opens the first item; `keys` are rows of keys.js, `answer()` the words that arrow keys move in. */
  async start(actions, answer, keys) {
    this.project = await call("/api/project");
    const { id, person } = this.project;
    const queue = new Queue(`groundtune ${id} ${person}`, person, {
      changed: (status) => this.saved(status),
      refused: (event, why) => this.refused(event, why),
    });
    await queue.open();
    this.flow = new Flow(this.task, queue, { show: (item) => this.show(item), trouble: showTrouble });
    listen({ ...this.actions(), ...actions }, answer, keys);
    await this.flow.start();
    this.countProgress();
  }

  show(item) {
    byId("work").hidden = byId("bar").hidden = !item;
    byId("finished").hidden = Boolean(item);
    if (!item) return;
    hideTrouble();
    this.stage.show(item);
    byId("turns").replaceChildren(...turnsOf(item, (place) => this.stage.choose(place)));
    this.view.open(item);
    document.querySelector(".side").scrollTop = 0;
  }

  /** Draws everything that follows from the events. */
  refresh() {
    this.refreshNotes();
    this.view.draw(this.state);
  }

  refreshNotes() {
    this.state = replay(this.work.events);
    this.notes.show(this.state, this.work);
    const { undo, redo } = history(this.work.events);
    document.querySelector("[data-do=undo]").disabled = !undo.length;
    document.querySelector("[data-do=redo]").disabled = !redo.length;
  }

  async change(...bodies) {
    const recorded = this.flow.record(...bodies);
    this.refresh();
    await recorded;
  }

  /** A note changes nothing else: what is pressed when typing ends must stay where it is. */
  async noted(body) {
    const recorded = this.flow.record(body);
    this.refreshNotes();
    await recorded;
  }

  async leave(...bodies) {
    this.notes.commit();
    this.uncounted = true;
    await this.change(...bodies);
    await this.flow.next();
  }

  /** Once the server has the end of an item, the number of finished ones is another. */
  saved(status) {
    showSaved(status);
    if (status.trouble && needsLogin(status.trouble)) showTrouble(status.trouble);
    if (status.waiting || !this.uncounted) return;
    this.uncounted = false;
    this.countProgress();
  }

  actions() {
    return {
      undo: () => this.replayAction("undo"),
      redo: () => this.replayAction("redo"),
      skip: () => this.leave({ type: "skip", reason: "" }),
      comment: () => this.notes.focusComment(),
      "zoom-in": () => this.stage.zoom(1.4),
      "zoom-out": () => this.stage.zoom(1 / 1.4),
      "zoom-fit": () => this.stage.fit(),
      "previous-image": () => this.stage.step(-1),
      "next-image": () => this.stage.step(1),
      guidelines: () => byId("guidelines").showModal(),
      help: () => byId("help").showModal(),
    };
  }

  replayAction(name) {
    const action = history(this.work.events)[name];
    if (!action.length) return;
    this.view.close();
    this.change(...action.map((event) => ({ type: name, event: event.id })));
  }

  refused(event, why) {
    showTrouble({ what: t("trouble.refused"), where: why, fix: t("trouble.refused_fix") });
    if (this.work?.key !== event.item) return;
    this.work.events = this.work.events.filter((each) => each.id !== event.id);
    this.refresh();
  }

  async countProgress() {
    const { counts } = await call("/api/project").catch(() => ({ counts: null }));
    const own = counts?.[this.task];
    if (own) byId("progress").textContent = t("work.progress", { done: own.done, items: own.items });
  }

  /** The place of a span's kind among the project's. */
  kindOf(span) {
    const { kinds } = this.project;
    const named = kinds.findIndex((kind) => kind.name === span.label);
    return Math.max(0, named >= 0 ? named : kinds.findIndex((kind) => kind.counts_as === span.kind));
  }

  /** The body of an event that marks characters [start, end) of an answer, or changes that mark. */
  body(range, changes) {
    const kind = this.project.kinds[changes.kind ?? (range.id ? this.kindOf(range) : 0)];
    return {
      type: "span", answer: range.answer ?? 0, start: range.start, end: range.end,
      severity: range.severity ?? null, note: range.note ?? "", replacement: range.replacement ?? null,
      ...changes, kind: kind.counts_as, label: kind.name,
    };
  }
}

/** What a mark of words becomes that overlaps others: one mark of all, and events that remove those. */
export function merged(range, spans) {
  const overlapped = spans.filter((span) => span.start < range.end && range.start < span.end);
  return {
    start: Math.min(range.start, ...overlapped.map((span) => span.start)),
    end: Math.max(range.end, ...overlapped.map((span) => span.end)),
    removals: overlapped.map((span) => ({ type: "unspan", id: span.id })),
  };
}
