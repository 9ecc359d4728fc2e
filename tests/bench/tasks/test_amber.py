# pyright: reportOptionalCall=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# Reason: a benchmark may lack a hook; those of these tests have them; golden files are JSON.

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
import pytest
from official_figures import OfficialFigures

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemAnswer, Mode
from groundtune.bench.results import Values, strata_of, values_of_table
from groundtune.bench.stats.sums import tabulate
from groundtune.bench.tasks.amber import rates
from groundtune.bench.tasks.amber.amber import AMBER, AmberData, ObjectNames, describe
from groundtune.bench.tasks.amber.nouns import nouns_of
from groundtune.bench.text.tool_readings import tool_readings
from groundtune.cli.app import run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.bench.score import ScoreSettings, score_bench

GOLDEN = Path(__file__).parent / "golden" / "amber"
BLOCKS = {
    "Exsitence": "existence",
    "Attribute": "attribute",
    "State": "attribute/state",
    "Number": "attribute/number",
    "Action": "attribute/action",
    "Relation": "relation",
}
ROWS = [
    {"type": "generative", "truth": ["tree", "person"], "hallu": ["dog", "cat"]},
    {"type": "discriminative-attribute-state", "truth": "yes"},
    {"type": "discriminative-hallucination", "truth": "no"},
    {"type": "relation", "truth": "no"},
]
FILLER: list[dict[str, object]] = [{"type": "relation", "truth": "no"}] * (15_220 - len(ROWS))
RELATION = {"tree": ["bush"], "person": ["man"], "dog": ["hound"], "cat": [], "sky": [], "car": []}


class Figures(NamedTuple):
    """Without intervals, which take long for 14,216 answers."""

    metrics: Values
    strata: dict[str, Values]
    unparsed: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"id": i} | row for i, row in enumerate([*ROWS, *FILLER], 1)]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    (tmp_path / "relation.json").write_text(json.dumps(RELATION))
    (tmp_path / "safe_words.txt").write_text("sky\n")
    (tmp_path / "query").mkdir()
    asked = [{"id": i, "image": "AMBER_1.jpg", "query": f"Query {i}?"} for i in range(1, 5)]
    (tmp_path / "query" / "query_all.json").write_text(json.dumps(asked))
    return tmp_path


@pytest.fixture(scope="module")
def real(test_data: Path) -> AmberData:
    return AMBER.read_data([test_data / "amber"])


def results(
    data: AmberData,
    said: dict[int, str],
    mode: Mode = "official",
    similarity: Callable[[str, str], float] | None = None,
) -> Figures:
    answers = [ItemAnswer(text=text, item=str(item)) for item, text in said.items()]
    scores = AMBER.score(data, answers, Scoring(mode=mode, similarity=similarity))
    return Figures(
        metrics=values_of_table(tabulate(scores), AMBER.metrics),
        strata={
            name: values_of_table(tabulate(some), AMBER.metrics)
            for name, some in strata_of(scores).items()
        },
        unparsed=sum(score.status == "unparsed" for score in scores),
    )


@pytest.mark.official
@pytest.mark.parametrize("name", ["mixed", "mostly_no", "none_exact"])
def test_every_figure_of_the_questions_is_the_official_script_s(
    real: AmberData, name: str, official: OfficialFigures
) -> None:
    golden = json.loads((GOLDEN / "discriminative.json").read_text())
    said = golden["answers"][name]
    asked = [i for i, row in enumerate(real.rows, 1) if row.type != "generative"]
    assert len(asked) == 14_216
    answers = {i: said[(i * i * 31 + i * 7) % 101 % len(said)] for i in asked}
    made = results(real, answers)
    blocks = golden["printed"][name]
    for block, figures in blocks.items():
        if block in BLOCKS or block == "Descriminative Task":
            own = made.metrics if block not in BLOCKS else made.strata[BLOCKS[block]]
            found = [own[figure.lower()] for figure in figures]
            official.figures("amber", found, figures.values())
    assert made.metrics["chair"] is None
    assert made.metrics["amber_score"] is None


