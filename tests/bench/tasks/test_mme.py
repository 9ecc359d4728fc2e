"""MME against its official script.

golden/mme was made by running calculation.py (zjunlp/Deco at fee8d75, eval_tool) with scikit-learn
on the task files that lie beside it: `items` is what it made of each answer, the rest what it
printed.
"""

import json
from pathlib import Path

import pytest
from official_figures import OfficialFigures

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Mode
from groundtune.bench.results import Results, item_lines, results_of
from groundtune.bench.tasks.mme import mme
from groundtune.errors import UserError

GOLDEN = Path(__file__).parent / "golden" / "mme"
OFFICIAL = json.loads((GOLDEN / "official.json").read_text())


def results(answers: Path, *data: Path, mode: Mode = "official") -> Results:
    return results_of(mme.MME, scores_of(answers, *data, mode=mode))


def scores_of(answers: Path, *data: Path, mode: Mode = "official"):
    asked = mme.read_data(data)
    told = mme.read_answers(answers, asked)
    return mme.score(asked, told, Scoring(mode=mode, model="m"))


def task_file(folder: Path, task: str, *answers: str) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [
        f"{i // 2}.png\tIs it {i}?\t{'No' if i % 2 else 'Yes'}\t{said}"
        for i, said in enumerate(answers)
    ]
    (folder / f"{task}.txt").write_text("\n".join(lines))
    return folder


@pytest.mark.official
@pytest.mark.parametrize("name", OFFICIAL)
def test_official_numbers_are_those_of_the_official_script_to_the_last_digit(
    name: str, official: OfficialFigures
):
    scores, theirs = scores_of(GOLDEN / name), OFFICIAL[name]
    read: dict[str, list[str]] = {}
    for score in scores:
        read.setdefault(score.benchmark.partition("/")[2], []).append(score.extracted[0])
    assert read.keys() == theirs["items"].keys()
    for task, words in theirs["items"].items():
        official.answers("mme", read[task], words)
    made = results_of(mme.MME, scores)
    sums = ("perception", "cognition")
    official.figures("mme", [made.metrics[each] for each in sums], [theirs[each] for each in sums])
    tasks = theirs["tasks"]
    official.figures("mme", [made.strata[task]["score"] for task in tasks], tasks.values())


