// Sentences of a text, and which edits belong to which. Offsets are code points.

import { lengthOf, pointsOf, unitsOf } from "./codepoints.js";

const segmenter = new Intl.Segmenter(undefined, { granularity: "sentence" });

/** Sentences {start, end} without the white space after them; those that one edit changes are one. */
export function sentencesOf(text, edits) {
  const points = pointsOf(text);
  const found = [];
  let start = 0;
  for (const { segment } of segmenter.segment(text)) {
    const last = found.at(-1);
    const end = start + lengthOf(segment);
    if (last && edits.some((edit) => crosses(points, edit, start))) last.end = end;
    else if (segment.trim() || !last) found.push({ start, end });
    start = end;
  }
  for (const each of found) {
    while (each.end > each.start && !points[each.end - 1].trim()) each.end -= 1;
  }
  return found;
}

/** The sentence that an edit belongs to, by its first character that isn't white space. */
export function sentenceOf(sentences, points, { start, end }) {
  let place = start;
  while (place < end && !points[place].trim()) place += 1;
  if (place === end) place = start;
  const found = sentences.findLastIndex((each) => each.start <= place);
  return Math.max(0, found);
}

function crosses(points, { start, end }, border) {
  const inked = (from, to) => points.slice(from, to).join("").trim() !== "";
  return start < border && border < end && inked(start, border) && inked(border, end);
}

/** The one edit that turns words into others: {start, end, replacement}, or null where they are equal. */
export function editOf(before, after, offset) {
  if (before === after) return null;
  const [old, now] = [unitsOf(before), unitsOf(after)];
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head].text === now[head].text) head += 1;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail).text === now.at(-1 - tail).text) tail += 1;
  const kept = (units) => units.slice(head, units.length - tail);
  const start = old[head]?.start ?? lengthOf(before);
  const end = kept(old).at(-1)?.end ?? start;
  return {
    start: offset + start, end: offset + end, replacement: kept(now).map((unit) => unit.text).join(""),
  };
}
