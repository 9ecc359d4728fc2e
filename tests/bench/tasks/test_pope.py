"""POPE against its official script.

golden/pope was made by running evaluate.py of AoiDragon/POPE at 08d957b on the answers and
questions that lie beside it: `items` is what it made of each answer, `printed` what it printed
before it ended or stopped (a division by zero).
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from official_figures import OfficialFigures

from groundtune.bench.benchmark import Scoring
from groundtune.bench.files.checks import record_found_files
from groundtune.bench.files.revisions import describe
from groundtune.bench.item import Mode
from groundtune.bench.results import results_of
from groundtune.bench.tasks.pope import pope
from groundtune.bench.tasks.pope.questions import is_asked
from groundtune.bench.text.yes_no import disagree, readings, strict, vlmevalkit
from groundtune.errors import UserError

GOLDEN = Path(__file__).parent / "golden" / "pope"
OFFICIAL = json.loads((GOLDEN / "official.json").read_text())
PRINTED = {
    "Accuracy": "accuracy",
    "Precision": "precision",
    "Recall": "recall",
    "F1 score": "f1",
    "Yes ratio": "yes_ratio",
}


def scores_of(answers: Path, *questions: Path, mode: Mode = "official"):
    data = pope.read_data(questions)
    return pope.score(data, pope.read_answers(answers, data), Scoring(mode=mode, model="m"))


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def asked(*labels: str, ids: bool = True) -> list[dict[str, object]]:
    return [
        {"question_id": i, "image": f"p{i // 6}.jpg", "text": f"Is there {i}?", "label": label}
        for i, label in enumerate(labels, 1)
    ]


@pytest.mark.official
@pytest.mark.parametrize("name", OFFICIAL)
def test_official_numbers_are_those_of_the_official_script_to_the_last_digit(
    name: str, official: OfficialFigures
):
    scores = scores_of(GOLDEN / f"{name}_answers.json", GOLDEN / f"{name}_questions.json")
    official.answers("pope", [score.extracted[0] for score in scores], OFFICIAL[name]["items"])
    counts = [sum(s.values.get(c, 0) for s in scores) for c in ("tp", "fp", "tn", "fn")]
    official.figures("pope", counts, OFFICIAL[name]["counts"])
    metrics = results_of(pope.POPE, scores).metrics
    printed = OFFICIAL[name]["printed"]
    official.figures("pope", [metrics[PRINTED[each]] for each in printed], printed.values())
    if OFFICIAL[name]["stops"]:
        assert None in (metrics["precision"], metrics["recall"], metrics["f1"])


def test_where_the_official_script_stops_the_rest_is_still_reported():
    metrics = results_of(
        pope.POPE, scores_of(GOLDEN / "all_no_answers.json", GOLDEN / "all_no_questions.json")
    ).metrics
    assert metrics["accuracy"] == 0.5
    assert metrics["yes_ratio"] == 0
    assert metrics["recall"] == 0
    assert metrics["precision"] is None
    assert metrics["f1"] is None


def test_strict_counts_what_it_cannot_read_and_leaves_it_out(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked("yes", "no", "yes", "no"))
    said = ["Yes.", "NO", "not sure", ""]
    answers = write(tmp_path / "a.json", [{"answer": text} for text in said])
    results = results_of(pope.POPE, scores_of(answers, questions, mode="strict"))
    assert results.unparsed == 2
    assert results.metrics["unparsed"] == 0.5
    assert results.metrics["accuracy"] == 1
    official = results_of(pope.POPE, scores_of(answers, questions))
    assert official.metrics["accuracy"] == 0.25


def test_mean_f1_is_the_mean_of_the_splits_and_not_the_pooled_one(tmp_path: Path):
    first = write(tmp_path / "x_random.json", asked("yes", "yes", "no", "no"))
    second = write(tmp_path / "x_popular.json", asked("yes", "yes", "no", "no"))
    said = ["yes", "yes", "no", "no", "yes", "no", "yes", "yes"]
    answers = write(tmp_path / "a.json", [{"answer": text} for text in said])
    results = results_of(pope.POPE, scores_of(answers, first, second))
    assert results.strata["random"]["f1"] == 1
    assert results.strata["popular"]["f1"] == pytest.approx(0.4)
    assert results.metrics["mean_f1"] == pytest.approx(0.7)
    assert results.metrics["f1"] == pytest.approx(2 * 0.6 * 0.75 / 1.35)


def test_a_folder_has_an_answer_file_for_each_split(tmp_path: Path):
    first = write(tmp_path / "x_random.json", asked("yes"))
    second = write(tmp_path / "x_popular.json", asked("no"))
    (tmp_path / "said").mkdir()
    write(tmp_path / "said" / "popular.jsonl", [{"answer": "no"}])
    write(tmp_path / "said" / "random.jsonl", [{"answer": "yes"}])
    assert (
        results_of(pope.POPE, scores_of(tmp_path / "said", first, second)).metrics["accuracy"] == 1
    )


def test_tables_of_other_tools_are_joined_by_image_and_question(tmp_path: Path):
    first = write(tmp_path / "x_random.json", asked("yes", "no"))
    second = write(tmp_path / "x_popular.json", asked("yes", "no"))
    table = tmp_path / "m_POPE.tsv"
    table.write_text(
        "index\tcategory\timage_source\tquestion\tanswer\tprediction\n"
        "0\trandom,popular\tp0\tIs there 2?\tNo\tno\n"
        "1\tpopular\tp0\tIs there 1?\tYes\tNo.\n"
        "2\trandom\tp0\tIs there 1?\tYes\tYes\n"
    )
    strata = results_of(pope.POPE, scores_of(table, first, second)).strata
    assert strata["random"]["accuracy"] == 1
    assert strata["popular"]["accuracy"] == 0.5
    samples = [
        {
            "doc_id": i,
            "doc": {
                "question_id": str(number),
                "question": f"Is there {number}?",
                "image_source": "p0",
                "category": part,
            },
            "target": "yes",
            "resps": [["Yes"]],
            "filtered_resps": [said],
        }
        for i, (number, part, said) in enumerate(
            [(2, "popular", "no"), (1, "popular", "Yes"), (1, "random", "no"), (2, "random", "no")]
        )
    ]
    strata = results_of(
        pope.POPE, scores_of(write(tmp_path / "m_samples_pope.jsonl", samples), first, second)
    ).strata
    assert strata["random"]["accuracy"] == 0.5
    assert strata["popular"]["accuracy"] == 1


def test_nothing_is_truncated_to_the_shorter(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked("yes", "no"))
    answers = write(tmp_path / "a.json", [{"answer": "yes"}])
    with pytest.raises(UserError, match="1 answers to 2 questions"):
        scores_of(answers, questions)


def test_answers_to_the_old_random_split_are_told_from_todays(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked(*["yes", "no"] * 1500))
    answers = write(tmp_path / "a.json", [{"answer": "yes"}] * 2910)
    with pytest.raises(UserError, match="random split of May 2023"):
        scores_of(answers, questions)


def test_a_truncated_question_file_is_refused(tmp_path: Path):
    cut = write(tmp_path / "coco_pope_random.json", asked("yes", "no"))
    with pytest.raises(UserError, match="2 rows; a split of COCO has 3,000"):
        pope.read_data([cut])


def test_a_doubled_question_is_refused(tmp_path: Path):
    twice = write(tmp_path / "q.json", [*asked("yes", "no"), *asked("yes")])
    with pytest.raises(UserError, match="question_ids are repeated"):
        pope.read_data([twice])


def test_answers_in_another_order_are_refused_and_the_row_is_named(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked("yes", "no", "yes"))
    answers = write(tmp_path / "a.json", [{"question_id": i, "answer": "yes"} for i in (1, 3, 2)])
    with pytest.raises(UserError, match=r"another order[\s\S]*a.json:2"):
        scores_of(answers, questions)


@pytest.mark.parametrize("n", [6, 30_000])
def test_questions_given_as_answers_are_refused(tmp_path: Path, n: int):
    questions = write(tmp_path / "q.json", asked(*["yes", "no"] * (n // 2)))
    assert pope.large([questions], questions, "official", tmp_path / "items.jsonl") is None
    with pytest.raises(UserError, match="The answers are the questions themselves") as error:
        scores_of(questions, questions)
    assert error.value.where == str(questions)


def test_questions_that_say_something_else_are_no_disorder(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked("yes"))
    answers = write(
        tmp_path / "a.json", [{"question": "Is there 1? Say yes or no", "answer": "no"}]
    )
    assert len(scores_of(answers, questions)) == 1


def told_of(questions: list[dict[str, object]], prompt: str = "{}") -> list[dict[str, object]]:
    return [{"question": prompt.format(q["text"]), "answer": "yes"} for q in questions]


def test_answers_to_another_split_are_refused_by_their_questions(tmp_path: Path):
    rows = asked("yes", "no", "yes", "no")
    others = [rows[0], *(row | {"text": f"{str(row['text'])[:-1]}0?"} for row in rows[1:])]
    questions = write(tmp_path / "q.json", rows)
    answers = write(tmp_path / "a.json", told_of(others))
    with pytest.raises(UserError, match=r"'Is there 20\?', question 2 is 'Is there 2\?'[\s\S]*:2"):
        scores_of(answers, questions)


def test_one_answer_to_another_question_is_refused_and_the_row_is_named(tmp_path: Path):
    rows = asked("yes", "no", "yes", "no")
    told = told_of(rows)
    told[2]["question"] = "Is there 30?"
    questions, answers = write(tmp_path / "q.json", rows), write(tmp_path / "a.json", told)
    with pytest.raises(UserError, match=r"'Is there 30\?', question 3 is[\s\S]*a.json:3"):
        scores_of(answers, questions)


def test_a_text_that_differs_by_a_blank_does_not_hide_another_order(tmp_path: Path):
    rows = asked("yes", "no", "yes")
    told = told_of(rows)[::-1]
    told[0]["question"] = f"{told[0]['question']} "
    questions, answers = write(tmp_path / "q.json", rows), write(tmp_path / "a.json", told)
    with pytest.raises(UserError, match=r"another order[\s\S]*a.json:1"):
        scores_of(answers, questions)


def test_an_id_that_differs_does_not_hide_another_order(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked("yes", "no", "yes", "no"))
    ids = [4, 3, 2, "1b"]
    answers = write(tmp_path / "a.json", [{"question_id": i, "answer": "yes"} for i in ids])
    with pytest.raises(UserError, match=r"another order[\s\S]*a.json:1"):
        scores_of(answers, questions)


@pytest.mark.parametrize("first", [0, 1, 3001])
def test_a_tools_own_numbers_of_rows_are_no_ids_of_the_data(tmp_path: Path, first: int):
    one = write(tmp_path / "x_random.json", asked("yes", "no", "yes"))
    two = write(tmp_path / "x_popular.json", asked("yes", "no", "yes"))
    told = [{"question_id": first + i, "answer": "yes"} for i in range(6)]
    assert len(scores_of(write(tmp_path / "a.json", told), one, two)) == 6


@pytest.mark.parametrize(
    "prompt",
    [
        "{} Answer yes or no.",
        "<image>\n{}\nPlease answer this question with one word.",
        "USER: {}\nASSISTANT:",
        "  {}",
    ],
)
def test_words_around_a_question_do_not_matter(tmp_path: Path, prompt: str):
    rows = asked("yes", "no", "yes")
    told = told_of(rows, prompt)
    told[1]["question"] = str(told[1]["question"]).replace("?", "").upper()
    told[2]["question"] = ""
    questions, answers = write(tmp_path / "q.json", rows), write(tmp_path / "a.json", told)
    assert len(scores_of(answers, questions)) == 3


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [
        ("Is there a car in the image?", True),
        ("is there  a car\nin the image", True),
        ("Look. Is there a car in the image? Yes or no?", True),
        ("Is there a carpet in the image?", False),
        ("Is there a car in the images?", False),
        ("Is there a dog in the image? Is there a car?", False),
        (" ", True),
    ],
)
def test_a_prompt_asks_a_question_where_it_has_all_its_words(prompt: str, asks: bool):
    assert is_asked("Is there a car in the image?", prompt) is asks
    assert is_asked("Is there a car in the image", prompt) is asks


def test_the_published_splits_are_told_apart_by_their_questions(tmp_path: Path, test_data: Path):
    paths = {split: test_data / "pope" / f"coco_pope_{split}.json" for split in pope.SPLITS}
    told: dict[str, Path] = {}
    for split, path in paths.items():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        told[split] = write(tmp_path / f"{split}.json", told_of(rows, "{} Answer yes or no."))
    assert len(scores_of(told["random"], paths["random"])) == 3000
    for one, other in (("popular", "random"), ("adversarial", "popular")):
        with pytest.raises(UserError, match="to other questions"):
            scores_of(told[one], paths[other])


def test_an_answer_that_is_no_text_is_refused_with_its_row(tmp_path: Path):
    questions = write(tmp_path / "q.json", asked("yes", "no"))
    answers = write(tmp_path / "a.json", [{"answer": "yes"}, {"answer": None}])
    with pytest.raises(UserError, match=r"null[\s\S]*a.json:2"):
        scores_of(answers, questions)


def test_the_rules_of_other_tools_part_on_untidy_answers():
    assert readings("NO", "no") == {
        "pope": "yes",
        "mme": "no",
        "vlmevalkit": "no",
        "lmms_eval_pope": "no",
        "lmms_eval_mme": "no",
        "amber": "unread",
        "strict": "no",
        "vcd": "no",
    }
    assert readings("Yes.", "yes")["lmms_eval_pope"] == "unread"
    assert readings("I don't know", "no")["vcd"] == "no"
    assert readings("snow", "yes")["mme"] == "no"
    assert not disagree("Yes", "yes")
    assert disagree("yes", "yes")  # AMBER's script wants the capital


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("Yes, there is.", "yes"),
        ("NO", "no"),
        ("There is no dog.", "no"),
        ("now", "unread"),
        ("not sure", "unread"),
        ("", "unread"),
        ("It is yes and no", "unread"),
        ("No, yes it is", "no"),
        ("I know. No.", "unread"),
    ],
)
def test_strict_reads_the_first_word_or_the_only_one_in_the_first_sentence(text: str, reading: str):
    assert strict(text) == reading


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("no-one", "no"),
        ("a no-one", "no"),
        ("a - no-one", "unread"),  # a dash beside a blank makes all dashes vanish
        ("yes/no", "unread"),
        ("Yes, no.", "unread"),
        ("1,000 no-", "no"),
        ("no.", "no"),
    ],
)
def test_vlmevalkits_clearing_depends_on_the_whole_text(text: str, reading: str):
    assert vlmevalkit(text) == reading


@given(st.text(alphabet="NnOoTtYyEeSs.,! \n", max_size=20))
def test_the_official_rule_always_reads_something(text: str):
    assert readings(text, "yes")["pope"] in ("yes", "no")


def test_resampled_rates_are_those_of_the_sums():
    sums = {name: np.array([1.0, 0.0]) for name in pope.OUTCOMES}
    made = pope.rates(sums)
    assert made.f1[0] == 0.5
    assert np.isnan(made.f1[1])


def test_known_question_files_are_named():
    folder = os.environ.get("GROUNDTUNE_TEST_DATA")
    if not folder:
        pytest.skip("GROUNDTUNE_TEST_DATA isn't set")
    paths = [Path(folder) / "pope"]
    with record_found_files() as found:
        pope.read_data(paths)
    told = describe(paths, found)
    assert [each.revision.partition(",")[0] for each in told] == [
        "coco_pope_adversarial.json",
        "coco_pope_popular.json",
        "coco_pope_random.json",
    ]
    assert len(pope.read_data([Path(folder) / "pope"]).questions) == 9000


def test_a_question_file_of_a_folder_that_is_no_known_revision_is_named_too(tmp_path: Path):
    path = write(tmp_path / "my_pope.json", asked("yes", "no"))
    write(tmp_path / "answers.json", [{"question": "?", "answer": "Yes"}])
    with record_found_files() as found:
        pope.read_data([tmp_path])
    (told,) = describe([tmp_path], found)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (told.path, told.sha256, told.revision) == (str(path), digest, "unknown revision")


def test_a_folder_of_many_questions_is_named_as_one_by_its_texts_alone(tmp_path: Path):
    (tmp_path / "existence").mkdir()
    (tmp_path / "existence" / "a.txt").write_text("Is it there?\tYes")
    (before,) = describe([tmp_path])
    assert (before.path, before.revision) == (str(tmp_path), "unknown revision, files: 1")
    (tmp_path / "existence" / "a.jpg").write_bytes(b"a picture")
    assert describe([tmp_path]) == [before]
    (tmp_path / "existence" / "a.txt").write_text("Is it there?\tNo")
    assert describe([tmp_path])[0].sha256 != before.sha256


def test_the_command_prints_one_object_and_loads_no_torch(tmp_path: Path):
    code = (
        "import sys; from groundtune.cli.app import run; status = run(sys.argv[1:]);"
        "assert 'torch' not in sys.modules; sys.exit(status)"
    )
    command = ["bench", "score", "pope", str(GOLDEN / "edges_answers.json")]
    command += ["--data", str(GOLDEN / "edges_questions.json"), "--json", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told["benchmark"] == "pope"
    assert told["mode"] == "official"
    assert told["n"] == 102
    assert told["metrics"]["f1"] == OFFICIAL["edges"]["printed"]["F1 score"]
    rows = [json.loads(row) for row in Path(told["items"]).read_text().splitlines()]
    assert [row["extracted"][0] for row in rows] == OFFICIAL["edges"]["items"]
    assert rows[5]["rules"]["amber"] == "unread"
    assert told["other"]["mode"] == "strict"
