"""What the world is made of fits together."""

from importlib import resources

from PIL import Image

from groundtune.world.catalogue import BACKGROUNDS, CATEGORIES, CELLS, COLOURS, CONTEXTS, NUMBERS
from groundtune.world.grammar import plural_of
from groundtune.world.read import read

GLYPHS = resources.files("groundtune.world").joinpath("glyphs")


def test_there_are_67_categories_and_16_contexts() -> None:
    assert len(CATEGORIES) == 67
    assert len(CONTEXTS) == 16
    assert (len(COLOURS), len(BACKGROUNDS), len(CELLS), len(NUMBERS)) == (6, 6, 9, 10)


def test_every_category_has_a_glyph_that_is_not_blank_and_no_glyph_is_spare() -> None:
    files = {entry.name for entry in GLYPHS.iterdir() if entry.name.endswith(".png")}
    assert files == {f"{name.replace(' ', '_')}.png" for name in CATEGORIES}
    for name in sorted(files):
        with GLYPHS.joinpath(name).open("rb") as stream:
            glyph = Image.open(stream).convert("RGBA")
        assert glyph.size == (64, 64), name
        opaque = sum(glyph.getchannel("A").histogram()[200:])
        assert opaque > 300, name


def test_the_glyphs_licence_is_next_to_them() -> None:
    text = GLYPHS.joinpath("LICENSE").read_text()
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert "Copyright 2022 Google Inc." in text


def test_every_prior_is_a_chance_of_a_known_category_and_orders_its_context() -> None:
    for context in CONTEXTS.values():
        chances = list(context.prior.values())
        assert len(chances) >= 7, context.name
        assert set(context.prior) <= set(CATEGORIES), context.name
        assert all(0 < chance < 1 for chance in chances), context.name
        assert chances == sorted(chances, reverse=True), context.name
        assert chances[0] > chances[1], f"{context.name} has no one most usual object"


def test_a_contexts_phrase_is_its_name_with_the_right_article() -> None:
    for context in CONTEXTS.values():
        article = "an" if context.name[0] in "aeiou" else "a"
        assert context.phrase == f"{article} {context.name}"
        assert context.surface in ("wall", "sky")


def test_most_categories_belong_somewhere() -> None:
    placed = {name for context in CONTEXTS.values() for name in context.prior}
    assert len(placed) >= 55


def test_names_plurals_and_synonyms_are_the_categorys_alone() -> None:
    owner: dict[str, str] = {}
    for category in CATEGORIES.values():
        synonyms = [*category.synonyms, *map(plural_of, category.synonyms)]
        for name in {category.name, category.plural, *synonyms}:
            assert owner.setdefault(name, category.name) == category.name, name


def test_the_reader_knows_every_name_plural_and_synonym() -> None:
    for category in CATEGORIES.values():
        for name in (category.name, category.plural, *category.synonyms):
            text = f"There is a {name} on the left."
            found = [mention.category for mention in read(text).mentions]
            assert found == [category.name], text
