"""HallusionBench: the official counts over a made-up set and the real one; the mended reading."""

# pyright: reportOptionalCall=false, reportOptionalOperand=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# Reason: a benchmark may lack a hook; those of these tests have them, and values.

import json
from pathlib import Path
from typing import Any

import hallusion_rows
import pytest
from official_figures import OfficialFigures
from PIL import Image

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Mode
from groundtune.bench.judge.archives import hallusion_id
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.results import results_of
from groundtune.bench.tasks.hallusionbench import causes
from groundtune.bench.tasks.hallusionbench.causes import QuestionKind, cause_of
from groundtune.bench.tasks.hallusionbench.hallusionbench import HALLUSIONBENCH
from groundtune.errors import UserError
from groundtune.store.images import ImageStore

GOLDEN = json.loads((Path(__file__).parent / "golden" / "hallusionbench.json").read_text())


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows))
    return path


def answered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"model_prediction": f"answer {i}"} for i, row in enumerate(rows)]


def recorded(path: Path, rows: list[dict[str, Any]]) -> RecordedJudge:
    lines: list[str] = []
    for row, (verdict, same) in zip(rows, hallusion_rows.replies(len(rows)), strict=True):
        name = hallusion_id(row)
        lines.append(json.dumps({"id": name, "reply": verdict}))
        lines.append(json.dumps({"id": name, "part": "same", "reply": same}))
    path.write_text("\n".join(lines))
    return RecordedJudge(path)


def scored(folder: Path, rows: list[dict[str, Any]], judge: Any, mode: Mode = "official"):
    data = HALLUSIONBENCH.read_data([written(folder / "HallusionBench.json", rows)])
    file = written(
        folder / "result.json", rows if "model_prediction" in rows[0] else answered(rows)
    )
    answers = HALLUSIONBENCH.read_answers(file, data)
    return HALLUSIONBENCH.score(data, answers, Scoring(mode=mode, judge=judge))


@pytest.mark.official
@pytest.mark.parametrize("name", ["made_up", "real"])
def test_official_figures_are_those_of_the_official_code(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, official: OfficialFigures
):
    if name == "real":
        folder: Path = request.getfixturevalue("test_data")
        rows = json.loads((folder / "hallusionbench" / "HallusionBench.json").read_text())
    else:
        rows = hallusion_rows.rows()
    golden = GOLDEN[name]
    scores = scored(tmp_path, rows, recorded(tmp_path / "replies.jsonl", rows))
    words = {"0": "incorrect", "1": "correct", "2": "uncertain"}
    read = [(s.extracted[0], f"{s.values['correct']:.0f}") for s in scores]
    marks = zip(golden["verdicts"], golden["correct"], strict=True)
    official.answers("hallusionbench", read, [(words[mark], right) for mark, right in marks])
    results = results_of(HALLUSIONBENCH, scores)
    for part, told in (
        ("all", results.metrics),
        *((c, results.strata[f"category/{c}"]) for c in ("VD", "VS")),
    ):
        figures = golden[part]
        close = [pytest.approx(value, abs=1e-12) for value in figures.values()]
        official.figures("hallusionbench", [told[metric] for metric in figures], close)
    exact = ("a_acc", "f_acc", "q_acc", "easy_acc", "hard_acc", "lh", "vi", "mixed", "yes_bias")
    assert all(results.metrics[metric] == golden["all"][metric] for metric in exact)


def test_the_second_call_is_made_only_where_it_decides(tmp_path: Path):
    rows = hallusion_rows.rows()
    judge = recorded(tmp_path / "replies.jsonl", rows)
    asked: list[str] = []

    class Counting:
        def replies(self, requests: Any, progress: Any, *, repeat: int = 0):
            asked.extend(request.part for request in requests)
            return judge.replies(requests, progress, repeat=repeat)

        def describe(self):
            return {}

    scored(tmp_path, rows, Counting())
    assert asked.count("") == 1129
    assert 0 < asked.count("same") < 400


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("correct", "1", "1"),
        ("Incorrect.", "0", "0"),
        ("not correct", "1", "0"),
        ("unclear", "2", "2"),
        ("I can't tell", "2", None),
        ("", "2", None),
        ("correctness unclear", "1", "2"),
        ("correct or incorrect", "0", None),
        ('"correct"', "1", "1"),
    ],
)
def test_a_verdict_is_read_officially_and_strictly(reply: str, official: str, strict: str | None):
    assert causes.official_verdict(reply) == official
    assert causes.strict_verdict(reply) == strict


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ("same", True, True),
        ("not the same", True, False),
        ("different", False, False),
        ("", False, None),
        ("different, not same", True, False),
    ],
)
def test_sameness_is_read_officially_and_strictly(reply: str, official: bool, strict: bool | None):
    assert causes.official_same(reply) is official
    assert causes.strict_same(reply) is strict