@pytest.mark.official
@pytest.mark.parametrize("similarity", ["equal", "letters"])
def test_every_figure_of_descriptions_is_the_official_script_s_for_its_nouns(
    real: AmberData, similarity: str, official: OfficialFigures
) -> None:
    def letters(first: str, second: str) -> float:
        return 0.9 if first[:2] == second[:2] else 0.0

    golden = json.loads((GOLDEN / "generative.json").read_text())
    sums: defaultdict[str, float] = defaultdict(float)
    for answer, nouns in zip(golden["answers"], golden["nouns"], strict=True):
        row = real.rows[answer["id"] - 1]
        alike = letters if similarity == "letters" else None
        made = describe(real, row, answer["response"], nouns, alike)
        for name, value in (made.values | {"official": 1.0}).items():
            sums[name] += value
    columns = {name: np.array([value]) for name, value in sums.items()}
    theirs = {name.lower(): value for name, value in golden[similarity].items()}
    made_of = {"chair": rates.chair, "cover": rates.cover, "hal": rates.hal, "cog": rates.cog}
    own = [made_of[name](columns).item() for name in theirs]
    official.figures("amber", own, theirs.values())


def test_nouns_of_descriptions_are_nearly_those_of_the_tagger(real: AmberData) -> None:
    # The descriptions are drawn from patterns, harder than what models write.
    golden = json.loads((GOLDEN / "generative.json").read_text())
    found = [Counter(nouns_of(a["response"], real.vocabulary)) for a in golden["answers"]]
    theirs = [Counter(nouns) for nouns in golden["nouns"]]
    pairs = list(zip(found, theirs, strict=True))
    wrong = sum(((own - other) + (other - own)).total() for own, other in pairs)
    assert wrong <= 0.03 * sum(other.total() for other in theirs)
    assert sum(own == other for own, other in pairs) >= 0.9 * len(pairs)


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("A dog can run.", ["dog"]),
        ("a hot dog", ["dog"]),
        ("Two men watch children near the lake.", ["child", "lake"]),
        ("Dogs and SKY", []),
    ],
)
def test_nouns_are_base_forms_of_what_the_tagger_calls_a_noun(text: str, nouns: list[str]) -> None:
    vocabulary = {"dog", "can", "hot", "watch", "child", "lake", "man", "sky"}
    assert nouns_of(text, vocabulary) == nouns


def test_figures_of_few_answers_are_those_counted_by_hand(folder: Path) -> None:
    data = AMBER.read_data([folder])
    said = {1: "A man, a hound, a car under the sky.", 2: "Yes", 3: "No", 4: "no"}
    strict = results(data, said, "strict").metrics
    assert strict["chair"] == pytest.approx(50)  # hound and car of man, hound, car, sky
    assert strict["cover"] == pytest.approx(50)
    assert strict["hal"] == pytest.approx(100)
    assert strict["cog"] == pytest.approx(50)
    assert strict["accuracy"] == strict["f1"] == pytest.approx(100)
    assert strict["amber_score"] == pytest.approx(75)
    official = results(data, said)
    # 100 * 2 / 4.001, and so on, rounded to one decimal; "no" is no answer
    assert official.unparsed == 1
    assert official.metrics["chair"] == 50.0
    assert official.metrics["hal"] == 100.0
    assert official.metrics["accuracy"] == 66.6
    assert official.metrics["precision"] == 99.9
    assert official.metrics["recall"] == 50.0
    assert official.metrics["f1"] == 66.6
    assert official.metrics["amber_score"] == pytest.approx((100 - 50.0 + 66.6) / 2)


def test_a_similarity_that_is_handed_in_makes_nouns_the_same_and_is_named(folder: Path) -> None:
    def alike(first: str, second: str) -> float:
        return 0.9 if {first, second} == {"car", "bush"} else 0.8

    data = AMBER.read_data([folder])
    answers = [ItemAnswer(text="A car and a hound.", item="1")]
    (score,) = AMBER.score(data, answers, Scoring(similarity=alike))
    assert (score.values["wrong_nouns"], score.values["covered"]) == (1, 1)
    assert score.why == "not there: hound (similarity: alike)"
    (score,) = AMBER.score(data, answers, Scoring())
    assert (score.values["wrong_nouns"], score.values["covered"]) == (2, 0)
    assert score.why == "not there: car, hound (only equal nouns match)"


def test_another_name_marks_its_object_and_the_first_one_wins() -> None:
    names = ObjectNames.of(["sea", "pool"], {"sea": ["water"], "pool": ["water", "sea"]})
    assert names.take("water")
    assert names.hits == [True, False]
    assert names.take("sea")  # as another name of the pool, before its own
    assert names.hits == [True, True]
    assert not names.take("dog")


