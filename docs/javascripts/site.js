// What the theme leaves out for keyboards and screen readers.
function complete() {
  // code and tables that are wider than the page can be scrolled by keys
  const boxes = document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap");
  const wide = [...boxes].filter((each) => each.scrollWidth > each.clientWidth);
  wide.forEach((each) => {
    each.tabIndex = 0;
  });
  // the empty corner of a table is no heading
  document.querySelectorAll(".md-typeset th:empty").forEach((each) => {
    each.replaceWith(document.createElement("td"));
  });
  // landmarks have names of their own
  document.querySelectorAll("nav.md-code__nav").forEach((each, at) => {
    each.setAttribute("aria-label", `Code ${at + 1}`);
  });
  document.querySelectorAll(".md-nav--secondary .md-nav[aria-label]").forEach((each) => {
    const label = each.getAttribute("aria-label");
    if (!label.startsWith("On this page: ")) each.setAttribute("aria-label", `On this page: ${label}`);
  });
  // the colours follow the system: the theme's hidden switches take no focus
  document.querySelectorAll("form[data-md-component=palette] input").forEach((each) => {
    each.disabled = true;
  });
}

let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  window.setTimeout(() => {
    waiting = false;
    complete();
  }, 100);
}

new MutationObserver(soon).observe(document.documentElement, { childList: true, subtree: true });
window.addEventListener("resize", soon);
window.addEventListener("load", soon);