def test_a_wrong_answer_to_the_edited_image_that_repeats_the_first_is_languages_fault():
    edited, original = QuestionKind(False, False, "2"), QuestionKind(False, False, "1")
    assert cause_of(edited, "0", "1", True) == "lh"
    assert cause_of(edited, "0", "1", False) == "vi"
    assert cause_of(original, "0", "1", True) == "vi"
    assert cause_of(edited, "0", "0", False) == "mixed"
    assert cause_of(edited, "0", "1", None) is None
    assert cause_of(QuestionKind(False, True, "0"), "2", "2", None) == ""
    assert cause_of(QuestionKind(True, True, "1"), "2", "2", None) == "vi"


def test_strict_leaves_out_questions_figures_and_pairs_without_a_verdict(tmp_path: Path):
    rows = hallusion_rows.rows()
    path = tmp_path / "replies.jsonl"
    lines = [json.dumps({"id": hallusion_id(row), "reply": "correct"}) for row in rows[1:]]
    path.write_text("\n".join(lines))
    results = results_of(HALLUSIONBENCH, scored(tmp_path, rows, RecordedJudge(path), "strict"))
    assert (results.n, results.unparsed) == (1129, 1)
    assert results.metrics["a_acc"] == results.metrics["f_acc"] == results.metrics["q_acc"] == 1
    assert results.estimates["a_acc"].n == 1128
    assert results.metrics["lh"] is None
    with pytest.raises(UserError, match="needs all of them"):
        scored(tmp_path, rows, RecordedJudge(path))


def test_without_a_judge_answers_are_read_as_strings_and_the_result_says_so(tmp_path: Path):
    rows = hallusion_rows.rows()
    said = [
        row | {"model_prediction": "Yes." if row["gt_answer"] == "1" else "No, it isn't"}
        for row in rows
    ]
    said[0]["model_prediction"] = "maybe"
    said[1]["model_prediction"] = "2"
    official = scored(tmp_path, said, None)
    results = results_of(HALLUSIONBENCH, official)
    assert results.metrics["a_acc"] == 1127 / 1129
    assert results.unparsed == 0
    assert "read_by/strings" in results.strata
    assert HALLUSIONBENCH.notes is not None
    told = HALLUSIONBENCH.notes(
        HALLUSIONBENCH.read_data([tmp_path / "HallusionBench.json"]), [], official
    )
    assert "1,129 questions: all questions." in told
    assert any("not the official rule" in note for note in told)
    strict = results_of(HALLUSIONBENCH, scored(tmp_path, said, None, "strict"))
    assert strict.unparsed == 1
    assert strict.metrics["a_acc"] == 1127 / 1128


def test_the_951_questions_with_a_image_are_told_apart_and_never_mixed(tmp_path: Path):
    rows = hallusion_rows.rows()
    shown = [row for row in rows if row["filename"]]
    assert len(shown) == 955  # the made-up set has 174 questions without an image, the real one 178
    shown = [row for row in shown if row["set_id"] != "100" or row["question_id"] > "3"]
    assert len(shown) == 951
    results = results_of(HALLUSIONBENCH, scored(tmp_path, shown, None))
    assert results.n == 951
    assert results.metrics["lh"] is None
    data = HALLUSIONBENCH.read_data([tmp_path / "HallusionBench.json"])
    with pytest.raises(UserError, match="1,129 answers to 951 questions"):
        HALLUSIONBENCH.read_answers(written(tmp_path / "all.json", answered(rows)), data)
    written(tmp_path / "HallusionBench.json", [r for r in rows if r["filename"]])
    with pytest.raises(UserError, match="955 rows"):
        HALLUSIONBENCH.read_data([tmp_path / "HallusionBench.json"])


