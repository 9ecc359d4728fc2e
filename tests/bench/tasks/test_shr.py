"""SHR: the official labels sentence by sentence, and the mended reading."""

# pyright: reportOptionalCall=false
# Reason: a benchmark may lack a hook; those of these tests have them.

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from official_figures import OfficialFigures
from PIL import Image

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Mode
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.results import results_of
from groundtune.bench.tasks.shr import shr
from groundtune.bench.tasks.shr.shr import SHR
from groundtune.errors import UserError
from groundtune.store.images import ImageStore

GOLDEN = json.loads((Path(__file__).parent / "golden" / "shr.json").read_text())


def data_folder(folder: Path, names: list[str], *, genome: bool = False) -> Path:
    folder.mkdir()
    (folder / "val_images_final.json").write_text(json.dumps([{"image_id": int(n)} for n in names]))
    for part in (1, 2):
        rows = [json.dumps({n: [f"Fact of {n}.", "Another."]}) for n in names[part - 1 :: 2]]
        (folder / f"shr_factual_part{part}.jsonl").write_text("\n".join(rows))
    if genome:
        sizes = [{"image_id": int(n), "width": 300, "height": 200, "url": "x"} for n in names]
        (folder / "image_data.json").write_text(json.dumps(sizes))
        box = {"x": 10, "y": 20, "width": 33, "height": 47}
        regions = [
            {
                "id": int(n),
                "regions": [{"image_id": int(n), "phrase": p, **box} for p in (f"thing {n}", "")],
            }
            for n in names
        ]
        (folder / "region_descriptions.json").write_text(json.dumps(regions))
    return folder


def scored(folder: Path, told: dict[str, str], judge: Any, mode: Mode = "official"):
    data = SHR.read_data([folder])
    file = folder.parent / "mine.json"
    file.write_text(json.dumps(told))
    return SHR.score(data, SHR.read_answers(file, data), Scoring(mode=mode, judge=judge))


def recorded(path: Path, replies: dict[str, str]) -> RecordedJudge:
    rows = [json.dumps({"id": name, "reply": reply}) for name, reply in replies.items()]
    path.write_text("\n".join(rows))
    return RecordedJudge(path)


@pytest.mark.official
def test_official_labels_and_figures_are_those_of_the_official_code(
    tmp_path: Path, official: OfficialFigures
):
    answers = GOLDEN["answers"]
    folder = data_folder(tmp_path / "data", list(answers))
    judge = recorded(tmp_path / "replies.jsonl", GOLDEN["replies"])
    scores = scored(folder, answers, judge)
    for score in scores:
        golden = GOLDEN["labels"][score.item]
        told = [label if label in shr.LABELS else "unread" for _, label in golden]
        official.answers("shr", [list(score.extracted)], [told])
        assert [s.text + "." for s in shr.sentences(answers[score.item])] == [t for t, _ in golden]
    results = results_of(SHR, scored(folder, answers, judge))
    run = GOLDEN["metrics"]["run1"]
    names = {
        "shr": run["hal_sents_ratio"],
        "shr_words": run["hal_words_ratio"],
        "hallucinated_sentences": run["hal_sents_per_image"],
        "hallucinated_words": run["hal_words_per_image"],
        "sentences": run["sents_per_image"],
        "words": run["words_per_image"],
        **{f"distinct_{n}": GOLDEN["metrics"][f"gram-{n}-repetition"] for n in (1, 2, 3, 4)},
    }
    own = [round(float(results.metrics[name] or 0), 3) for name in names]
    official.figures("shr", own, names.values())


def test_repeated_and_contained_sentences_are_dropped_and_places_are_kept():
    text = " A cat sits. a cat. cat sits. A cat sits. The  sofa is red"
    found = shr.sentences(text)
    assert [each.text for each in found] == ["A cat sits", "a cat", "The  sofa is red"]
    assert [text[each.start : each.end] for each in found] == [each.text for each in found]


@given(st.text(alphabet="ab. \n", max_size=40))
def test_a_sentence_is_where_it_says_and_in_no_earlier_one(text: str):
    found = shr.sentences(text)
    for i, each in enumerate(found):
        assert text[each.start : each.end] == each.text != ""
        assert not any(each.text in earlier.text for earlier in found[:i])


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("Judgement:\n1. correct: a\n2. hallucination: b", ["correct", "hallucination"], 2),
        ("Judgement:\n1. Correct: a\n2. **Hallucination**: b", ["correct", None], 2),
        ("Judgement:\n**1.** correct: a\n2) hallucination - b", ["correct", None], 2),
        ("Judgement:\n1. correct: a", [None, None], 1),
        ("Judgement:\n1. correct: a\n2. hallucination: b\nAll in all good", [None, None], 2),
        ("1. correct: a\n2. hallucination: b", None, 2),
        ("Judgement:\nnothing", [None, None], 0),
        ("", None, 0),
    ],
)
def test_labels_are_read_officially_and_strictly(reply: str, official: Any, strict: int):
    assert shr.official_labels(reply, 2) == official
    wanted = ["correct", "hallucination"][:strict] + [None] * (2 - strict)
    assert shr.strict_labels(reply, 2) == (wanted if strict else None)


