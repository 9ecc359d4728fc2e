// Seconds in which a person was active: time between two inputs counts up to a pause of 20 seconds.

const LONGEST_PAUSE_MS = 20_000;
let last = performance.now();
let active = 0;

function note() {
  const now = performance.now();
  active += Math.min(now - last, LONGEST_PAUSE_MS);
  last = now;
}

for (const type of ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"]) {
  addEventListener(type, note, { passive: true, capture: true });
}

/** Active seconds since the last call. */
export function takeSeconds() {
  note();
  const seconds = Math.round(active) / 1000;
  active = 0;
  return seconds;
}
