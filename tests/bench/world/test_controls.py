"""MMStar, MMBench and VQAv2: equal to the official code, item by item; strict mode mends faults."""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from groundtune.bench.benchmark import Benchmark, Scoring
from groundtune.bench.item import Mode
from groundtune.bench.stats.sums import tabulate, value_of
from groundtune.bench.tasks.choice.mmbench import MMBENCH
from groundtune.bench.tasks.choice.mmstar import MMSTAR
from groundtune.bench.tasks.vqav2 import VQAV2, VqaQuestion, accuracy, normalise
from groundtune.bench.text import choices
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

GOLDEN = Path(__file__).parent / "golden" / "controls"
AXES = {"fine": ("counting", "recognition"), "math": ("geometry",)}


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / name).read_text())


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def scored(
    benchmark: Benchmark[Any], data: Path, answers: Path, mode: Mode = "official"
) -> list[Score]:
    read = benchmark.read_data([data])
    return benchmark.score(read, benchmark.read_answers(answers, read), Scoring(mode=mode))


def metrics(benchmark: Benchmark[Any], scores: list[Score]) -> dict[str, float | None]:
    whole = tabulate(scores)
    return {metric.name: value_of(whole, metric) for metric in benchmark.metrics}


def test_every_rule_reads_the_letters_that_its_own_code_reads():
    told = golden("choices.json")
    assert len(told["rows"]) > 200
    for row in told["rows"]:
        answer = row["answer"]
        read = [choices.vlmevalkit(answer, options) for options in told["options"]]
        assert choices.paper(answer, "ABCD") == row["paper"], answer
        assert read == row["vlmevalkit"], answer
        assert choices.lmms_eval(answer, "ABCD") == row["lmms_eval"], answer


OPTIONS = {"A": "cat", "B": "dog", "C": "a horse", "D": "none"}


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("b.", "B"),
        ("B. dog", "B"),
        ("**C**", "C"),
        ("Option D", "D"),
        ("The answer is c.", "C"),
        ("I looked. Answer: (A)", "A"),
        ("Dog.", "B"),
        ("a horse", "C"),
        ("A cat", ""),
        ("The answer is a bird", ""),
        ("A or B", ""),
        ("A. cat? No, the answer is B.", ""),
        ("E", ""),
        ("", ""),
    ],
)
def test_the_strict_rule_reads_what_is_clear_and_nothing_else(answer: str, letter: str):
    assert choices.strict(answer, OPTIONS) == letter


@given(st.text(max_size=40))
def test_every_rule_gives_a_letter_or_nothing(answer: str):
    assert choices.paper(answer, "ABCD") in {*"ABCD", ""}
    assert choices.strict(answer, OPTIONS) in {*"ABCD", ""}
    assert choices.lmms_eval(answer, "ABCD") in {*"ABCD", ""}
    assert choices.vlmevalkit(answer, OPTIONS) in {*"ABCDZ", ""}


def test_options_are_found_in_either_way_that_mmstar_writes_them():
    assert choices.options_in("Which?\nOptions: A: a cat, B: dogs, two, C: 3") == {
        "A": "a cat",
        "B": "dogs, two",
        "C": "3",
    }
    listed = "Is it?\nChoices:\n(A) Yes\n(B) No\n(C) nan\n(D) nan"
    assert choices.options_in(listed) == {"A": "Yes", "B": "No"}
    assert choices.options_in("What is it?") == {}


def mmstar(path: Path) -> Path:
    rows = [
        {
            "index": str(i),
            "question": "Which?\nOptions: A: cat, B: dog",
            "answer": "A",
            "category": category,
            "l2_category": axis,
            "prediction": said,
        }
        for i, (category, axis, said) in enumerate(
            [
                ("fine", "counting", "A"),
                ("fine", "counting", "because of B"),
                ("fine", "counting", "Answer: A"),
                ("math", "geometry", "(A) cat"),
            ]
        )
    ]
    return table(path, rows)


