// The conversation before the answer, and what its images are called.

import { h } from "./dom.js";
import { t } from "./words.js";

/** What each image of an item is called: pages by their number in the document, others by their place. */
export function namesOf({ images, pages }) {
  const several = documents(pages) > 1;
  return images.map((_, place) => {
    const page = pages[place];
    if (!page) return t("work.image_number", { n: place + 1 });
    return several ? t("work.page_of_document", { n: page.page, document: page.document }) : t("work.page_number", { n: page.page });
  });
}

/** The turns; `choose(place)` shows an image. Images have a button where there are several. */
export function turnsOf({ turns, images, pages }, choose) {
  let place = 0;
  return turns.map(({ role, pieces }) => {
    const inside = [];
    for (let index = 0; index < pieces.length; index += 1) {
      if ("text" in pieces[index]) {
        inside.push(pieces[index].text);
        continue;
      }
      const first = place;
      while (pieces[index + 1] && !("text" in pieces[index + 1]) && follows(pages, place)) {
        index += 1;
        place += 1;
      }
      if (images.length > 1) inside.push(reference(pages, first, place, choose));
      place += 1;
    }
    return h("div", { class: `turn ${role}`, dir: "auto" }, ...inside);
  });
}

const documents = (pages) => Math.max(0, ...pages.map((page) => page?.document ?? 0));

/** Whether the image after this place is the next page of the same document. */
function follows(pages, place) {
  const [page, next] = [pages[place], pages[place + 1]];
  return Boolean(page && next) && page.document === next.document && page.page + 1 === next.page;
}

function reference(pages, first, last, choose) {
  const page = pages[first];
  const values = { first: page?.page, last: pages[last]?.page, document: page?.document, n: first + 1 };
  let name = "image_number";
  if (page) name = `${first === last ? "page" : "pages"}_${documents(pages) > 1 ? "of_document" : "number"}`;
  if (page && first === last) values.n = page.page;
  return h("button", { type: "button", class: "ref", on: { click: () => choose(first) } }, t(`work.${name}`, values));
}