def test_words_in_capitals_count_in_mode_strict_alone(folder: Path) -> None:
    data = AMBER.read_data([folder])
    assert results(data, {1: "Trees."}).metrics["cover"] == 0
    assert results(data, {1: "Trees."}, "strict").metrics["cover"] == pytest.approx(50)


def test_a_part_may_be_answered_and_the_notes_say_what_is_missing(real: AmberData) -> None:
    answers = [ItemAnswer(text="Yes", item="1005"), ItemAnswer(text="No.", item="1006")]
    scores = AMBER.score(real, answers, Scoring())
    assert AMBER.notes is not None
    told = AMBER.notes(real, answers, scores)
    assert told[0] == "Only 2 of 7,628 attribute items are answered."
    assert told[1].startswith("1 answers are not exactly Yes or No")


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"id": 15_221, "response": "Yes"}], "none of the 15,220 items"),
        ([{"id": "\u00b2", "response": "Yes"}], "none of the 15,220 items"),
        ([{"id": "1" * 5000, "response": "Yes"}], "none of the 15,220 items"),
        ([{"id": 2, "response": None}], "must be text"),
        ([{"question": "Query 9?", "image": "AMBER_1.jpg", "prediction": "Yes"}], "no query is"),
        ([], "no responses"),
    ],
)
def test_responses_that_do_not_fit_are_refused(
    folder: Path, rows: list[dict[str, object]], what: str
) -> None:
    (folder / "said.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match=what):
        AMBER.read_answers(folder / "said.json", AMBER.read_data([folder]))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("relation.json", "[" * 100_000, "nested more than 100 deep"),
        ("relation.json", '{"cat": [' + "1" * 5000 + "]}", "too many digits"),
        ("annotations.json", '[{"id": ' + "1" * 5000 + "}]", "too many digits"),
        ("annotations.json", "[" * 100_000, "nested more than 100 deep"),
        ("query_all.json", '[{"id": Infinity, "image": "a.jpg", "query": "q"}]', "lacks id"),
    ],
)
def test_data_beyond_what_json_is_read_to_are_refused(
    folder: Path, name: str, text: str, what: str
) -> None:
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=what):
        AMBER.read_data([folder])


def test_rows_without_an_id_are_joined_by_image_and_question(folder: Path) -> None:
    row = {"index": 7, "image_path": "x/AMBER_1.jpg", "question": "query 3?", "prediction": "No"}
    (folder / "said.json").write_text(json.dumps([row]))
    (answer,) = AMBER.read_answers(folder / "said.json", AMBER.read_data([folder]))
    assert (answer.item, answer.text) == ("3", "No")


def test_a_question_that_is_asked_twice_or_in_other_words_finds_its_items(folder: Path) -> None:
    asked = ["Query 1?", "Query 2?", "Query 2?", "Query 4?"]
    rows = [{"id": i, "image": "AMBER_1.jpg", "query": q} for i, q in enumerate(asked, 1)]
    (folder / "query" / "query_all.json").write_text(json.dumps(rows))
    other = [{"id": 4, "image": "AMBER_1.jpg", "query": "In other words?"}]
    (folder / "query" / "query_relation.json").write_text(json.dumps(other))
    data = AMBER.read_data([folder])

    def items(*questions: str) -> list[str]:
        said = [{"image": "AMBER_1", "question": q, "prediction": "No"} for q in questions]
        (folder / "said.json").write_text(json.dumps(said))
        return [answer.item for answer in AMBER.read_answers(folder / "said.json", data)]

    assert items("query 2?", "query 4?", "query 2?") == ["2", "3", "4"]
    assert items("in other words?") == ["4"]
    assert items("query 2?", "query 2?", "query 2?") == ["2", "3", "3/2"]


