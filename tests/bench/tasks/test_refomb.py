"""RefoMB: the official verdicts item by item, both orders, and the second judge."""

# pyright: reportOptionalCall=false
# Reason: a benchmark may lack a hook; those of these tests have them.

import json
from pathlib import Path
from typing import Any

import pytest
from official_figures import OfficialFigures
from PIL import Image

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Mode
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.results import results_of
from groundtune.bench.tasks import refomb
from groundtune.bench.tasks.refomb import REFOMB
from groundtune.errors import UserError
from groundtune.store.images import ImageStore

GOLDEN = json.loads((Path(__file__).parent / "golden" / "refomb.json").read_text())


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [
        {
            "image_url": f"https://example.org/{i // 2}.jpg",
            "question": f"What is {i}?",
            "description": f"It is {i}.",
            "type": ("OCR", "Creative generation")[i % 2],
            "split": "dev",
            "id": i,
            "answer": f"GPT-4V says {i}.",
        }
        for i in range(99)
    ]
    return lines(tmp_path / "gpt4v_RefoMB_dev.jsonl", rows)


def answered(path: Path, rows: list[dict[str, Any]], said: str = "I say {}.") -> Path:
    told = [
        {"image_url": r["image_url"], "prompt": r["question"], "text": said.format(i)}
        for i, r in enumerate(rows)
    ]
    return lines(path, told[::-1])


def scored(questions: Path, judge: Any, mode: Mode = "official"):
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    data = REFOMB.read_data([questions])
    answers = REFOMB.read_answers(answered(questions.parent / "mine.jsonl", rows), data)
    return REFOMB.score(data, answers, Scoring(mode=mode, judge=judge))


def recorded(path: Path, *rows: tuple[str, str, str]) -> RecordedJudge:
    return RecordedJudge(lines(path, [{"id": i, "part": p, "reply": r} for i, p, r in rows]))


def golden_judge(path: Path) -> RecordedJudge:
    first = [(str(i), "", reply) for i, reply in enumerate(GOLDEN["replies"])]
    second = [(str(i), "hallucination", reply) for i, reply in enumerate(GOLDEN["second_replies"])]
    return recorded(path, *first, *second)


@pytest.mark.official
def test_official_verdicts_are_those_of_the_official_code(
    questions: Path, tmp_path: Path, official: OfficialFigures
):
    scores = scored(questions, golden_judge(tmp_path / "replies.jsonl"))

    def worth(score: int | None) -> float | None:
        return None if score is None else (score + 1) / 2

    for name, golden in (("win", "scores"), ("fewer", "second_scores")):
        verdicts = [score.values.get(name) for score in scores]
        official.answers("refomb", verdicts, map(worth, GOLDEN[golden]))
    results = results_of(REFOMB, scores)
    for name in ("win_score", "hallucination_score"):
        official.figures("refomb", [results.metrics[name]], [GOLDEN[name]])
    assert results.unparsed == GOLDEN["scores"].count(None) > 0
    assert set(results.strata) == {"type/OCR", "type/Creative generation"}


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("So: [[A]]", "A", "A"),
        ("I say [[A]], no: [[B]]", "A", None),
        ("[[B]] and again [[B]]", "B", "B"),
        ("[[a]]", None, None),
        ("[[ C ]]", None, None),
        ("[[[C]]]", "C", "C"),
        ("", None, None),
    ],
)
def test_a_verdict_is_read_officially_and_strictly(
    reply: str, official: str | None, strict: str | None
):
    assert refomb.official_verdict(reply) == official
    assert refomb.strict_verdict(reply) == strict


def test_both_orders_are_averaged_and_one_alone_is_no_verdict(questions: Path, tmp_path: Path):
    judge = recorded(
        tmp_path / "replies.jsonl",
        ("0", "", "[[B]]"),  # the model wins
        ("0", "swapped", "[[A]]"),  # the model wins again
        ("1", "", "[[A]]"),
        ("1", "swapped", "[[A]]"),  # the judge likes what is first
        ("2", "", "[[B]]"),
        ("0", "hallucination", "[[C]]"),
        ("0", "swapped hallucination", "[[A]]"),
    )
    scores = scored(questions, Judging(source=judge, swap=True), "strict")
    assert [s.values.get("win") for s in scores[:4]] == [1.0, 0.5, None, None]
    assert scores[0].values["fewer"] == 0.75
    assert results_of(REFOMB, scores).unparsed == 97


