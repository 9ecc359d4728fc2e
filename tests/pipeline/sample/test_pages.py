"""Which images of a prompt are pages of a document."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.pipeline.sample.pages import Page, named_images, pages_of
from groundtune.records import ImagePart, Message, Prompt, Source


def prompt(row: str, images: int) -> Prompt:
    parts = tuple(ImagePart(image=f"{number}") for number in range(images))
    message = Message(role="user", content=parts)
    return Prompt(key="p", messages=(message,), source=Source(dataset="rows.csv", row=row))


@pytest.mark.parametrize(
    ("row", "images", "pages"),
    [
        ("scan.pdf", 3, [Page(1, 1), Page(1, 2), Page(1, 3)]),
        ("scan.PDF", 1, [None]),
        ("fax.tiff", 2, [Page(1, 1), Page(1, 2)]),
        ("scan.pdf#page=7", 1, [Page(1, 7)]),
        ("scan.pdf#page=3-4", 2, [Page(1, 3), Page(1, 4)]),
        ("a.png | b.pdf#page=2-3 | c.pdf#page=1", 4, [None, Page(1, 2), Page(1, 3), Page(2, 1)]),
        ("17", 2, [None, None]),  # a row's number in another data set
        ("a.png | b.png", 2, [None, None]),
        ("scan.pdf#page=3-4", 3, [None, None, None]),
        ("scan.pdf | b.png", 5, [None] * 5),
        ("", 0, []),
    ],
)
def test_pages_follow_from_what_the_row_names(row: str, images: int, pages: Sequence[Page | None]):
    assert pages_of(prompt(row, images)) == pages


@given(st.lists(st.sampled_from([("a.png", 1), ("b.pdf", 4), ("c.tif", 2)]), min_size=2))
def test_every_page_of_several_documents_is_known(parts: list[tuple[str, int]]):
    stored = {name: [""] * number for name, number in parts}
    row = named_images([name for name, _ in parts], stored)
    found = pages_of(prompt(row, sum(number for _, number in parts)))
    expected: list[int | None] = []
    for _, number in parts:
        expected += [None] if number == 1 else list(range(1, number + 1))
    assert [page and page.page for page in found] == expected
