"""Stages label, pairs, import and export on folders of scripted answers."""

import contextlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts
from groundtune.pipeline.feedback.corrections import (
    AT_ONCE,
    LabelSettings,
    LabelSummary,
    label_answers,
    open_annotator,
)
from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import (
    Answer,
    Correction,
    ImagePart,
    Message,
    Producer,
    Prompt,
    Source,
    TextPart,
)
from groundtune.store.run_json import read_run
from groundtune.world import DATASET
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.scenes import scene

ADA = Producer(kind="person", name="ada")
MODEL = Producer(kind="model", name="base")


class Quiet:
    """Progress that only counts."""

    def __init__(self) -> None:
        self.done = 0

    def start(self, task: str, total: int | None = None) -> None:
        self.done = 0

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count


class CatLover:
    """Corrects each dog to a cat, and stops after `patience` answers."""

    def __init__(self, patience: int = 10**9) -> None:
        self.patience = patience
        self.seen: list[str] = []

    def correct(self, prompt: Prompt, answer: Answer) -> Correction:
        assert prompt.key == answer.prompt
        if len(self.seen) == self.patience:
            raise KeyboardInterrupt
        self.seen.append(answer.key)
        return correction_from_texts(answer, answer.text.replace("dog", "cat"), ADA)


def sampled(path: Path, texts: Sequence[str]) -> RunFolder:
    """A folder with answers: two to each prompt, one image a prompt."""
    folder = RunFolder(path)
    prompts: list[Prompt] = []
    answers: list[Answer] = []
    for number, text in enumerate(texts):
        if number % 2 == 0:
            data = BytesIO()
            Image.new("RGB", (4, 4), (number % 256, 0, 0)).save(data, "PNG")
            image = folder.images.add(data.getvalue())
            content = (ImagePart(image=image), TextPart(text="What is there?"))
            message = Message(role="user", content=content)
            source = Source(dataset="here", licence="cc-by-4.0")
            prompts.append(Prompt(key=f"p{number}", messages=(message,), source=source))
        answers.append(Answer(key=f"a{number}", prompt=prompts[-1].key, text=text, producer=MODEL))
    folder.prompts.append(prompts)
    folder.answers.append(answers)
    return folder


TEXTS = ["A dog.", "A cow.", "A dog sits.", "dog", "", "A dog and a cow."]


def label(source: Path, out: Path, annotator: CatLover, by: Producer = ADA) -> LabelSummary:
    return label_answers(source, out, annotator, by, Quiet())


def test_every_answer_is_corrected_and_the_spans_are_counted(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    made = label(tmp_path, tmp_path, CatLover())
    assert (made.answers, made.labelled_now, made.corrected, made.spans) == (6, 6, 4, 4)
    assert [row.answer for row in folder.corrections.read()] == [f"a{i}" for i in range(6)]
    assert read_run(folder.corrections.path).recipe["name"] == "ada"


def test_labelling_that_was_stopped_goes_on_and_gives_the_same(tmp_path: Path):
    texts = [f"A dog {i}." for i in range(2 * AT_ONCE + 10)]
    sampled(tmp_path / "one", texts)
    label(tmp_path / "one", tmp_path / "one", CatLover())
    folder = sampled(tmp_path / "two", texts)
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path / "two", tmp_path / "two", CatLover(patience=AT_ONCE + 5))
    assert len(folder.corrections.read()) == AT_ONCE
    rest = CatLover()
    made = label(tmp_path / "two", tmp_path / "two", rest)
    assert made.labelled_now == len(rest.seen) == AT_ONCE + 10
    assert folder.corrections.read() == RunFolder(tmp_path / "one").corrections.read()


@pytest.mark.parametrize("patience", [2, 10**9])
def test_labelling_stops_at_enough_wrong_answers_also_when_it_was_stopped_before(
    tmp_path: Path, patience: int
):
    texts = [f"A {'dog' if i % 2 else 'cow'} {i}." for i in range(2 * AT_ONCE)]
    folder = sampled(tmp_path, texts)
    people = CatLover(patience=patience), CatLover()
    for person in people:
        with contextlib.suppress(KeyboardInterrupt):
            label_answers(tmp_path, tmp_path, person, ADA, Quiet(), enough=30)
    rows = folder.corrections.read()
    assert [row.answer for row in rows] == [f"a{i}" for i in range(60)]
    assert sum(bool(row.spans) for row in rows) == 30
    assert label_answers(tmp_path, tmp_path, CatLover(), ADA, Quiet(), enough=30).labelled_now == 0


def test_labelling_again_asks_nothing_again(tmp_path: Path):
    sampled(tmp_path, TEXTS)
    label(tmp_path, tmp_path, CatLover())
    again = CatLover()
    assert label(tmp_path, tmp_path, again).answers == 6
    assert again.seen == []


