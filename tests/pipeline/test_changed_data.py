"""No stage resumes on data that changed since: it is refused, and the change is named."""

from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from PIL import Image

from groundtune.bench.item import Item
from groundtune.bench.run import run as running
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.feedback.claim_pairs import ClaimPairRules
from groundtune.generate.own_reward import LogRatio
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.align.run import align
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.best_of.scores import Ratio, Scorer, score
from groundtune.pipeline.feedback.claims import Labelling, label_claims
from groundtune.pipeline.feedback.pairs import make_claim_pairs
from groundtune.pipeline.models.workers.lazy import Lazy
from groundtune.pipeline.models.workers.local import LocalWorkers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.run import SampleSettings, draw_answers, find_prompts
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.protocols import Statement, YesNoReply
from groundtune.records import Answer, Message, Pair, Producer, Prompt, Record, Sampling, TextPart
from groundtune.store.contents import ChangedError
from groundtune.store.dataset import RecordSet
from groundtune.train.tune import Lora
from groundtune.vlm.load import revision_of
from training_folder import fill_folder

LABELER = Producer(kind="model", name="labeler", revision="1")
ROWS = '{"image": "a.png", "question": "What is it?", "facts": ["A cup."], "id": "%s"}\n'


class Words:
    """Divides an answer into its words."""

    def producer(self) -> Producer:
        return Producer(kind="rule", name="words", revision="1")

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        return [
            [Statement(0, len(word), word, "object", f"{word}?") for word in answer.text.split()]
            for answer in answers
        ]


class CatLover:
    """Says yes to all but dogs."""

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        return [YesNoReply(*((0.1, 0.8) if "dog" in p.question else (0.9, 0.1))) for p in prompts]


def edit(rows: RecordSet, change: Callable[[int, Record], Record]) -> None:
    """Rewrite a data set with its rows changed, as a person's script does."""
    kept = [change(number, row) for number, row in enumerate(rows.read())]
    for path in rows.path.glob("*.*"):
        path.unlink()
    rows.append(kept)


def first(**fields: object) -> Callable[[int, Record], Record]:
    """Change these fields of the first row."""
    return lambda number, row: row if number else row.model_copy(update=fields)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A file of prompts with an image."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    (tmp_path / "b.jsonl").write_text(ROWS % 1)
    return tmp_path / "b.jsonl"


def draw(file: Path, out: Path, n: int = 4) -> None:
    texts = ["a cat", "a dog", "a red cat", "two dogs"]
    say = ScriptedGenerator(lambda prompt, seed: texts[seed % 4])
    settings = SampleSettings(model="m", prompts=str(file), n=n, sampling=Sampling(temperature=1))
    target = RunFolder(out)
    found = find_prompts(settings, target, SilentProgress())
    draw_answers(say, found.prompts, target, SilentProgress(), settings)


def label(folder: Path) -> None:
    label_claims(folder, folder, Labelling(Words(), CatLover(), LABELER), SilentProgress())


def pair(folder: Path) -> None:
    make_claim_pairs(folder, folder, ClaimPairRules(), SilentProgress())


def test_sample_resumes_on_more_rows_and_refuses_changed_ones(files: Path, tmp_path: Path):
    draw(files, tmp_path / "out")
    files.write_text(ROWS % 1 + (ROWS % 2).replace("What", "Where"))
    draw(files, tmp_path / "out")
    files.write_text("\n\n" + files.read_text())  # the same rows, further down
    draw(files, tmp_path / "out")
    before = RunFolder(tmp_path / "out").answers.read()
    for change, names in (
        (("A cup.", "A jug."), "facts"),
        (('"id": "1"', '"id": "7"'), "source"),
        (("What is", "What was"), "its messages"),
    ):
        whole = files.read_text()
        files.write_text(whole.replace(*change))
        with pytest.raises(ChangedError, match=names):
            draw(files, tmp_path / "out")
        files.write_text(whole)
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "a.png")
    with pytest.raises(ChangedError, match=r"b\.jsonl, row \d \(its image\)"):
        draw(files, tmp_path / "out")
    assert RunFolder(tmp_path / "out").answers.read() == before


