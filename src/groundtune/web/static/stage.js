// The image: fits at first; wheel, pinch, buttons and keys zoom, dragging pans.

import { h } from "./dom.js";
import { Tiles } from "./tiles.js";
import { t } from "./words.js";

const SCALED = 1600;
const LARGEST = 16;

export class Stage {
  constructor(stage, canvas, thumbs, scale) {
    Object.assign(this, { stage, canvas, thumbs, scale });
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
    stage.addEventListener("dblclick", (event) => this.zoom(2, event.clientX, event.clientY));
    new ResizeObserver(() => (this.fitted ? this.fit() : this.draw())).observe(stage);
  }

  /** Shows the first of the images, or the facts where there is none. */
  show(images, facts) {
    this.images = images;
    this.thumbs.hidden = images.length < 2;
    this.thumbs.replaceChildren(...images.map((sha256, place) => h(
      "button",
      { type: "button", "aria-label": t("work.image_number", { n: place + 1 }), on: { click: () => this.choose(place) } },
      h("img", { src: `/images/${sha256}?width=480`, alt: "", loading: "lazy" }),
      h("span", { class: "page" }, String(place + 1)),
    )));
    this.stage.classList.toggle("facts", !images.length);
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
    const image = h("img", { alt: t("work.image_alt"), draggable: "false" });
    this.sha256 = sha256;
    this.image = image;
    this.tiles.clear();
    image.addEventListener("load", () => {
      if (this.image !== image) return;
      this.size = { width: image.naturalWidth, height: image.naturalHeight };
      this.fit();
      if (image.naturalWidth >= SCALED) this.enlarge(image);
    }, { once: true });
    image.addEventListener("error", () => this.fail(sha256), { once: true });
    this.size = null;
    image.src = `/images/${sha256}?width=${SCALED}`;
    this.canvas.replaceChildren(image, this.tiles.layer);
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
    const what = trouble.what ?? t("work.broken");
    this.canvas.replaceChildren(h("p", { class: "broken", role: "alert" }, `${what} ${t("work.can_skip")}`));
  }

  fit() {
    if (!this.size) return;
    const { clientWidth: width, clientHeight: height } = this.stage;
    const s = Math.min((width - 24) / this.size.width, (height - 24) / this.size.height, 4);
    this.view = { s, x: (width - this.size.width * s) / 2, y: (height - this.size.height * s) / 2 };
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
    if (event.target.closest("button") || !this.size) return;
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