def test_mmstars_two_headlines_and_the_other_tools_readings(tmp_path: Path):
    path = mmstar(tmp_path / "answers.tsv")
    scores = scored(MMSTAR, path, path)
    found = metrics(MMSTAR, scores)
    # The paper's rule reads "because" as B and takes "Answer: A" for A by its first letter.
    assert [score.extracted for score in scores] == [("A",), ("B",), ("A",), ("A",)]
    assert found["accuracy"] == 3 / 4
    assert found["accuracy_macro"] == (2 / 3 + 1) / 2
    assert found["vlmevalkit_accuracy"] == 3 / 4
    assert found["lmms_eval_accuracy"] == (2 / 3 + 1) / 2
    strict = scored(MMSTAR, path, path, "strict")
    assert [score.status for score in strict] == ["scored", "unparsed", "scored", "scored"]
    assert metrics(MMSTAR, strict)["accuracy"] == 1
    assert metrics(MMSTAR, strict)["unparsed"] == 1 / 4


def test_the_questions_own_table_is_no_answer_to_them(tmp_path: Path):
    path = mmstar(tmp_path / "answers.tsv")
    path.write_text(path.read_text().replace("prediction", "notes"))
    with pytest.raises(UserError, match='without "prediction"'):
        MMSTAR.read_answers(path, MMSTAR.read_data([path]))


def test_an_answer_without_a_letter_counts_as_wrong_officially(tmp_path: Path):
    rows = [
        {"index": i, "question": "?", "answer": "A", "l2_category": "x", "prediction": said}
        for i, said in enumerate(["A", "", "yes"])
    ]
    path = table(tmp_path / "t.tsv", rows)
    scores = scored(MMSTAR, path, path)
    assert [score.status for score in scores] == ["scored", "unparsed", "unparsed"]
    assert metrics(MMSTAR, scores)["accuracy"] == 1 / 3


def test_missing_further_and_doubled_answers_are_refused(tmp_path: Path):
    data = mmstar(tmp_path / "data.tsv")
    rows = [{"index": str(i), "prediction": "A"} for i in range(3)]
    with pytest.raises(UserError, match="1 of 4 items have no answer"):
        scored(MMSTAR, data, table(tmp_path / "few.tsv", rows))
    rows = [{"index": str(i), "prediction": "A"} for i in (0, 1, 2, 3, 9)]
    with pytest.raises(UserError, match="1 answers have no item"):
        scored(MMSTAR, data, table(tmp_path / "more.tsv", rows))


def test_a_table_without_answers_is_refused(tmp_path: Path):
    path = table(tmp_path / "t.tsv", [{"index": 1, "question": "?", "answer": ""}])
    with pytest.raises(UserError, match="has no answer"):
        MMSTAR.read_data([path])


def test_mmbench_is_the_official_circular_evaluation_question_by_question(tmp_path: Path):
    told = golden("mmbench.json")
    path = table(tmp_path / "mmbench.tsv", told["rows"])
    scores = scored(MMBENCH, path, path)
    right = {str(int(s.item) % 10**6): s.values["right"] for s in scores if "right" in s.values}
    first = {s.item: s.values["vanilla_right"] for s in scores if "vanilla_right" in s.values}
    assert right == told["circular"]
    assert first == told["vanilla"]
    found = metrics(MMBENCH, scores)
    assert found["accuracy"] == pytest.approx(sum(right.values()) / len(right))
    assert found["vanilla_accuracy"] == pytest.approx(sum(first.values()) / len(first))


def test_in_strict_mode_an_unread_turn_leaves_a_question_open_unless_another_is_wrong(
    tmp_path: Path,
):
    said = {(0, 0): "A", (0, 1): "B", (1, 0): "A", (1, 1): "who knows", (2, 0): "B", (2, 1): "?"}
    rows = [
        {
            "index": q + turn * 10**6,
            "question": "?",
            "A": "cat",
            "B": "dog",
            "answer": "AB"[turn],
            "prediction": text,
        }
        for (q, turn), text in said.items()
    ]
    path = table(tmp_path / "t.tsv", rows)
    found = metrics(MMBENCH, scored(MMBENCH, path, path, "strict"))
    assert found["accuracy"] == 1 / 2
    assert found["unread_questions"] == 1 / 3
    assert metrics(MMBENCH, scored(MMBENCH, path, path))["accuracy"] == 1 / 3


