// What follows from a person's events on an item: the same replay as feedback/annotating.py.

const EDITS = new Set([
  "span", "unspan", "missing", "unmissing", "verdict", "note", "choice", "thumb", "suggestion",
]);

/** The state after the events, in their order. */
export function replay(events) {
  const off = undone(events);
  const state = {
    spans: new Map(), missing: new Map(), verdict: null, note: "",
    hallucinates_more: null, better: null, good: null, decided: new Map(), progress: "open",
  };
  for (const event of events) {
    if (!off.has(event.id)) apply(state, event.body);
  }
  state.spans = [...state.spans.values()].sort(
    (one, other) => one.answer - other.answer || one.start - other.start || one.end - other.end,
  );
  state.missing = [...state.missing.entries()].map(([id, missing]) => ({ id, missing }));
  return state;
}

function apply(state, body) {
  if (body.type === "submit") state.progress = "done";
  else if (body.type === "skip") state.progress = "skipped";
  else state.progress = "open";
  if (body.type === "span") state.spans.set(body.id, body);
  if (body.type === "unspan") state.spans.delete(body.id);
  if (body.type === "missing") state.missing.set(body.id, body.missing);
  if (body.type === "unmissing") state.missing.delete(body.id);
  if (body.type === "verdict") state.verdict = body.verdict;
  if (body.type === "note") state.note = body.note;
  if (body.type === "choice") state[body.question] = body.side;
  if (body.type === "thumb") state.good = body.good;
  if (body.type === "suggestion") {
    if (body.accepted === null) state.decided.delete(body.place);
    else state.decided.set(body.place, body.accepted);
  }
}

function undone(events) {
  const off = new Set();
  for (const { body } of events) {
    if (body.type === "undo") off.add(body.event);
    if (body.type === "redo") off.delete(body.event);
  }
  return off;
}

/**
 * What undo and redo would do now: the events of the last action, newest first, and those of the
 * action undone last, oldest first. Events of one action have one time.
 */
export function history(events) {
  const done = [];
  let back = [];
  const byId = new Map();
  for (const event of events) {
    if (EDITS.has(event.body.type)) {
      byId.set(event.id, event);
      done.push(event);
      back = [];
    } else if (event.body.type === "undo") {
      const place = done.findLastIndex((each) => each.id === event.body.event);
      if (place >= 0) back.push(...done.splice(place, 1));
    } else if (event.body.type === "redo") {
      const place = back.findLastIndex((each) => each.id === event.body.event);
      if (place >= 0) done.push(...back.splice(place, 1));
    }
  }
  return { undo: lastAction(done).reverse(), redo: lastAction(back).reverse() };
}

function lastAction(stack) {
  const last = stack.at(-1);
  return last ? stack.filter((event) => event.at === last.at) : [];
}

/** The text with each span replaced, as pieces: {text, span} where a span put something. */
export function correctedPieces(points, spans) {
  const pieces = [];
  let position = 0;
  for (const span of spans) {
    if (span.replacement === null) continue;
    pieces.push({ text: points.slice(position, span.start).join("") });
    pieces.push({ text: span.replacement, span });
    position = span.end;
  }
  pieces.push({ text: points.slice(position).join("") });
  return pieces;
}
