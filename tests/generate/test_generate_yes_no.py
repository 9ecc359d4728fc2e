from pathlib import Path

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.generate.hf import HfGenerator
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.generate.yes_no import check_labeler, mass_of, yes_no_ids
from groundtune.pipeline.models.names import resolve
from groundtune.protocols import YesNoReply
from groundtune.records import Prompt
from groundtune.vlm.load import Vlm, load
from groundtune.vlm.template import AnswerForm


class Red:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (20, 16), "red")


@pytest.fixture(scope="module")
def world() -> Vlm:
    return load(resolve("world:labeler"))


def spelt(vlm: Vlm, ids: frozenset[int]) -> set[str]:
    return {vlm.processor.tokenizer.decode([i]) for i in ids}


def test_whole_words_count_and_their_first_letters_do_not(world: Vlm):
    found = yes_no_ids(world)
    assert spelt(world, found.yes) == {"Yes", " yes"}
    assert spelt(world, found.no) == {"No", " no"}
    assert found.lead == ()


def test_where_no_spelling_is_a_token_the_first_pieces_count(
    world: Vlm, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("groundtune.generate.yes_no.YES", ("certainly",))
    monkeypatch.setattr("groundtune.generate.yes_no.NO", ("impossible",))
    found = yes_no_ids(world)
    assert all("certainly".startswith(piece.strip()) for piece in spelt(world, found.yes))
    assert all("impossible".startswith(piece.strip()) for piece in spelt(world, found.no))


def test_what_the_template_puts_before_an_answer_is_read_before_yes_and_no(world: Vlm):
    form = world.form
    world.form = AnswerForm(context=form.context, lead=": ", eos=form.eos)
    try:
        found = yes_no_ids(world)
        assert world.processor.tokenizer.decode(list(found.lead)).strip() == ":"
        assert " yes" in spelt(world, found.yes)
    finally:
        world.form = form


def test_masses_are_summed_over_spellings_and_words_that_only_begin_so_are_left_out():
    likely = [("Yes", 0.3), ("\u0120yes", 0.2), ("yes\n", 0.1), ("no", 0.05), ("None", 0.3)]
    assert mass_of(likely) == pytest.approx((0.6, 0.05))


@pytest.mark.parametrize(
    "text",
    [
        "YES",
        "yes.",
        "Yes,",
        " YES!",
        '"Yes',
        "**Yes**",
        "\u0120YES",
        "\u2581yes.",
        "yEs",
        "Yes\u3002",
    ],
)
def test_letter_case_and_punctuation_around_yes_do_not_count(text: str):
    assert mass_of([(text, 0.9), ("No.", 0.05)]) == pytest.approx((0.9, 0.05))


@pytest.mark.parametrize(
    "text", ["Oui", "Ja", "\u662f", "Si", "Yesterday", "yes yes", "Yes/No", "y", "yep", "1", ""]
)
def test_what_is_another_word_than_yes_or_no_says_neither(text: str):
    assert mass_of([(text, 0.9)]) == (0.0, 0.0)


def test_no_likely_token_says_neither():
    assert mass_of([]) == (0.0, 0.0)


def test_a_labeler_that_answers_yes_and_no_passes_the_check(world: Vlm):
    reply = check_labeler(HfGenerator(world, Red()), "red", "world:labeler")
    assert reply.p_yes + reply.p_no > 0.9


def test_a_model_that_begins_with_other_words_fails_the_check_loudly(tiny_llava: Path):
    random = HfGenerator(load(str(tiny_llava)), Red())
    with pytest.raises(UserError, match="can't answer yes and no") as caught:
        check_labeler(random, "red", "tiny")
    assert caught.value.where == "tiny"


def test_the_check_looks_at_both_together_and_not_at_the_answer():
    asked: list[Prompt] = []

    class Half(ScriptedGenerator):
        def yes_no(self, prompts):
            asked.extend(prompts)
            return [YesNoReply(0.1, 0.3)]

    scripted = Half(lambda prompt, seed: "Oui, il y en a.")
    with pytest.raises(UserError, match=r"0\.400, not 0\.5 to 1\. It says 'Oui, il y en a\.'"):
        check_labeler(scripted, "red", "x")
    assert asked[0].images == ("red",)
