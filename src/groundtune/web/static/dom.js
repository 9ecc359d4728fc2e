// Elements without innerHTML: text is always text.

export const byId = (id) => document.getElementById(id);

/** An element; `attributes.on` are listeners, `class` and `data-*` as in HTML. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Whether keys go to a field that takes text. */
export function isTyping(target) {
  return target instanceof HTMLElement && Boolean(target.closest("input, textarea, select"));
}

/** A new id for an event or a span. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
