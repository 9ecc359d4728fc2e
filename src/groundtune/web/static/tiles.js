// Tiles over a large image: once it is zoomed in beyond the pixels of its copy, what is seen in full detail.

import { call } from "./api.js";
import { h } from "./dom.js";

const KEPT = 80;
const WAIT_MS = 120; // while someone zooms or pans, nothing is fetched

export class Tiles {
  constructor() {
    this.layer = h("div", { class: "tiles" });
    this.clear();
  }

  clear() {
    clearTimeout(this.timer);
    this.sha256 = null;
    this.levels = null;
    this.tiles = new Map();
    this.layer.replaceChildren();
  }

  /** Reads an image's size; null if its copy has all its pixels. */
  async open(sha256) {
    this.sha256 = sha256;
    const found = await call(`/images/${sha256}/levels`);
    if (this.sha256 !== sha256 || !found.levels) return null;
    this.levels = found;
    return { width: found.width, height: found.height };
  }

  /** Follows the view {x, y, s} in a stage of a size; `copied` is the width of the copy in pixels. */
  draw(view, stage, copied) {
    if (!this.levels) return;
    this.layer.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.s})`;
    const density = view.s * devicePixelRatio;
    this.layer.hidden = density * this.levels.width < copied * 1.2;
    clearTimeout(this.timer);
    if (!this.layer.hidden) this.timer = setTimeout(() => this.fetch(view, stage, density), WAIT_MS);
  }

  fetch(view, stage, density) {
    const { width, height, side, levels } = this.levels;
    const level = Math.min(levels - 1, Math.max(0, Math.floor(Math.log2(1 / density))));
    const step = side * 2 ** level; // in pixels of the image
    const seen = new Set();
    const last = (size, visible, start) => Math.min(size - 1, (visible - start) / view.s);
    for (let top = Math.floor(Math.max(0, -view.y / view.s) / step) * step; top <= last(height, stage.height, view.y); top += step) {
      for (let left = Math.floor(Math.max(0, -view.x / view.s) / step) * step; left <= last(width, stage.width, view.x); left += step) {
        const name = `${level}/${left / step}/${top / step}`;
        seen.add(name);
        if (!this.tiles.has(name)) this.add(name, level, { left, top, width: Math.min(step, width - left), height: Math.min(step, height - top) });
      }
    }
    for (const [name, tile] of this.tiles) {
      if (this.tiles.size <= KEPT) break;
      if (!seen.has(name)) this.remove(name, tile);
    }
  }

  add(name, level, box) {
    const tile = h("img", { alt: "", draggable: "false", src: `/images/${this.sha256}/tiles/${name}` });
    for (const [key, value] of Object.entries(box)) tile.style[key] = `${value}px`;
    tile.style.zIndex = String(this.levels.levels - level); // finer ones above
    tile.addEventListener("error", () => this.remove(name, tile)); // the copy stays; the next look asks again
    this.tiles.set(name, tile);
    this.layer.append(tile);
  }

  remove(name, tile) {
    tile.remove();
    if (this.tiles.get(name) === tile) this.tiles.delete(name);
  }
}
