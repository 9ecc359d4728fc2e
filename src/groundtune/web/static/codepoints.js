// Offsets are code points, as Python counts them; JavaScript's strings count UTF-16 units.

// Firefox (153) says that words with combining marks aren't like words.
const LETTER = /[\p{L}\p{N}]/u;
const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** The characters of a text as an array: one entry per code point. */
export const pointsOf = (text) => Array.from(text);

/** How many code points a text has. */
export function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/**
 * Words and what is between them: {start, end, text, word}, in code points.
 * Units end at each offset of `cuts` too, so that marks cover whole units.
 */
export function unitsOf(text, cuts = []) {
  const ends = [...new Set(cuts)].sort((one, other) => one - other);
  const units = [];
  let start = 0;
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    for (const piece of cutAt(segment, start, ends)) {
      const end = start + lengthOf(piece);
      units.push({ start, end, text: piece, word: Boolean(isWordLike) || LETTER.test(piece) });
      start = end;
    }
  }
  return units;
}

function cutAt(segment, start, cuts) {
  const points = pointsOf(segment);
  const inside = cuts.filter((cut) => cut > start && cut < start + points.length);
  if (!inside.length) return [segment];
  const edges = [0, ...inside.map((cut) => cut - start), points.length];
  return edges.slice(1).map((edge, place) => points.slice(edges[place], edge).join(""));
}
