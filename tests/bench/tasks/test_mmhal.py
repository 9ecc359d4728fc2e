"""MMHal-Bench's grades: the official reading to the last digit, and the mended one."""

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
from groundtune.bench.tasks import mmhal
from groundtune.bench.tasks.mmhal import MMHAL
from groundtune.errors import UserError
from groundtune.store.images import ImageStore

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mmhal.json").read_text())


def question_file(path: Path) -> Path:
    rows = [
        {
            "question_type": mmhal.TYPES[i % 8],
            "question_topic": "indoor",
            "image_id": f"id{i}",
            "image_src": f"https://example.org/{i}_o.jpg",
            "image_content": ["Cat", "Sofa"],
            "question": f"What is {i}?",
            "gt_answer": f"It is {i}.",
            "model_answer": f"I say {i}.",
        }
        for i in range(96)
    ]
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return question_file(tmp_path / "mmhal.json")


def completions(path: Path, replies: list[str]) -> RecordedJudge:
    path.write_text(json.dumps([{"choices": [{"message": {"content": r}}]} for r in replies]))
    return RecordedJudge(path)


def scored(questions: Path, judge: Any, mode: Mode = "official", **more: Any):
    data = MMHAL.read_data([questions])
    answers = MMHAL.read_answers(questions, data)
    return MMHAL.score(data, answers, Scoring(mode=mode, judge=judge, **more))


@pytest.mark.official
def test_official_grades_are_those_of_the_official_code(
    questions: Path, tmp_path: Path, official: OfficialFigures
):
    scores = scored(questions, completions(tmp_path / "replies.json", GOLDEN["replies"]))
    official.answers("mmhal", [score.values["grade"] for score in scores], GOLDEN["grades"])
    results = results_of(MMHAL, scores)
    names = ("score", "hallucination_rate", "informativeness")
    own = [results.metrics[name] for name in names]
    official.figures("mmhal", own, [GOLDEN[name] for name in names])
    by_type = [results.strata[f"type/{kind}"]["score"] for kind in mmhal.TYPES]
    official.figures("mmhal", by_type, GOLDEN["by_type"])
    assert results.unparsed == sum(mmhal.official_grade(r) is None for r in GOLDEN["replies"]) > 0


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("Rating: 6, very informative", 6, 6),
        ("**Rating:** 4", None, 4),
        ("Rating: **2**", None, 2),
        ("Rating:4", None, 4),
        ("Rating\n4", None, 4),
        ('"rating": 5', None, 5),
        ("Rating: 10", 1, None),
        ("Rating: 3.5", 3, None),
        ("Rating: -1", None, None),
        ("Rating: 7", None, None),
        ("Berating: 4", 4, None),
        ("Rating: 5, no: Rating: 2", None, None),
        ("Rating: 5. I repeat: rating: 5", 5, 5),
        ("I would give it a 4.", None, None),
        ("", None, None),
    ],
)
def test_a_grade_is_read_officially_and_strictly(reply: str, official: int, strict: int):
    assert mmhal.official_grade(reply) == official
    assert mmhal.strict_grade(reply) == strict