def test_distinct_n_counts_different_n_grams():
    assert shr.distinct("a b a b", 1) == 0.5
    assert shr.distinct("a b a b", 2) == 2 / 3
    assert shr.distinct("A cat. A cat!", 1) == 3 / 4  # "cat" and "cat!"
    assert shr.distinct("one two", 3) is None


def test_a_missing_reply_leaves_the_description_out_of_all_but_its_words(tmp_path: Path):
    told = {"1": "A cat sits here now. It is red.", "2": "A dog sleeps there too."}
    folder = data_folder(tmp_path / "data", list(told))
    judge = recorded(tmp_path / "r.jsonl", {"1": "Judgement:\n1. hallucination: x\n2. correct: y"})
    for mode in ("official", "strict"):
        scores = scored(folder, told, judge, mode)
        results = results_of(SHR, scores)
        assert (results.metrics["shr"], results.unparsed) == (0.5, 1)
        assert results.metrics["sentences"] == 2
        assert results.metrics["distinct_1"] == pytest.approx((8 / 8 + 5 / 5) / 2)
        (span,) = scores[0].spans
        assert told["1"][span.start : span.end] == "A cat sits here now"


def test_an_endpoint_needs_the_regions_and_sees_them_with_facts_and_sentences(tmp_path: Path):
    class Grades:
        def grade(self, request: str) -> str:
            return "Judgement:\n1. correct: " + str(
                all(
                    part in request
                    for part in ("[0.03, 0.1, 0.14, 0.34]: thing 7\n", "Fact of 7.", "1. A cat\n")
                )
            )

    told = {"7": "A cat."}
    with pytest.raises(UserError, match="Visual Genome"):
        scored(data_folder(tmp_path / "bare", ["7"]), told, Grades())
    (score,) = scored(data_folder(tmp_path / "whole", ["7"], genome=True), told, Grades())
    assert score.why.endswith("True")
    data = SHR.read_data([tmp_path / "whole"])
    asked = shr.requests(
        data, SHR.read_answers(tmp_path / "mine.json", data), Judging(source=RecordedJudge())
    )
    assert ": \n" not in asked[0].text.partition("Facts:")[0].partition("Regions:")[2]


def test_data_and_answers_that_do_not_fit_are_refused(tmp_path: Path):
    folder = data_folder(tmp_path / "data", ["1", "2"], genome=True)
    data = SHR.read_data([folder])
    path = tmp_path / "a.jsonl"
    path.write_text('{"image_id": 2, "text": "b"}\n{"image_id": 1, "text": "a"}')
    assert [a.text for a in SHR.read_answers(path, data)] == ["a", "b"]
    path.write_text('{"1": "a"}')
    with pytest.raises(UserError, match="1 of 2 items have no answer"):
        SHR.read_answers(path, data)
    (folder / "region_descriptions.json").write_text("[]")
    with pytest.raises(UserError, match="2 images have no regions"):
        SHR.read_data([folder])
    (folder / "shr_factual_part2.jsonl").unlink()
    with pytest.raises(UserError, match="shr_factual_part2"):
        SHR.read_data([folder])


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("image_data.json", {"image_id": 2, "width": 0, "height": 200}),
        ("image_data.json", {"image_id": 2, "height": 200}),
        ("region_descriptions.json", {"regions": [{"image_id": 2, "phrase": "a cat"}]}),
        ("region_descriptions.json", {"regions": 5}),
        *(
            ("region_descriptions.json", {"regions": [{"image_id": 2, **region}]})
            for region in (
                {"x": "left", "y": 0, "width": 5, "height": 5, "phrase": "a cat"},
                {"x": 10**400, "y": 0, "width": 5, "height": 5, "phrase": "a cat"},
                {"x": 0, "y": 0, "width": 5, "height": 5},
            )
        ),
    ],
)
def test_regions_that_can_not_be_used_are_named(
    file: str, row: dict[str, Any], tmp_path: Path
) -> None:
    folder = data_folder(tmp_path / "data", ["1", "2"], genome=True)
    rows = json.loads((folder / file).read_text())
    rows[1] = row
    (folder / file).write_text(json.dumps(rows))
    with pytest.raises(UserError, match="can't be used") as caught:
        SHR.read_data([folder])
    assert "region_descriptions.json" in caught.value.where
    assert caught.value.where.endswith("row 2")


def test_its_images_are_named_by_number(tmp_path: Path):
    data = SHR.read_data([data_folder(tmp_path / "data", ["5", "6"])])
    for name in ("5", "6"):
        Image.new("RGB", (8, 8), (int(name), 0, 0)).save(tmp_path / f"{name}.jpg")
    assert SHR.items is not None
    made = SHR.items(data, tmp_path, ImageStore(tmp_path / "store"))
    assert [(i.image, i.prompt.question) for i in made] == [
        ("5.jpg", shr.QUESTION),
        ("6.jpg", shr.QUESTION),
    ]