def test_another_folder_gets_what_its_corrections_refer_to(tmp_path: Path):
    folder = sampled(tmp_path / "run", TEXTS)
    label(tmp_path / "run", tmp_path / "other", CatLover())
    other = RunFolder(tmp_path / "other")
    assert other.prompts.read() == folder.prompts.read()
    assert other.answers.read() == folder.answers.read()
    assert all(other.images.open(p.images[0]).size == (4, 4) for p in other.prompts.read())
    assert folder.corrections.read() == []


def test_corrections_of_two_annotators_do_not_mix_in_a_folder(tmp_path: Path):
    sampled(tmp_path, TEXTS)
    label(tmp_path, tmp_path, CatLover())
    with pytest.raises(UserError, match=r"by others \(ada\)"):
        label(tmp_path, tmp_path, CatLover(), by=ADA.model_copy(update={"seed": 1}))


def test_a_folder_without_answers_is_an_error_that_names_the_command(tmp_path: Path):
    with pytest.raises(UserError, match="holds no prompts") as caught:
        label(tmp_path, tmp_path, CatLover())
    assert "groundtune sample" in caught.value.fix


def test_an_answer_without_its_prompt_is_an_error(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    folder.answers.append([Answer(key="a9", prompt="p9", text="x", producer=MODEL)])
    with pytest.raises(UserError, match="prompt p9 of an answer is missing"):
        label(tmp_path, tmp_path, CatLover())


def test_pairs_are_made_of_corrections_and_all_is_counted(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    label(tmp_path, tmp_path, CatLover())
    counts = make_pairs(tmp_path, tmp_path, PairSettings(), Quiet())
    assert (counts.made, counts.unchanged, counts.empty_rejected) == (4, 1, 1)
    pairs = folder.pairs.read()
    assert [pair.chosen for pair in pairs] == ["A cat.", "A cat sits.", "cat", "A cat and a cow."]
    assert {pair.source.licence for pair in pairs} == {"cc-by-4.0"}


def test_making_pairs_again_adds_only_what_is_missing(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS[:2])
    label(tmp_path, tmp_path, CatLover())
    make_pairs(tmp_path, tmp_path, PairSettings(), Quiet())
    before = folder.pairs.read()
    folder.answers.append([Answer(key="b", prompt="p0", text="One dog.", producer=MODEL)])
    label(tmp_path, tmp_path, CatLover())
    make_pairs(tmp_path, tmp_path, PairSettings(), Quiet())
    assert folder.pairs.read()[:-1] == before
    assert folder.pairs.read()[-1].chosen == "One cat."
    assert len(folder.pairs.parts()) == 2


def test_pairs_of_other_settings_do_not_mix_in_a_folder(tmp_path: Path):
    sampled(tmp_path, TEXTS)
    label(tmp_path, tmp_path, CatLover())
    make_pairs(tmp_path, tmp_path, PairSettings(), Quiet())
    with pytest.raises(UserError, match="pairs from other settings"):
        make_pairs(tmp_path, tmp_path, PairSettings(cap=1), Quiet())


def test_capped_pairs_in_another_folder_bring_only_their_prompts_and_answers(tmp_path: Path):
    sampled(tmp_path / "run", ["A dog.", "A dog sits.", "A cow.", "A cow sits."])
    label(tmp_path / "run", tmp_path / "run", CatLover())
    counts = make_pairs(tmp_path / "run", tmp_path / "out", PairSettings(cap=1), Quiet())
    out = RunFolder(tmp_path / "out")
    assert (counts.made, counts.capped, counts.unchanged) == (1, 1, 2)
    assert [prompt.key for prompt in out.prompts.read()] == ["p0"]
    assert [answer.key for answer in out.answers.read()] == [out.pairs.read()[0].parents[1]]


def test_the_worlds_person_corrects_what_is_not_in_the_scene(tmp_path: Path):
    seen = scene("development", 0)
    wrong = next(name for name in CATEGORIES if seen.thing(name) is None)
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    folder = RunFolder(tmp_path)
    image = folder.images.add(data.getvalue())
    content = (ImagePart(image=image), TextPart(text="Describe the image."))
    source = Source(dataset=DATASET, row=seen.key)
    message = Message(role="user", content=content)
    folder.prompts.append([Prompt(key="p", messages=(message,), source=source)])
    text = f"There is a {wrong}."
    folder.answers.append([Answer(key="a", prompt="p", text=text, producer=MODEL)])
    person, by = open_annotator(LabelSettings(), folder)
    made = label_answers(tmp_path, tmp_path, person, by, Quiet())
    (correction,) = folder.corrections.read()
    assert made.kinds == {"object": 1}
    assert wrong not in correction.corrected
    assert by != open_annotator(LabelSettings(error_rate=0.2), folder)[1]


def test_no_simulated_person_knows_photographs(tmp_path: Path):
    folder = sampled(tmp_path, TEXTS)
    with pytest.raises(UserError, match="No simulated annotator knows these prompts"):
        open_annotator(LabelSettings(), folder)
    person, by = open_annotator(LabelSettings(annotator="world"), folder)
    with pytest.raises(UserError, match="only correct answers about the embedded world"):
        label_answers(tmp_path, tmp_path, person, by, Quiet())
