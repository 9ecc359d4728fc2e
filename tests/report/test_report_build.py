from pathlib import Path

import pytest
from report_sample import photograph

from groundtune.records import (
    Answer,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Score,
    Source,
    Span,
    TextPart,
)
from groundtune.report import render
from groundtune.report.examples import GROUPS, ItemView, choose_examples
from groundtune.report.sampling import count_answers, sampling_report


def score(model: str, item: int, wrong: int, status: str = "scored") -> Score:
    spans = tuple(Span(start=i, end=i + 1, kind="object") for i in range(wrong))
    return Score(
        key=f"{model}/{item}", benchmark="captions", item=f"item {item}", image=f"image {item}",
        model=model, answer="a b c d e f g h", spans=spans, status=status,  # type: ignore[arg-type]
    )  # fmt: skip


def shown(of: Score) -> ItemView:
    return ItemView(images=(), prompt="Describe the image.", truth=of.item, name=of.item)


def both(pairs: list[tuple[int, int]]) -> list[Score]:
    before = [score("base", i, wrong) for i, (wrong, _) in enumerate(pairs)]
    return before + [score("ddpo", i, wrong) for i, (_, wrong) in enumerate(pairs)]


MIXED = [(3, 0)] * 20 + [(4, 0)] + [(0, 1)] * 5 + [(0, 4)] + [(1, 1)] * 30 + [(0, 0)] * 43


def test_examples_never_show_only_what_flatters() -> None:
    examples = choose_examples(both(MIXED), "base", "ddpo", shown).shown
    groups = [example.group for example in examples]
    assert len(examples) == 12
    assert all(groups.count(group) == 3 for group in GROUPS)


def test_the_largest_changes_come_first_in_both_directions() -> None:
    examples = choose_examples(both(MIXED), "base", "ddpo", shown).shown
    assert examples[0].item == "item 20"
    assert examples[1].item == "item 26"


def test_the_choice_does_not_depend_on_the_order_of_the_scores() -> None:
    scores = both(MIXED)
    assert choose_examples(scores, "base", "ddpo", shown) == choose_examples(
        scores[::-1], "base", "ddpo", shown
    )


def test_the_paragraph_says_how_often_each_group_happens() -> None:
    how = choose_examples(both(MIXED), "base", "ddpo", shown).how
    assert how == (
        "Chosen by rule, not by hand: the groups take turns, the largest changes first. So they "
        "show the range, not how often each happens: of 100 items 21 have fewer mistakes than "
        "before, 6 have more, 30 have as many, and 43 were right before and after."
    )


def test_a_group_that_runs_out_leaves_its_places_to_the_others() -> None:
    examples = choose_examples(both([(1, 0)] * 3 + [(0, 0)] * 20), "base", "ddpo", shown).shown
    assert [example.group for example in examples].count(GROUPS[3]) == 9


def test_unparsed_scores_are_no_examples() -> None:
    scores = [*both([(1, 0)]), score("base", 9, 0), score("ddpo", 9, 0, "unparsed")]
    assert len(choose_examples(scores, "base", "ddpo", shown).shown) == 1


def test_a_third_model_is_between_the_two() -> None:
    scores = [*both([(1, 0)]), score("dpo", 0, 1)]
    (example,) = choose_examples(scores, "base", "ddpo", shown, others=["dpo"]).shown
    assert [answer.model for answer in example.answers] == ["base", "dpo", "ddpo"]


def test_one_model_alone_shows_mistakes_and_none_in_turn() -> None:
    scores = [score("base", i, i % 2) for i in range(40)]
    chosen = choose_examples(scores, "base", "base", shown)
    examples, how = chosen.shown, chosen.how
    assert [len(example.answers[0].spans) for example in examples] == [1, 0] * 6
    assert {example.group for example in examples} == {""}
    assert "20 answers with something wrong" in how


def asked(row: int) -> Prompt:
    parts = (ImagePart(image="abc"), TextPart(text="What is this?"))
    source = Source(dataset="photographs", row=str(row), licence="CC-BY-NC-4.0")
    return Prompt(key=f"p{row}", messages=(Message(role="user", content=parts),), source=source)


def given(row: int, text: str, index: int = 0, finish: str = "stop") -> Answer:
    producer = Producer(kind="model", name="small")
    return Answer(
        key=f"a{row}/{index}", prompt=f"p{row}", text=text, producer=producer, index=index,
        finish=finish,  # type: ignore[arg-type]
    )  # fmt: skip


def test_answers_are_counted_with_words_refusals_and_cuts() -> None:
    answers = [given(0, "one two three"), given(1, ""), given(2, "I cannot", finish="length")]
    (count,) = count_answers(answers, lambda text: "cannot" in text)
    assert (count.answers, count.words_low, count.words_high) == (3, 0, 3)
    assert count.words == pytest.approx(5 / 3)
    assert (count.refusals, count.empty, count.cut, count.unparsed) == (1, 1, 1, None)


def test_a_run_that_only_sampled_is_shown_and_says_that_nothing_was_checked() -> None:
    answers = [given(row, "a man on a bench", index) for row in range(3) for index in (0, 1)]
    report = sampling_report(
        "Photographs",
        [asked(row) for row in range(4)],
        answers,
        lambda sha256: photograph((640, 480)),
        labels={"small": "Small model"},
        number=2,
    )
    html = render(report)
    assert "6 answers by Small model; nothing was checked" in html
    assert "The first 2 of 3 prompts" in html
    assert html.count("<article") == 2
    assert "answer 2" in html
    assert "CC-BY-NC-4.0" in html
    assert "Nothing wrong found" not in html


def test_sixty_real_photographs_make_a_page_that_can_be_mailed(test_data: Path) -> None:
    photographs = sorted((test_data / "rlaif_v_examples").rglob("*.jpg"))
    assert len(photographs) >= 30
    files = {f"p{i}": path.read_bytes() for i, path in enumerate(photographs)}
    prompts = [
        asked(i).model_copy(
            update={
                "key": key,
                "messages": (
                    Message(
                        role="user", content=(ImagePart(image=key), TextPart(text="What is this?"))
                    ),
                ),
            }
        )
        for i, key in enumerate(files)
    ]
    answers = [given(i, "an image of something") for i in range(len(files))]
    html = render(sampling_report("Photographs", prompts, answers, files.__getitem__))
    assert html.count("<img ") == min(60, len(files))
    assert len(html.encode()) < 3_000_000