def test_the_judge_sees_the_description_and_both_answers_in_their_order(questions: Path):
    data = REFOMB.read_data([questions])
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    path = answered(questions.parent / "mine.jsonl", rows, "I say {}.<|endoftext|>")
    answers = REFOMB.read_answers(path, data)
    judging = Judging(source=RecordedJudge(), swap=True)
    asked = refomb.requests(data, answers, judging)
    first, swapped = asked[5].text, asked[99 + 5].text
    assert all(part in first for part in ("It is 5.", "What is 5?", "I say 5.<EOT>"))
    assert first.index("GPT-4V says 5.") < first.index("I say 5.")
    assert swapped.index("GPT-4V says 5.") > swapped.index("I say 5.")


def test_answers_are_joined_by_image_and_question_and_none_may_lack(questions: Path):
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    data = REFOMB.read_data([questions])
    with pytest.raises(UserError, match="1 of 99 items have no answer"):
        REFOMB.read_answers(answered(questions.parent / "a.jsonl", rows[1:]), data)
    lines(questions, rows[1:])
    with pytest.raises(UserError, match="98 rows"):
        REFOMB.read_data([questions])


def test_its_images_are_named_as_in_their_url(questions: Path, tmp_path: Path):
    for i in range(50):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.jpg")
    assert REFOMB.items is not None
    made = REFOMB.items(REFOMB.read_data([questions]), tmp_path, ImageStore(tmp_path / "store"))
    assert [item.image for item in made[:3]] == ["0.jpg", "0.jpg", "1.jpg"]


def test_the_real_set_is_read_and_scored(test_data: Path, tmp_path: Path):
    data = REFOMB.read_data([test_data / "refomb"])
    rows = [{"image_url": q.url, "question": q.text} for q in data]
    answers = REFOMB.read_answers(answered(tmp_path / "mine.jsonl", rows), data)
    judge = golden_judge(tmp_path / "replies.jsonl")
    results = results_of(REFOMB, REFOMB.score(data, answers, Scoring(judge=judge)))
    assert results.metrics["win_score"] == GOLDEN["win_score"]
    assert len(results.strata) == 8


def test_equal_reviews_have_the_second_verdicts_of_the_archive_one_by_one(
    questions: Path, tmp_path: Path
):
    reviews = ["Equal. [[C]]" if i < 4 else f"It is {i}. [[C]]" for i in range(99)]
    verdicts = ["[[B]]", "[[A]]", "[[C]]", "[[B]]", *["[[A]]"] * 95]
    first = [{"image": i, "review": text} for i, text in enumerate(reviews)]
    second = [
        {"review_text": text, "review_res": verdict}
        for text, verdict in zip(reviews, verdicts, strict=True)
    ]
    folder = tmp_path / "reviews"
    folder.mkdir()
    (folder / "eval.json").write_text(json.dumps(first))
    (folder / "hallucination.json").write_text(json.dumps(second))
    scores = scored(questions, RecordedJudge(folder))
    assert [s.values["fewer"] for s in scores[:5]] == [1.0, 0.0, 0.5, 1.0, 0.0]
    assert results_of(REFOMB, scores).metrics["hallucination_score"] == 2.5 / 99
    (folder / "hallucination.json").write_text(json.dumps(second[1:]))
    scores = scored(questions, RecordedJudge(folder))
    assert [s.values.get("fewer") for s in scores[:5]] == [0.0, 0.5, 1.0, None, 0.0]
    assert REFOMB.notes is not None
    assert REFOMB.notes((), (), scores) == [
        "1 of 99 answers with a verdict have none of the second judge: hallucination_score is "
        "without them."
    ]


def test_an_image_whose_name_fits_two_files_is_refused(questions: Path, tmp_path: Path):
    for name in ("0.png", "0.webp"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert REFOMB.items is not None
    with pytest.raises(UserError, match=r"Two files fit '0': 0\.png and 0\.webp"):
        REFOMB.items(REFOMB.read_data([questions]), tmp_path, ImageStore(tmp_path / "store"))
