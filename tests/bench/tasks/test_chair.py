# pyright: reportOptionalCall=false
# Reason: a benchmark may lack a hook; those of these tests have them.

import json
import pickle
import time
from collections import defaultdict
from pathlib import Path

import pytest
from official_figures import OfficialFigures

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemAnswer, Mode
from groundtune.bench.results import results_of
from groundtune.bench.tasks.chair import chair
from groundtune.bench.tasks.chair.chair import CHAIR
from groundtune.bench.tasks.chair.data import ChairData
from groundtune.bench.tasks.chair.tally import ChairTally
from groundtune.bench.text.coco import image_number, read_images
from groundtune.bench.text.coco_words import read_list
from groundtune.bench.text.tokens import tokens
from groundtune.errors import UserError
from groundtune.pipeline.compare.strata import strata_of_scores
from groundtune.records import Score

GOLDEN = Path(__file__).parent / "golden" / "chair"
LIST = """person, girl, man, woman, people, baby
bus, minibus
dog, puppy
tie, bow, bow tie
orange
cake,  cheesecake
chair, seat, stool
toilet, toilet
laptop, computer, laptop computer
mouse
motorcycle,  motor bike
oven, stove, stove top oven
wine glass
hot dog
teddy bear
traffic light, stop light
tennis racket, racket
cell phone, phone, iPhone
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "synonyms.txt").write_text(LIST)
    write_coco(tmp_path, segments=[(1, "dog"), (2, "person")], captions=[(1, "Two men."), (3, "A")])
    return tmp_path


def write_coco(
    folder: Path, segments: list[tuple[int, str]], captions: list[tuple[int, str]]
) -> None:
    names = sorted({name for _, name in segments})
    instances = {
        "info": {"year": [2014]},
        "images": [{"id": i} for i in (1, 2, 3)],
        "annotations": [{"image_id": i, "category_id": names.index(n)} for i, n in segments],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }
    (folder / "instances_val2014.json").write_text(json.dumps(instances, indent=1))
    told = {"annotations": [{"image_id": i, "caption": text} for i, text in captions]}
    (folder / "captions_val2014.json").write_text(json.dumps(told))


def scored(folder: Path, captions: dict[int, str], mode: Mode = "official") -> list[Score]:
    data = CHAIR.read_data([folder])
    answers = [ItemAnswer(text=text, item=str(image)) for image, text in captions.items()]
    return CHAIR.score(data, answers, Scoring(mode=mode))


def counted(
    data: ChairData,
    scores: list[Score],
    mode: Mode = "official",
    *,
    answers: list[ItemAnswer] | None = None,
) -> ChairTally:
    tally = ChairTally(data, mode)
    texts = [ItemAnswer(text=score.answer, item=score.item) for score in scores]
    tally.add(texts if answers is None else answers, scores)
    return tally


def named(text: str, *, strict: bool = False) -> list[str]:
    words = read_list(LIST.splitlines(), strict=strict, kind="chair")
    return [mention.node for mention in words.mentions(tokens(text.lower()))]


def lines_of(name: str) -> list[str]:
    return (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


def golden_data(test_data: Path) -> ChairData:
    return CHAIR.read_data([GOLDEN, test_data / "chair" / "synonyms.txt"])


@pytest.mark.official
def test_every_caption_and_both_rates_are_those_of_the_official_script(
    test_data: Path, official: OfficialFigures
) -> None:
    data = golden_data(test_data)
    answers = CHAIR.read_answers(GOLDEN / "answers.json", data)
    scores = CHAIR.score(data, answers, Scoring())
    first, *rows = [json.loads(line) for line in lines_of("official")]
    assert len(rows) == len(scores) == 60
    for row, score in zip(rows, scores, strict=True):
        assert score.item == str(row["image_id"])
        assert sorted(data.truth(row["image_id"], strict=False)) == row["objects"]
        wrong = [f"{word}: no {node} there" for word, node in row["invented"]]
        read = (list(score.extracted), score.why)
        official.answers("chair", [read], [(row["named"], "; ".join(wrong))])
    metrics = results_of(CHAIR, scores).metrics
    rates = [metrics["chair_s"], metrics["chair_i"]]
    official.figures("chair", rates, [first["CHAIRs"], first["CHAIRi"]])


@pytest.mark.official
def test_words_and_classes_of_drawn_captions_are_those_of_the_official_script(
    test_data: Path, official: OfficialFigures
) -> None:
    words = golden_data(test_data).official
    rows = [json.loads(line) for line in lines_of("generated")]
    assert len(rows) == 200
    for row in rows:
        found = words.mentions(tokens(row["caption"].lower()))
        read = ([mention.word for mention in found], [mention.node for mention in found])
        official.answers("chair", [read], [(row["words"], row["nodes"])])


def test_rates_of_a_file_small_enough_to_count_by_hand(folder: Path) -> None:
    # 1 has a dog and (captions) a person; 2 a person; 3 nothing.
    scores = scored(folder, {1: "A dog, a dog and an orange.", 2: "A man, two dogs.", 3: ""})
    metrics = results_of(CHAIR, scores).metrics
    assert metrics["chair_s"] == 2 / 3
    assert metrics["chair_i"] == 2 / 5
    assert metrics["recall"] == 2 / 3
    assert metrics["words"] == 11 / 3
    assert metrics["unparsed"] == 0
    assert results_of(CHAIR, scored(folder, {3: ""})).metrics["chair_i"] is None


def test_an_empty_caption_is_unparsed_in_mode_strict_alone(folder: Path) -> None:
    assert scored(folder, {1: " . "})[0].status == "scored"
    assert scored(folder, {1: " . "}, "strict")[0].status == "unparsed"


@pytest.mark.parametrize(
    ("text", "official", "strict"),
    [
        ("A bus and buses", ["bus"], ["bus", "bus"]),
        ("a cheesecake on a motor bike", [], ["cake", "motorcycle"]),
        ("an iPhone", [], ["cell phone"]),
        ("a dog/baby", [], ["dog", "person"]),
        ("a teddy-bear, a man-made dog-bus", [], ["teddy bear", "bus"]),
        ("computer mice", ["laptop", "mouse"], ["mouse"]),
        ("an orange dog", ["orange", "dog"], ["dog"]),
        ("an orange and white puppy", ["orange", "dog"], ["dog"]),
        ("an orange and a puppy", ["orange", "dog"], ["orange", "dog"]),
        ("oranges", ["orange"], ["orange"]),
        ("a toilet, a seat", ["toilet"], ["toilet", "chair"]),
        ("toilet seat", ["toilet"], ["toilet"]),
        ("the seat of the toilet", ["toilet"], ["toilet"]),
        ("stove top oven", ["oven", "oven"], ["oven"]),
        ("wine glasses, a wine glass", ["wine glass"] * 2, ["wine glass"] * 2),
        ("tennis rackets", ["tennis racket"], ["tennis racket"]),
        ("a bow tie, baby dogs, hot dogs", ["tie", "dog", "hot dog"], ["tie", "dog", "hot dog"]),
        ("hot. dog.", ["dog"], ["dog"]),
        ("no dog there", ["dog"], ["dog"]),
    ],
)
def test_strict_mends_what_official_reads_wrongly(
    text: str, official: list[str], strict: list[str]
) -> None:
    assert named(text) == official
    assert named(text, strict=True) == strict


def test_invented_words_are_marked_where_they_are(folder: Path) -> None:
    text = "A dog near a Motorcycle; hot  Dogs!"
    (score,) = scored(folder, {1: text})
    assert [text[span.start : span.end] for span in score.spans] == ["Motorcycle", "hot  Dogs"]


def test_of_a_caption_with_very_many_mentions_the_first_are_marked_and_all_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chair, "MAX_MARKED", 2)
    (score,) = scored(folder, {1: "a motorcycle, " * 5})
    assert [(span.start, span.end) for span in score.spans] == [(2, 12), (16, 26)]
    assert score.values["invented_mentions"] == 5


def test_a_note_names_the_classes_that_are_invented_most_often(folder: Path) -> None:
    scores = scored(folder, {1: "A hot dog, two hot dogs and a bow tie.", 2: ""})
    answers = [ItemAnswer(text=score.answer, item=score.item) for score in scores]
    first, second = counted(CHAIR.read_data([folder]), scores, answers=answers).notes()
    assert first == "Most often invented: hot dog (2), tie (1)."
    assert second.startswith("1 captions are empty")


def test_each_class_is_counted_as_by_hand(folder: Path) -> None:
    # 1 has a dog and (captions) a person; 2 a person; 3 nothing.
    said = {1: "A dog, a dog and an orange.", 2: "A man, two dogs, a dog.", 3: "An orange."}
    scores = scored(folder, said)
    found = counted(CHAIR.read_data([folder]), scores, "official").strata()
    keys = ("named", "invented", "chair_i", "there", "recall")
    assert [found["class/dog"][key] for key in keys] == [4, 2, 1 / 2, 1, 1]
    assert [found["class/orange"][key] for key in keys] == [2, 2, 1, 0, None]
    assert [found["class/person"][key] for key in keys] == [1, 0, 0, 2, 1 / 2]
    assert [found["class/bus"][key] for key in keys] == [0, 0, None, 0, None]
    assert len(found) == len({line.split(", ")[0] for line in LIST.splitlines()})


def test_classes_add_up_to_the_rates_of_the_whole(test_data: Path) -> None:
    data = golden_data(test_data)
    scores = CHAIR.score(data, CHAIR.read_answers(GOLDEN / "answers.json", data), Scoring())
    found = counted(data, scores, "official").strata().values()
    assert len(found) == 80
    named, invented, there = (
        sum(row[k] or 0 for row in found) for k in ("named", "invented", "there")
    )
    metrics = results_of(CHAIR, scores).metrics
    assert invented / named == metrics["chair_i"]
    assert sum((row["recall"] or 0) * (row["there"] or 0) for row in found) / there == (
        pytest.approx(metrics["recall"])
    )


def test_the_report_has_the_classes_that_are_invented_most_often(folder: Path) -> None:
    said = {
        1: "A dog, an orange, two buses and a bus.",
        2: "A man, two dogs, an orange.",
        3: "A mouse",
    }
    rows = strata_of_scores(scored(folder, said))
    assert [(row.stratum, row.value, row.n) for row in rows] == [
        ("orange", 1, 2),
        ("dog", 1 / 2, 2),
        ("bus", 1, 1),
        ("mouse", 1, 1),
    ]
    assert {row.by for row in rows} == {"class (those most often wrong)"}


def test_unparsed_captions_are_in_no_class(folder: Path) -> None:
    scores = scored(folder, {1: " . ", 2: "A man."}, "strict")
    found = counted(CHAIR.read_data([folder]), scores, "strict").strata()
    assert found["class/person"]["there"] == 1
    assert found["class/dog"]["there"] == 0


def test_tokens_are_those_of_the_treebank() -> None:
    # As NLTK 3.10.4's word_tokenize gives them.
    said = "Mr. Fox can't see the dogs' \u201cball\u201d. It's gone... 'He'"
    cut = "Mr.|Fox|ca|n't|see|the|dogs|'|\u201c|ball|\u201d|.|It|'s|gone|...|'|He|'"
    assert tokens(said) == cut.split("|")
    assert tokens('A dog (a "cat.") -- 1,000, 3.5') == (
        ["A", "dog", "(", "a", "``", "cat", ".", "''", ")", "--", "1,000", ",", "3.5"]
    )
    assert tokens("dog.cat dog. dog\u2014dog") == ["dog.cat", "dog", ".", "dog", "\u2014", "dog"]


def test_kept_sets_are_read_from_a_pickle_without_loading_it(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("loaded",)

    sets: dict[int, set[str]] = defaultdict(set)
    sets |= {558840: {"person", "bottle"}, 7: {"bottle"}, 8: set(), 70000: {"dog", "person", "cup"}}
    path = tmp_path / "chair.pkl"
    path.write_bytes(pickle.dumps({"imid_to_objects": sets, "other": Evil()}))
    assert read_images([path]).nodes == dict(sets)


def test_annotations_are_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    whole = read_images(sorted(folder.glob("*.json")))
    monkeypatch.setattr("groundtune.store.json_text.CHUNK", 1)
    assert read_images(sorted(folder.glob("*.json"))) == whole
    assert whole.objects == {1: {"dog"}, 2: {"person"}}


def test_the_number_of_a_image_is_read_from_its_name() -> None:
    assert image_number("COCO_val2014_000000000042.jpg") == 42
    assert image_number("42") == 42
    assert image_number("a/b2/000000000007.png") == 7
    assert image_number("cat") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"image_id": 1, "caption": "a"}\n{"image_id": "2", "caption": "b"}\n',
        '[{"image": "COCO_val2014_000000000001.jpg", "text": "a"}, {"image": "2", "text": "b"}]',
        '{"imgToEval": {"1": {"image_id": 1, "caption": "a"}, "2": '
        '{"image_id": 2, "caption": "b"}}, "overall": {"Bleu_1": [0]}}',
    ],
)
def test_captions_come_in_several_layouts(folder: Path, text: str) -> None:
    data = CHAIR.read_data([folder])
    path = folder / "answers.json"
    path.write_text(text)
    read = CHAIR.read_answers(path, data)
    assert [(answer.item, answer.text) for answer in read] == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('{"image_id": 4, "caption": "a"}', "not in the annotations"),
        ('{"image_id": "cat", "caption": "a"}', "No number"),
        ('{"imgToEval": {"1": {"image_id": 1}}}', "is missing, but must be text"),
        ('{"imgToEval": {"1": {"image_id": 1, "caption": "a"}', "is not JSON: Expecting"),
        ("", "no captions"),
    ],
)
def test_captions_that_do_not_fit_are_refused(folder: Path, row: str, what: str) -> None:
    data = CHAIR.read_data([folder])
    (folder / "answers.json").write_text(row)
    with pytest.raises(UserError, match=what):
        CHAIR.read_answers(folder / "answers.json", data)


def test_data_that_do_not_fit_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="captions are missing"):
        CHAIR.read_data([folder / "instances_val2014.json", folder / "synonyms.txt"])
    with pytest.raises(UserError, match="0 synonym lists"):
        CHAIR.read_data(sorted(folder.glob("*.json")))
    write_coco(folder, segments=[(1, "zebra")], captions=[(1, "a")])
    with pytest.raises(UserError, match="'zebra'"):
        CHAIR.read_data([folder])


@pytest.mark.bench
def test_twenty_thousand_captions_are_read_in_seconds(test_data: Path) -> None:
    data = golden_data(test_data)
    drawn = [json.loads(line)["caption"] for line in lines_of("generated")]
    answers = [
        ItemAnswer(text=f"{drawn[i % 200]} {drawn[(7 * i) % 200]}", item=str(101 + i % 60))
        for i in range(20_000)
    ]
    begun = time.process_time()
    scores = CHAIR.score(data, answers, Scoring())
    seconds = time.process_time() - begun
    print(f"{len(scores):,} captions in {seconds:.1f} s")
    assert seconds < 30


def test_several_captions_of_an_image_are_each_scored_and_reported(folder: Path) -> None:
    rows = [{"image_id": 1, "caption": text} for text in ("A dog.", "A bus.", "A dog.")]
    (folder / "answers.json").write_text(json.dumps(rows))
    data = CHAIR.read_data([folder])
    answers = CHAIR.read_answers(folder / "answers.json", data)
    scores = CHAIR.score(data, answers, Scoring())
    assert [(score.item, score.image) for score in scores] == [
        ("1", "1"),
        ("1/2", "1"),
        ("1/3", "1"),
    ]
    results = results_of(CHAIR, scores)
    assert results.metrics["chair_s"] == 0  # "bus" is never found in mode official
    assert counted(data, scores).notes()[-1].startswith("1 images have several captions")


@pytest.mark.parametrize("empty", ["instances", "captions"])
def test_coco_files_without_an_annotation_are_read(folder: Path, empty: str) -> None:
    path = folder / f"{empty}_train2014.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "info": {}}))
    with_empty = CHAIR.read_data([folder])
    assert with_empty.truth(1, strict=False) == {"dog", "person"}
    path.write_text(json.dumps({"images": []}))
    with pytest.raises(UserError, match="no COCO annotations"):
        CHAIR.read_data([folder])
