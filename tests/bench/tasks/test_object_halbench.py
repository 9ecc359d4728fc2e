# pyright: reportOptionalCall=false
# Reason: a benchmark may lack a hook; those of these tests have them.

import json
from pathlib import Path

import pytest
from official_figures import OfficialFigures

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Mode
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.results import Values, values_of_table
from groundtune.bench.stats.sums import tabulate
from groundtune.bench.tasks.chair.chair import ChairData
from groundtune.bench.tasks.chair.object_halbench import (
    OBJECT_HALBENCH,
    nouns_of,
    read_reply,
    requests,
)
from groundtune.bench.text.coco_words import read_list
from groundtune.errors import UserError
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.records import Score
from job_works import Notes

GOLDEN = Path(__file__).parent / "golden" / "object_halbench"
COCO = GOLDEN.parent / "chair"
FIGURES = {
    "CHAIRs": "response_hall_all",
    "CHAIRs_refine": "response_hall",
    "CHAIRi": "mention_hall",
    "obj_rec": "recall",
    "avg_word_len": "length",
}
LIST = "person, man, people\ndog, puppy\nbus\ntraffic light, stop light\ntoilet\nchair, seat\ncar"


@pytest.fixture(scope="module")
def data(test_data: Path) -> ChairData:
    folder = test_data / "object_halbench"
    coco = [COCO / "instances_val2014.json", COCO / "captions_val2014.json"]
    return OBJECT_HALBENCH.read_data([*coco, folder / "synonyms_refine.txt"])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "synonyms_refine.txt").write_text(LIST)
    instances = {
        "images": [{"id": 1}, {"id": 2}],
        "annotations": [{"image_id": 1, "category_id": 5}],
        "categories": [{"id": 5, "name": "dog"}],
    }
    (tmp_path / "instances_val2014.json").write_text(json.dumps(instances))
    captions = {"annotations": [{"image_id": 1, "caption": "A man."}]}
    (tmp_path / "captions_val2014.json").write_text(json.dumps(captions))
    return tmp_path