def with_178_unseen() -> list[dict[str, Any]]:
    """The made-up set with as many questions without an image as the real one."""
    rows: list[dict[str, Any]] = hallusion_rows.rows()
    for row in rows:
        if row["set_id"] == "100" and row["question_id"] <= "3":
            row |= {"visual_input": "0", "filename": None}
    return rows


@pytest.mark.parametrize("name", ["made_up", "real"])
def test_answers_to_the_951_are_scored_next_to_the_whole_file_and_named(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
):
    rows = with_178_unseen()
    if name == "real":
        folder: Path = request.getfixturevalue("test_data")
        rows = json.loads((folder / "hallusionbench" / "HallusionBench.json").read_text())
    shown = [row for row in rows if row["visual_input"] != "0"]
    assert len(shown) == 951
    alone = tmp_path / "alone"
    alone.mkdir()
    wanted = scored(alone, answered(shown), None)
    data = HALLUSIONBENCH.read_data([written(tmp_path / "HallusionBench.json", rows)])
    file = written(tmp_path / "result.json", answered(shown)[::-1])
    answers = HALLUSIONBENCH.read_answers(file, data)
    scores = HALLUSIONBENCH.score(data, answers, Scoring())
    assert scores == wanted
    assert HALLUSIONBENCH.notes is not None
    told = HALLUSIONBENCH.notes(data, answers, scores)
    assert told[:2] == [
        "951 questions: the questions that have an image.",
        "The data has 1,129; the others were not answered.",
    ]
    judge = recorded(tmp_path / "replies.jsonl", shown)
    assert results_of(HALLUSIONBENCH, HALLUSIONBENCH.score(data, answers, Scoring(judge=judge))).n


@pytest.mark.parametrize("changed", ["one fewer", "one more", "another", "twice"])
def test_no_other_part_of_the_questions_is_taken(tmp_path: Path, changed: str):
    rows = with_178_unseen()
    data = HALLUSIONBENCH.read_data([written(tmp_path / "HallusionBench.json", rows)])
    shown = [row for row in rows if row["visual_input"] != "0"]
    (unseen, *_) = [row for row in rows if row["visual_input"] == "0"]
    said = {
        "one fewer": shown[1:],
        "one more": [*shown, unseen],
        "another": [*shown[1:], unseen],
        "twice": [*shown, shown[0]],
    }[changed]
    with pytest.raises(UserError):
        HALLUSIONBENCH.read_answers(written(tmp_path / "a.json", answered(said)), data)


def test_tables_of_vlmevalkit_are_joined_by_their_index(tmp_path: Path):
    rows = hallusion_rows.rows()
    data = HALLUSIONBENCH.read_data([written(tmp_path / "HallusionBench.json", rows)])
    lines = ["index\tquestion\tanswer\tcategory\tl2-category\tprediction"]
    for row in reversed(rows):
        index = f"a_b_c_{row['set_id']}_{row['figure_id']}_{row['question_id']}"
        truth = "Yes" if row["gt_answer"] == "1" else "No"
        lines.append(f"{index}\tq\t{truth}\t{row['category']}\t{row['subcategory']}\t{index}")
    (tmp_path / "table.tsv").write_text("\n".join(lines))
    answers = HALLUSIONBENCH.read_answers(tmp_path / "table.tsv", data)
    assert [a.text for a in answers[:2]] == ["a_b_c_0_0_0", "a_b_c_0_0_1"]


def test_questions_without_a_image_are_asked_without_one(tmp_path: Path):
    rows = hallusion_rows.rows()
    for row in rows:
        if row["filename"]:
            row["filename"] = "./one.png"
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    data = HALLUSIONBENCH.read_data([written(tmp_path / "HallusionBench.json", rows)])
    assert HALLUSIONBENCH.items is not None
    made = HALLUSIONBENCH.items(data, tmp_path, ImageStore(tmp_path / "store"))
    assert len(made) == 1129
    assert [len(item.prompt.images) for item in made] == [int(bool(r["filename"])) for r in rows]