def test_joining_by_question_takes_as_long_as_there_are_rows(tmp_path: Path) -> None:
    number = 15_220
    rows = [{"id": i, "type": "relation", "truth": "no"} for i in range(1, number + 1)]
    asked = [{"id": i, "image": "a.jpg", "query": f"Query {i}?"} for i in range(1, number + 1)]
    for name, content in (("annotations", rows), ("relation", RELATION), ("query_all", asked)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "safe_words.txt").write_text("sky\n")
    table = [f"a.jpg\tquery {i}?\tNo" for i in range(1, number + 1)]
    path = tmp_path / "table.tsv"
    path.write_text("\n".join(["image_path\tquestion\tprediction", *table]))
    data, start = AMBER.read_data([tmp_path]), process_time()
    assert len(AMBER.read_answers(path, data)) == number
    assert process_time() - start < 2  # with all rows looked at for each, over ten minutes


def test_metrics_txt_is_read_as_text_and_other_numbers_are_refused(folder: Path) -> None:
    path = folder / "metrics.txt"
    path.write_text("chair_num=0.001\nchair_score=0\n")
    assert len(AMBER.read_data([folder]).rows) == 15_220
    path.write_text("chair_num=__import__('os').getpid()\n")
    with pytest.raises(UserError, match="begins at __import__"):
        AMBER.read_data([folder])


def test_annotations_that_are_truncated_and_an_empty_safe_list_are_refused(folder: Path) -> None:
    path = folder / "annotations.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(rows[:1004]))
    with pytest.raises(UserError, match="has 1,004 rows; it must have 15,220"):
        AMBER.read_data([folder])
    path.write_text(json.dumps(rows))
    (folder / "safe_words.txt").write_text("\n")
    with pytest.raises(UserError, match="list of safe words is empty"):
        AMBER.read_data([folder])


def test_the_result_names_every_file_that_was_read_and_no_other(folder: Path) -> None:
    (folder / "notes.txt").write_text("nothing of AMBER's")
    (folder / "answers.json").write_text('[{"id": 2, "response": "Yes"}]')
    params = ScoreSettings(name="amber", answers=folder / "answers.json", data=(folder,))
    (result,) = score_bench(params, folder / "out", SilentProgress()).results
    told = result.as_json()["data"]
    names = ("annotations.json", "relation.json", "safe_words.txt", "query/query_all.json")
    assert [(Path(each["path"]), each["revision"]) for each in told] == [
        (folder / name, "unknown revision") for name in names
    ]


def test_a_result_names_the_vectors_that_made_nouns_the_same_or_says_there_were_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, vectors = folder / "answers.json", folder / "vec.txt"
    answers.write_text('[{"id": 1, "response": "A car and a hound."}]')
    vectors.write_text("car 1 0\nbush 1 0\nhound 0 1\n")
    command = ["bench", "score", "amber", str(answers), "--data", str(folder)]

    def told(*options: str) -> tuple[dict[str, Any], str]:
        out = ["--out", str(folder / "out")]
        assert run([*command, *out, *options]) == 0
        printed = capsys.readouterr().out
        assert run([*command, *out, *options, "--json"]) == 0
        return json.loads(capsys.readouterr().out), printed

    made, printed = told()
    assert made["metrics"]["chair"] == pytest.approx(100, abs=0.1)
    assert made["similarity"] == {"name": "equal nouns only"}
    assert "No word vectors were given" in printed
    made, printed = told("--similarity", str(vectors))
    assert made["metrics"]["chair"] == pytest.approx(50, abs=0.1)
    digest = sha256(vectors.read_bytes()).hexdigest()
    assert made["similarity"] == {
        "name": "cosine of vec.txt",
        "file": str(vectors),
        "sha256": digest,
    }
    assert digest in printed
    assert not any("No word vectors" in note for note in made["notes"])
    answers.write_text('[{"id": 2, "response": "Yes"}]')
    made, _ = told("--similarity", str(vectors))
    assert "similarity" not in made  # no nouns were compared


def test_what_other_tools_read_is_reported_for_questions_and_not_for_descriptions(
    folder: Path,
) -> None:
    data = AMBER.read_data([folder])
    said = {1: "A man.", 2: "Yes.", 3: "No", 4: "no"}
    answers = [ItemAnswer(text=text, item=str(item)) for item, text in said.items()]
    scores = AMBER.score(data, answers, Scoring())
    made, apart = tool_readings(scores, "amber")
    by_tool = {each.tool: each for each in made}
    assert by_tool["amber"].n == 3
    assert by_tool["amber"].unread == 2
    assert {each.answer for each in apart} == {"Yes.", "no"}
    assert AMBER.columns is not None
    assert [bool(AMBER.columns(score)) for score in scores] == [False, True, True, True]