@pytest.mark.parametrize(
    ("data", "change", "message"),
    [
        ("answers", {"text": "no dog"}, r"1 of the answers changed .* \(text\)"),
        ("prompts", {"facts": ("a lie",)}, r"1 of the prompts changed .* \(facts\)"),
        ("division", {"question": "Is it?"}, r"1 of the claims changed .* \(question\)"),
    ],
)
def test_label_refuses_what_changed(
    files: Path, tmp_path: Path, data: str, change: dict[str, object], message: str
):
    draw(files, tmp_path / "out")
    label(tmp_path / "out")
    label(tmp_path / "out")
    draw(files, tmp_path / "out", n=6)
    label(tmp_path / "out")  # more answers are no change
    folder = RunFolder(tmp_path / "out")
    before = folder.claims.read()
    edit(getattr(folder, data), first(**change))
    with pytest.raises(ChangedError, match=message):
        label(tmp_path / "out")
    assert folder.claims.read() == before


def test_pairs_refuse_claims_and_answers_that_changed(files: Path, tmp_path: Path):
    draw(files, tmp_path / "out", n=8)
    label(tmp_path / "out")
    pair(tmp_path / "out")
    pair(tmp_path / "out")
    folder = RunFolder(tmp_path / "out")
    before = folder.pairs.read()
    assert before
    key = before[0].parents[0]
    edit(
        folder.answers,
        lambda number, row: (
            row.model_copy(update={"text": "a new text"})
            if isinstance(row, Answer) and row.key == key
            else row
        ),
    )
    with pytest.raises(UserError, match=r"pairs"):
        pair(tmp_path / "out")
    assert folder.pairs.read() == before


def test_another_folders_rows_of_the_same_keys_are_refused(files: Path, tmp_path: Path):
    draw(files, tmp_path / "out")
    edited = RunFolder(tmp_path / "edited")
    draw(files, edited.path)
    edit(edited.answers, first(text="another"))
    target = RunFolder(tmp_path / "target")
    for source in (RunFolder(tmp_path / "out"), edited):
        target.take_prompts(source, source.prompts.read())
    target.take_answers(RunFolder(tmp_path / "out"), RunFolder(tmp_path / "out").answers.read())
    with pytest.raises(ChangedError, match=r"\(text\)"):
        target.take_answers(edited, edited.answers.read())


def flip_severity(number: int, row: Record) -> Record:
    assert isinstance(row, Pair)
    spans = tuple(each.model_copy(update={"severity": 2.0}) for each in row.rejected_spans)
    return row if number else row.model_copy(update={"rejected_spans": spans})


def other_image(number: int, row: Record) -> Record:
    assert isinstance(row, Prompt)
    parts = row.messages[0].content
    other = next(part for part in parts if not isinstance(part, TextPart))
    return row.model_copy(
        update={"messages": (row.messages[0].model_copy(update={"content": (other, parts[-1])}),)}
    )


@pytest.mark.parametrize(
    ("data", "change", "message"),
    [
        ("pairs", first(chosen_rating=3.0), r"pairs\.chosen_rating"),
        ("pairs", first(rejected_spans=()), r"pairs\.rejected_spans"),
        ("pairs", flip_severity, r"pairs\.rejected_spans"),
        ("pairs", first(chosen="There are no cups."), r"pairs\.chosen"),
        ("prompts", other_image, r"prompts\.messages"),
        ("prompts", first(facts=("A cup.",)), r"prompts\.facts"),
    ],
)
def test_training_names_the_column_that_changed(
    tiny_llava: Path,
    tmp_path: Path,
    data: str,
    change: Callable[[int, Record], Record],
    message: str,
):
    folder = fill_folder(tmp_path / "pairs", 4)
    settings = TrainSettings(
        model=str(tiny_llava), pairs=folder.path, tune=Lora(r=2), epochs=1, dtype="float32"
    )
    train(settings, tmp_path / "out", SilentProgress())
    train(settings, tmp_path / "out", SilentProgress())
    before = (tmp_path / "out/run.json").read_bytes()
    edit(getattr(folder, data), change)
    with pytest.raises(UserError, match=rf"other settings, data or another model \(.*{message}"):
        train(settings, tmp_path / "out", SilentProgress())
    assert (tmp_path / "out/run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer.json", "model.safetensors"])