def test_strict_leaves_out_what_it_can_not_read_and_official_refuses_to_go_on(
    questions: Path, tmp_path: Path
):
    path = tmp_path / "replies.jsonl"
    rows = [{"id": i, "reply": "**Rating:** 6" if i else "none"} for i in range(95)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    judge = RecordedJudge(path)
    results = results_of(MMHAL, scored(questions, judge, "strict"))
    assert (results.n, results.unparsed) == (96, 2)
    assert results.metrics["score"] == 6
    assert results.metrics["hallucination_rate"] == 0
    with pytest.raises(UserError, match="needs all of them"):
        scored(questions, judge)
    with pytest.raises(UserError, match="--judge-replies"):
        scored(questions, None)


def test_repeats_are_averaged_and_the_judges_variance_is_reported(questions: Path, tmp_path: Path):
    path = tmp_path / "replies.jsonl"
    rows = [
        {"id": i, "repeat": r, "reply": f"Rating: {2 + 2 * r + i % 2}"}
        for i in range(96)
        for r in (0, 1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = scored(questions, Judging(source=RecordedJudge(path), repeats=2), "strict")
    # items are graded 2 and 4, or 3 and 5: the mean is 3.5, and half of the even ones' are below 3
    results = results_of(MMHAL, scores)
    assert results.metrics["score"] == 3.5
    assert results.metrics["hallucination_rate"] == 0.25
    assert MMHAL.notes is not None
    told = MMHAL.notes([], [], scores)
    # within an item: 2 squared points; between items: (2 * 96 / 4 / 95 * ... - 2) / 2 < 0, so 0
    assert any("2 between repeats of one item" in note for note in told)


def test_the_judge_sees_what_is_known_and_the_answer(questions: Path):
    class Echo:
        def grade(self, request: str) -> str:
            return request + "\nRating: 6"

    (first, *_) = scored(questions, Echo(), "strict")
    for part in ("Cat, Sofa", "What is 0?", "It is 0.", "I say 0."):
        assert part in first.why or "..." in first.why
    judging = Judging(source=RecordedJudge())
    data = MMHAL.read_data([questions])
    asked = mmhal.requests(data, MMHAL.read_answers(questions, data), judging)
    text = asked[3].text
    assert all(part in text for part in ("Cat, Sofa", "What is 3?", "It is 3.", "I say 3."))
    assert judging.provenance()["prompt mmhal"].startswith("groundtune/mmhal.txt (")


def test_lines_of_answers_are_cleaned_as_the_official_script_does(questions: Path, tmp_path: Path):
    data = MMHAL.read_data([questions])
    path = tmp_path / "answers.jsonl"
    lines = [json.dumps({"answer": f" Assistant: say {i} "}) for i in range(96)]
    path.write_text("\n".join(lines))  # no newline at the end
    assert [a.text for a in MMHAL.read_answers(path, data)][:2] == ["say 0", "say 1"]
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(UserError, match="95 answers to 96 questions"):
        MMHAL.read_answers(path, data)
    rows = [json.dumps({"question": q.text, "answer": "x"}) for q in data]
    path.write_text("\n".join([rows[1], rows[0], *rows[2:]]))
    with pytest.raises(UserError, match="another question"):
        MMHAL.read_answers(path, data)


def test_questions_that_are_not_the_96_in_order_are_refused(questions: Path):
    rows = json.loads(questions.read_text())
    questions.write_text(json.dumps(rows[:-1]))
    with pytest.raises(UserError, match="95 rows"):
        MMHAL.read_data([questions])
    questions.write_text(json.dumps([rows[1], rows[0], *rows[2:]]))
    with pytest.raises(UserError, match="type"):
        MMHAL.read_data([questions])


def test_its_images_are_found_by_url_or_id(questions: Path, tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(96):
        name = f"{i}_o.jpg" if i % 2 else f"id{i}.png"
        Image.new("RGB", (8, 8), (i, 0, 0)).save(folder / name)
    assert MMHAL.items is not None
    data = MMHAL.read_data([questions])
    made = MMHAL.items(data, folder, ImageStore(tmp_path / "store"))
    assert (made[0].image, made[1].image) == ("id0.png", "1_o.jpg")
    assert made[1].prompt.question == "What is 1?"
    (folder / "id0.png").unlink()
    with pytest.raises(UserError, match=r"0_o\.jpg"):
        MMHAL.items(data, folder, ImageStore(tmp_path / "store"))


def test_the_real_questions_are_read(test_data: Path):
    data = MMHAL.read_data([test_data / "mmhal"])
    assert len(data) == 96
    assert data[0].text == "What color is the fire hydrant cap in the picture?"
    assert data[0].contents == ("Fire hydrant",)