def test_a_task_file_in_latin_1_is_the_users_error(tmp_path: Path):
    folder = task_file(tmp_path / "a", "existence", "Yes", "No")
    (folder / "existence.txt").write_bytes("1.png\tIs it a caf\u00e9?\tYes\tYes".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        results(folder)


def test_scores_with_half_a_character_or_no_number_are_never_written_as_bad_json(tmp_path: Path):
    score, *_ = scores_of(task_file(tmp_path / "a", "existence", "Yes", "No"))
    unfit = score.model_copy(update={"values": {"a": float("nan"), "b": float("inf"), "c": 1.0}})
    (line,) = item_lines([unfit])
    assert json.loads(line)["values"] == {"a": None, "b": None, "c": 1.0}
    with pytest.raises(UserError, match="half a character"):
        list(item_lines([score.model_copy(update={"why": "the judge says \ud800"})]))


def test_a_task_is_worth_its_accuracy_and_its_images_with_both_right(tmp_path: Path):
    folder = task_file(tmp_path / "a", "existence", "Yes", "No", "Yes", "Yes")
    made = results(folder)
    assert made.strata["existence"]["score"] == 75 + 50
    assert made.metrics["perception"] is None
    assert made.metrics["hallucination"] is None


def test_the_hallucination_subset_is_the_sum_of_four_tasks(tmp_path: Path):
    folder = tmp_path / "a"
    for task in mme.HALLUCINATION:
        task_file(folder, task, "Yes", "No")
    assert results(folder).metrics["hallucination"] == 800
    assert results(folder).metrics["perception"] is None


def test_the_same_answer_to_all_is_worth_50_points_and_is_warned_of():
    from groundtune.bench.stats.behaviour import behaviour, guard

    scores = scores_of(GOLDEN / "constant")
    assert results_of(mme.MME, scores).strata["OCR"]["score"] == 50
    assert any(warned.guard == "constant" for warned in guard(behaviour(scores)))


def test_strict_leaves_out_what_it_cannot_read_and_pairs_by_name(tmp_path: Path):
    folder = task_file(tmp_path / "a", "count", "Yes.", "not sure", "yes", "NO")
    strict = results(folder, mode="strict")
    assert strict.unparsed == 1
    assert strict.metrics["accuracy"] == 1
    assert strict.metrics["accuracy_plus"] == 1
    assert results(folder).metrics["accuracy"] == 1  # "not sure" is a no to the official script
    mixed = (folder / "count.txt").read_text().splitlines()
    (folder / "count.txt").write_text("\n".join([mixed[0], mixed[2], mixed[3], mixed[1]]))
    assert results(folder, mode="strict").metrics["accuracy_plus"] == 1


def test_pairs_of_two_images_are_reported(tmp_path: Path):
    folder = task_file(tmp_path / "a", "count", "Yes", "No", "Yes", "No")
    lines = (folder / "count.txt").read_text().splitlines()
    (folder / "count.txt").write_text("\n".join([lines[0], lines[2], lines[1], lines[3]]))
    answers = mme.read_answers(folder, mme.MmeData())
    scores = mme.score(mme.MmeData(), answers, Scoring())
    assert "2 pairs of lines mix two images" in " ".join(mme.notes(mme.MmeData(), answers, scores))


def test_other_tools_tables_give_the_same_numbers(tmp_path: Path):
    folder = task_file(tmp_path / "a", "OCR", "Yes", "No", "no", "Yes, no")
    wanted = results(folder).strata["OCR"]["score"]
    rows = [line.split("\t") for line in (folder / "OCR.txt").read_text().splitlines()]
    table = tmp_path / "m_MME.tsv"
    head = "index\tcategory\timage_path\tquestion\tanswer\tprediction"
    lines = [f"{i}\tOCR\tOCR/{r[0]}\t{r[1]}\t{r[2]}\t{r[3]}" for i, r in enumerate(rows)]
    table.write_text("\n".join([head, *(lines[i] for i in (0, 2, 3, 1))]))
    assert results(table).strata["OCR"]["score"] == wanted
    samples = [
        {
            "doc_id": i,
            "doc": {"question_id": f"OCR/{r[0]}", "question": r[1], "category": "OCR"},
            "target": r[2],
            "filtered_resps": [r[3]],
        }
        for i, r in enumerate(rows)
    ]
    file = tmp_path / "m_samples_mme.jsonl"
    file.write_text("\n".join(map(json.dumps, samples)))
    assert results(file).strata["OCR"]["score"] == wanted


def test_data_check_that_each_question_is_answered_once(tmp_path: Path):
    folder = task_file(tmp_path / "a", "OCR", "Yes", "No", "Yes", "No")
    released = tmp_path / "mme" / "OCR" / "questions_answers_YN"
    released.mkdir(parents=True)
    for image in (1, 0):
        first = 2 * image
        (released / f"{image}.txt").write_text(f"Is it {first}?\tYes\nIs it {first + 1}?\tNo\n")
    assert results(folder, tmp_path / "mme").strata["OCR"]["score"] == 200
    (released / "2.txt").write_text("Is it 4?\tYes\nIs it 5?\tNo\n")
    with pytest.raises(UserError, match="2 of 6 items have no answer"):
        results(folder, tmp_path / "mme")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.png\tIs it?\tYes\tYes\tor no", "5 columns instead of 4"),
        ("0.png\tIs it?\tMaybe\tYes", "label is 'Maybe'"),
        ("0.png\tIs it?\tYes\tYes", "1 lines"),
    ],
)
def test_a_line_of_another_shape_is_refused(tmp_path: Path, line: str, message: str):
    (tmp_path / "count.txt").write_text(line + "\n")
    with pytest.raises(UserError, match=message) as error:
        mme.read_answers(tmp_path, mme.MmeData())
    assert "count.txt" in error.value.where


def test_a_folder_without_tasks_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no file of a task"):
        mme.read_answers(tmp_path, mme.MmeData())