def scored(
    folder: Path, said: dict[int, str], replies: dict[int, str] | None, mode: Mode = "official"
) -> list[Score]:
    data = OBJECT_HALBENCH.read_data([folder])
    rows = [{"image_id": i, "question": "?", "answer": text} for i, text in said.items()]
    (folder / "answers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answers = OBJECT_HALBENCH.read_answers(folder / "answers.jsonl", data)
    judge = None
    if replies is not None:
        lines = [json.dumps({"id": str(i), "reply": text}) for i, text in replies.items()]
        (folder / "replies.jsonl").write_text("\n".join(lines))
        judge = RecordedJudge(folder / "replies.jsonl")
    return OBJECT_HALBENCH.score(data, answers, Scoring(mode=mode, judge=judge))


def figures(scores: list[Score]) -> Values:
    return values_of_table(tabulate(scores), OBJECT_HALBENCH.metrics)


@pytest.mark.official
@pytest.mark.parametrize("extraction", ["rules", "judge"])
def test_every_answer_and_figure_is_that_of_the_official_script(
    data: ChairData, extraction: str, official: OfficialFigures
) -> None:
    # By a judge: with NLTK's tagger in place of spaCy's model, which no test can have.
    golden = json.loads((GOLDEN / "official.json").read_text())
    answers = OBJECT_HALBENCH.read_answers(GOLDEN / "answers.jsonl", data)
    judge = RecordedJudge(GOLDEN / "replies.jsonl") if extraction == "judge" else None
    scores = OBJECT_HALBENCH.score(data, answers, Scoring(judge=judge))
    assert len(scores) == 60
    for score in scores:
        words = golden[extraction]["items"][score.item]
        nodes = [data.official.nodes[word] for word in words]
        official.answers("object_halbench", [list(score.extracted)], [nodes])
        truth = sorted(data.truth(int(score.item), strict=False))
        assert truth == golden["rules"]["objects"][score.item]
    own = figures(scores)
    theirs = golden[extraction]["metrics"]
    official.figures("object_halbench", [own[FIGURES[name]] for name in theirs], theirs.values())


def test_rates_of_answers_small_enough_to_count_by_hand(small: Path) -> None:
    said = {1: "A dog and a car with a man.", 2: "Something is over there."}
    made = figures(scored(small, said, {1: '["dog", "car", "cars", "man"]', 2: "[]"}))
    assert made["response_hall"] == 1  # of the one answer that names an object
    assert made["response_hall_all"] == 1 / 2
    assert made["mention_hall"] == 1 / 3  # "cars" is the car again
    assert made["recall"] == 1
    assert made["length"] == 12 / 2


def test_without_a_judge_each_word_counts_as_often_as_it_is_said(small: Path) -> None:
    said = {1: "A dog and a car and two cars."}
    (score,) = scored(small, said, None)
    assert score.extracted == ("dog", "car", "car")
    assert score.why == "not there, by rules: car, car"
    (score,) = scored(small, said, None, "strict")
    assert score.extracted == ("dog", "car")


def test_short_answers_name_nothing_in_mode_official_alone(small: Path) -> None:
    replies = {1: '["car"]'}
    assert scored(small, {1: "A red car"}, replies)[0].extracted == ()
    assert scored(small, {1: "A red car"}, replies, "strict")[0].extracted == ("car",)


def test_an_answer_whose_reply_is_missing_or_unreadable_is_in_no_figure(small: Path) -> None:
    said = {1: "There is a dog here.", 2: "There is a car here."}
    scores = scored(small, said, {1: "()"})
    assert [score.status for score in scores] == ["unparsed", "unparsed"]
    assert scores[0].why == "no list can be read in the reply: ()"
    assert figures(scores)["response_hall"] is None
    assert figures(scores)["unparsed"] == 1


@pytest.mark.parametrize(
    ("reply", "official", "strict"),
    [
        ('["a", "b"]', ["a", "b"], ["a", "b"]),
        ("[]", [], []),
        ("()", None, []),
        ('Objects:\n["a"]', ["a"], ["a"]),
        ('["a"]\nThat is all.', None, ["a"]),
        ('```json\n["a"]\n```', None, ["a"]),
        ("none", None, None),
        ('{"objects": ["a"]}', ["objects"], ["a"]),
        ("['a']", None, None),
    ],
)
def test_replies_are_read_as_json_lists(
    reply: str, official: list[str] | None, strict: list[str] | None
) -> None:
    assert read_reply(reply, strict=False) == official
    assert read_reply(reply, strict=True) == strict


@pytest.mark.parametrize(
    ("listed", "nouns"),
    [
        ("dogs", ["dog"]),
        ("red car", ["car"]),
        ("train car", ["train car"]),
        ("group of people", ["group", "people"]),
        ("parked cars", ["car"]),
        ("old stop lights on a bus", ["stop light"]),
        ("Dog", ["dog"]),
        ("", []),
    ],
)
def test_a_listed_object_is_its_pairs_or_its_runs_of_nouns(listed: str, nouns: list[str]) -> None:
    words = read_list(LIST.splitlines(), strict=False, kind="refine")
    assert nouns_of(listed, words) == nouns


def test_the_judge_is_asked_with_question_and_answer(small: Path) -> None:
    data = OBJECT_HALBENCH.read_data([small])
    row = {"image_id": 1, "prompt": "What is here?", "text": "Assistant: A {dog}. "}
    (small / "answers.jsonl").write_text(json.dumps(row))
    answers = OBJECT_HALBENCH.read_answers(small / "answers.jsonl", data)
    (request,) = requests(answers, Judging(source=RecordedJudge()))
    assert "What is here?" in request.text
    assert "\nA {dog}.\n" in request.text
    assert request.answer == "A {dog}."


def test_the_results_name_a_file_with_a_row_for_each_answer(small: Path) -> None:
    rows = [{"image_id": 1, "question": "?", "answer": "A dog and a car are here."}]
    answers = small / "answers.jsonl"
    answers.write_text("\n".join(map(json.dumps, rows)))
    params = ScoreSettings(name="object_halbench", answers=answers, data=(small,))
    (result,) = score_bench(params, small / "out", Notes()).results
    made = result.as_json()
    (row,) = map(json.loads, Path(made["items"]).read_text().splitlines())
    assert (row["item"], row["extracted"]) == ("1", ["dog", "car"])
    assert row["why"] == "not there, by rules: car"


def test_another_list_of_synonyms_is_refused_if_it_is_not_one(small: Path) -> None:
    (small / "synonyms_refine.txt").unlink()
    with pytest.raises(UserError, match="0 synonym lists"):
        OBJECT_HALBENCH.read_data([small])


@pytest.mark.parametrize(
    ("reply", "official"),
    [('"dog"', ["d", "o", "g"]), ('{"dog": 1}', ["dog"]), ("null", None), ("3", None)],
)
def test_json_that_is_no_list_is_read_as_the_script_does(
    reply: str, official: list[str] | None
) -> None:
    assert read_reply(reply, strict=False) == official
    assert read_reply(reply, strict=True) is None
