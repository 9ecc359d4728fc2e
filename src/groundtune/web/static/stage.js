// The image: fits at first; wheel, pinch, buttons and keys zoom, dragging pans.

import { byId, h } from "./dom.js";
import { Tiles } from "./tiles.js";
import { namesOf } from "./turns.js";
import { t } from "./words.js";

const SCALED = 1600;
const LARGEST = 16;
const CONTROLS = "button, select";

export class Stage {
  constructor() {
    const [stage, canvas, thumbs, scale, pager, number] = ["stage", "canvas", "thumbs", "scale", "pager", "number"].map(byId);
    Object.assign(this, { stage, canvas, thumbs, scale, pager, number });
    this.image = null;
    this.tiles = new Tiles();
    this.pointers = new Map();
    this.view = { x: 0, y: 0, s: 1 };
    this.fitted = true;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel"]) {
      stage.addEventListener(type, (event) => this.up(event));
    }
    stage.addEventListener("dblclick", (event) => {
      if (!event.target.closest(CONTROLS)) this.zoom(2, event.clientX, event.clientY);
    });
    number.addEventListener("change", () => this.choose(number.selectedIndex));
    new ResizeObserver(() => (this.fitted ? this.fit() : this.draw())).observe(stage);
  }

  /** Shows the first of an item's images, or the facts where there is none. */
  show(item) {
    const { images, facts } = item;
    Object.assign(this, { images, names: namesOf(item) });
    this.thumbs.hidden = this.pager.hidden = images.length < 2;
    this.stage.classList.toggle("facts", !images.length);
    this.number.replaceChildren(...this.names.map((name) => h("option", {}, name)));
    this.thumbs.replaceChildren(...images.map((_, place) => h(
      "button",
      { type: "button", "aria-label": this.names[place], on: { click: () => this.choose(place) } },
      h("img", { alt: "", loading: "lazy" }),
      h("span", { class: "page" }, String(item.pages[place]?.page ?? place + 1)),
    )));
    if (images.length) this.choose(0);
    else {
      this.image = null;
      this.size = null;
      this.tiles.clear();
      this.scale.value = "";
      const list = h("ol", {}, ...facts.map((fact) => h("li", {}, fact)));
      this.canvas.replaceChildren(h("div", { class: "facts-list" }, h("h2", {}, t("work.facts")), list));
    }
  }

  choose(place) {
    this.place = place;
    this.number.selectedIndex = place;
    this.load(this.images[place]);
    if (place && this.images[place + 1]) new Image().src = `/images/${this.images[place + 1]}?width=${SCALED}`;
    [...this.thumbs.children].forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === place));
    });
    this.thumbs.children[place].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Shows the next or the previous image. */
  step(by) {
    if (this.images[this.place + by]) this.choose(this.place + by);
  }

  load(sha256) {
    const alt = this.images.length > 1 ? this.names[this.place] : t("work.image_alt");
    const image = h("img", { alt, draggable: "false" });
    this.sha256 = sha256;
    this.stage.classList.add("loading");
    this.image = image;
    this.tiles.clear();
    image.addEventListener("load", () => {
      if (this.image !== image) return;
      this.loaded();
      this.size = { width: image.naturalWidth, height: image.naturalHeight };
      this.fit();
      if (image.naturalWidth >= SCALED) this.enlarge(image);
    }, { once: true });
    image.addEventListener("error", () => this.fail(sha256), { once: true });
    this.size = null;
    image.src = `/images/${sha256}?width=${SCALED}`;
    this.canvas.replaceChildren(image, this.tiles.layer);
  }

  /** What is small is fetched after what is large. */
  loaded() {
    this.stage.classList.remove("loading");
    if (this.thumbs.hidden) return;
    [...this.thumbs.querySelectorAll("img:not([src])")].forEach((small, place) => {
      small.src = `/images/${this.images[place]}?width=480`;
    });
  }

  /** Counts in pixels of the image itself, of which this is a smaller copy. */
  async enlarge(image) {
    const size = await this.tiles.open(this.sha256).catch(() => null); // then the copy is all there is
    if (!size || this.image !== image) return;
    this.view.s *= this.size.width / size.width;
    this.size = size;
    this.draw();
  }

  async fail(sha256) {
    const response = await fetch(`/images/${sha256}?width=${SCALED}`).catch(() => null);
    const trouble = response ? await response.json().catch(() => ({})) : {};
    if (this.sha256 !== sha256) return;
    this.loaded();
    const what = trouble.what ?? t("work.broken");
    this.canvas.replaceChildren(h("p", { class: "broken", role: "alert" }, `${what} ${t("work.can_skip")}`));
  }

  fit() {
    if (!this.size) return;
    const left = this.thumbs.offsetWidth; // 0 while hidden
    const width = this.stage.clientWidth - left;
    const height = this.stage.clientHeight - (this.pager.hidden ? 0 : this.pager.offsetHeight + 12);
    const s = Math.min((width - 24) / this.size.width, (height - 24) / this.size.height, 4);
    this.view = { s, x: left + (width - this.size.width * s) / 2, y: (height - this.size.height * s) / 2 };
    this.fitted = true;
    this.draw();
  }

  /** Zooms about a point of the window, or about the middle. */
  zoom(factor, clientX, clientY) {
    if (!this.size) return;
    const box = this.stage.getBoundingClientRect();
    const x = (clientX ?? box.left + box.width / 2) - box.left;
    const y = (clientY ?? box.top + box.height / 2) - box.top;
    const s = Math.min(LARGEST, Math.max(0.02, this.view.s * factor));
    const ratio = s / this.view.s;
    this.view = { s, x: x - (x - this.view.x) * ratio, y: y - (y - this.view.y) * ratio };
    this.fitted = false;
    this.draw();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.fitted = false;
    this.draw();
  }

  draw() {
    if (!this.size || !this.image) return;
    const { x, y, s } = this.view;
    const { image } = this;
    image.style.width = `${this.size.width}px`;
    image.style.height = `${this.size.height}px`;
    image.style.transform = `translate(${x}px, ${y}px) scale(${s})`;
    this.scale.value = `${Math.round(s * 100)}%`;
    this.tiles.draw(this.view, { width: this.stage.clientWidth, height: this.stage.clientHeight }, image.naturalWidth);
  }

  wheel(event) {
    if (!this.size) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
  }

  down(event) {
    if (event.target.closest(CONTROLS) || !this.size) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("panning");
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      this.zoom(distance(now) / distance(before), middle.x, middle.y);
      this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    } else this.pan(now.x - before.x, now.y - before.y);
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.stage.classList.remove("panning");
  }
}