def test_images_come_from_the_table_and_a_row_may_point_to_another(tmp_path: Path):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG")
    encoded_image = base64.b64encode(file.getvalue()).decode()
    rows = [
        {"index": i, "image": image, "question": "Which?", "A": "x", "B": "y", "answer": "A"}
        for i, image in ((3, encoded_image), (1000003, "3"))
    ]
    path = table(tmp_path / "t.tsv", rows)
    store = ImageStore(tmp_path / "images")
    assert MMBENCH.items is not None
    first, second = MMBENCH.items(MMBENCH.read_data([path]), tmp_path, store)
    assert first.prompt.images == second.prompt.images
    assert (first.image, second.image) == ("3", "3")
    assert first.prompt.question.startswith("Which?\nA. x\nB. y\n")
    assert store.open(first.prompt.images[0]).size == (40, 30)


def question(people: list[str]) -> VqaQuestion:
    rest = tuple(tuple(j for j in range(len(people)) if j != i) for i in range(len(people)))
    return VqaQuestion("1", "1", "", tuple(people), rest, "other")


def test_vqav2_is_the_official_evaluation_item_by_item():
    told = golden("vqav2.json")
    assert len(told["rows"]) == 200
    for row in told["rows"]:
        people = [text.replace("\n", " ").replace("\t", " ").strip() for text in row["people"]]
        found, _ = accuracy(question(people), row["answer"])
        assert round(100 * found, 12) == row["accuracy"], row
        assert normalise(row["answer"]) == row["normal"], row


def test_the_leave_one_out_accuracy_by_hand():
    # Of ten, three said cat: each of them sees two others, the seven see three.
    value, _ = accuracy(question(["cat"] * 3 + ["dog"] * 7), "The cat!")
    assert value == pytest.approx((3 * 2 / 3 + 7) / 10)


def test_where_all_agree_nothing_is_normalised_but_strictly_it_is(tmp_path: Path):
    people = question(["yes"] * 10)
    assert accuracy(people, "Yes.") == (0, "Yes.")
    assert accuracy(people, "Yes.", always=True) == (1, "yes")


def vqa_files(folder: Path, said: list[str]) -> tuple[Path, Path]:
    annotations = [
        {
            "question_id": i,
            "image_id": 10 + i,
            "question_type": "is the",
            "answer_type": "yes/no",
            "answers": [{"answer": "yes", "answer_id": k} for k in range(10)],
        }
        for i in range(len(said))
    ]
    data, answers = folder / "v2_annotations.json", folder / "results.json"
    data.write_text(json.dumps({"annotations": annotations}))
    rows = [{"question_id": i, "answer": text} for i, text in enumerate(said)]
    answers.write_text(json.dumps(rows[::-1]))
    return data, answers


def test_vqav2_files_are_joined_by_id_and_an_empty_answer_is_unparsed(tmp_path: Path):
    data, answers = vqa_files(tmp_path, ["yes", "Yes.", ""])
    official = scored(VQAV2, data, answers)
    assert [score.values["right"] for score in official] == [1, 0, 0]
    assert metrics(VQAV2, official)["accuracy"] == 1 / 3
    strict = scored(VQAV2, data, answers, "strict")
    assert [score.status for score in strict] == ["scored", "scored", "unparsed"]
    assert metrics(VQAV2, strict)["accuracy"] == 1


def test_a_question_file_alone_is_no_data(tmp_path: Path):
    path = tmp_path / "v2_questions.json"
    path.write_text('{"questions": []}')
    with pytest.raises(UserError, match='No file has "annotations"'):
        VQAV2.read_data([path])