def test_a_model_that_changed_in_its_folder_has_another_revision(
    tiny_llava: Path, tmp_path: Path, name: str
):
    model = copytree(tiny_llava, tmp_path / "model")
    before = revision_of(str(model))
    path = model / name
    data = path.read_bytes()
    path.write_bytes(data + b" " if path.suffix == ".json" else data[:-1] + b" ")
    assert revision_of(str(model)) != before


def test_align_names_the_inputs_that_changed(tiny_llava: Path, tmp_path: Path, files: Path):
    out, settings = tmp_path / "out", AlignSettings(model=str(tiny_llava), prompts=str(files))
    labeler = copytree(tiny_llava, tmp_path / "labeler")
    feedback = settings.feedback.model_copy(update={"labeler": str(labeler)})
    settings = settings.model_copy(update={"feedback": feedback})

    def begin() -> None:
        with pytest.raises(UserError) as error:
            align(settings, out, SilentProgress())
        raise error.value

    with pytest.raises(UserError, match="none is left to learn from"):
        begin()
    with pytest.raises(UserError, match="none is left to learn from"):
        begin()
    part = out / "round-1/answers/part-00000.parquet"  # with an answer the run has begun
    part.parent.mkdir(parents=True)
    part.write_bytes(b"")
    for path, what in (
        (files, "prompts and images"),
        (files.with_name("a.png"), "prompts and images"),
        (labeler / "config.json", "labeler"),
    ):
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n")
        with pytest.raises(ChangedError, match=f"changed since the run began: {what}"):
            begin()
        path.write_bytes(whole)


def test_a_benchmark_does_not_keep_answers_to_a_question_that_changed(tmp_path: Path):
    def asked(question: str, facts: tuple[str, ...] = ()) -> str:
        message = Message(role="user", content=(TextPart(text=question),))
        prompt = Prompt(key="p", messages=(message,), facts=facts)
        item = Item(key="i", benchmark="b", image="x", prompt=prompt)
        say = ScriptedGenerator(lambda prompt, seed: prompt.question)
        made = running.draw(
            say, [item], Sampling(temperature=0), seed=0, out=tmp_path, progress=quiet, task="t"
        )
        return made["p"].text

    quiet = SilentProgress()
    assert asked("Is it?") == "Is it?"
    assert asked("Is it?", facts=("another item's",)) == "Is it?"
    with pytest.raises(ChangedError, match=r"1 of the prompts changed .* \(messages\)"):
        asked("Was it?")


def test_best_of_does_not_keep_rewards_of_answers_that_changed(tmp_path: Path):
    class Lengths:
        def log_ratios(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[LogRatio]:
            return [LogRatio(float(len(text)), 1) for text in texts]

    prompt = Prompt(key="p", messages=(Message(role="user", content=(TextPart(text="?"),)),))
    answer = Answer(key="a", prompt="p", text="a cup", producer=LABELER)
    scorer: Any = Scorer(Lazy(Lengths), "tuned", "reference")
    kept = RecordSet(tmp_path / "rewards", Ratio)

    def rated(text: str) -> float:
        candidates = {"p": [answer.model_copy(update={"text": text})]}
        ratios, _ = score(scorer, candidates, {"p": prompt}, kept, SilentProgress(), LocalWorkers())
        return ratios["a"].total

    assert rated("a cup") == rated("a cup") == 5
    with pytest.raises(ChangedError, match=r"1 of the answers changed .* \(text\)"):
        rated("a longer text")
