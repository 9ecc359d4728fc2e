"""Checking one's own answers: on the world's models, and people's marks against a simulation."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from groundtune.bench.world.images import add_image, split_scenes
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.check.people import (
    PersonVerdict,
    corrected,
    labeler_error,
    prediction_powered,
    read_marks,
)
from groundtune.pipeline.check.scores import scores_of
from groundtune.pipeline.check.to_mark import add_rows, write_to_mark
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.given import import_answers
from groundtune.pipeline.sample.prompts import read_prompts
from groundtune.records import Answer, Claim, Producer, Prompt, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.images import ImageStore


def drawn(
    rng: np.random.Generator, marked: int, caught: float = 0.7, accused: float = 0.15
) -> list[PersonVerdict]:
    """400 answers about 200 images; an image's are alike. 30% are wrong in the long run.

    The labeler catches 70% of what is wrong and accuses 15% of what is right, so it says 31.5%.
    """
    harder = rng.beta(1.5, 3.5, size=200)
    image = np.repeat(np.arange(200), 2)
    wrong = rng.random(400) < harder[image]
    rejected = np.where(wrong, rng.random(400) < caught, rng.random(400) < accused)
    known = set(rng.permutation(400)[:marked].tolist())
    return [
        PersonVerdict(str(image[i]), bool(rejected[i]), bool(wrong[i]) if i in known else None)
        for i in range(400)
    ]


@pytest.mark.parametrize("marked", [30, 100])
def test_the_interval_holds_the_truth_as_often_as_it_says(marked: int):
    rng = np.random.default_rng(7)
    found = [prediction_powered(drawn(rng, marked)) for _ in range(600)]
    held = sum(low <= 0.3 <= high for _, low, high in found)
    assert 0.925 <= held / 600 <= 0.985
    assert sum(each.value for each in found) / 600 == pytest.approx(0.3, abs=0.01)


def widths(**labeler: float) -> float:
    """Width of the interval over that of the marks alone, a mean over simulations."""
    rng = np.random.default_rng(1)
    made = [corrected(drawn(rng, 60, **labeler)) for _ in range(60)]
    both = [(m.share.high - m.share.low, m.by_marks.high - m.by_marks.low) for m in made]
    return sum(own for own, _ in both) / sum(alone for _, alone in both)


def test_a_good_labeler_makes_the_interval_narrower_than_the_marks_alone_and_a_bad_one_wider():
    assert widths(caught=0.95, accused=0.03) < 0.75
    assert 1.2 < widths(caught=0.5, accused=0.5) < 1.8


def test_a_labeler_that_rejects_everything_is_corrected_all_the_same():
    verdicts = [PersonVerdict(str(i), True, i % 5 == 0 if i < 50 else None) for i in range(1000)]
    found = corrected(verdicts)
    assert found is not None
    assert found.by_labeler == 1
    assert found.share.value == pytest.approx(0.2)
    assert found.share[1:] == pytest.approx(found.by_marks[1:], abs=0.003)


def test_the_interval_by_hand():
    # f is 0 1 1 0 unmarked; marked: (f, Y) = (0, 1) (1, 1) (1, 0) (0, 0) (1, 1) (0, 0)
    many = [PersonVerdict(f"u{i}", bool(f)) for i, f in enumerate((0, 1, 1, 0))]
    pairs = ((0, 1), (1, 1), (1, 0), (0, 0), (1, 1), (0, 0))
    few = [PersonVerdict(f"m{i}", bool(f), bool(y)) for i, (f, y) in enumerate(pairs)]
    value, low, high = prediction_powered([*many, *few])
    assert value == pytest.approx(0.5)
    variance = 10 / 9 * (4 * (0.5 / 4) ** 2 + 2 * (1 / 6) ** 2)
    half = stats.t.ppf(0.975, 5) * variance**0.5
    assert (low, high) == pytest.approx((max(0, 0.5 - half), min(1, 0.5 + half)))


def test_full_agreement_does_not_make_an_interval_of_no_width():
    verdicts = [PersonVerdict(str(i), False, False if i < 20 else None) for i in range(100)]
    found = prediction_powered(verdicts)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_the_labelers_error_is_counted_against_the_marks():
    pairs = [(True, True)] * 6 + [(False, True)] * 2 + [(True, False)] + [(False, False)] * 11
    error = labeler_error([PersonVerdict("i", f, y) for f, y in pairs])
    assert (error.marked, error.wrong, error.caught, error.accused) == (20, 8, 6, 1)
    exact = stats.binomtest(17, 20).proportion_ci(0.95, "exact")
    assert error.agreement == pytest.approx((0.85, exact.low, exact.high))


def test_too_few_marked_images_give_no_interval():
    assert corrected([PersonVerdict("one", True, True)] * 30) is None
    assert corrected([PersonVerdict(str(i), True, None) for i in range(9)]) is None


PROMPT = Prompt(key="p", messages=())


def claim(number: int, status: str, **more: str) -> Claim:
    return Claim.model_validate(
        {
            "key": f"c{number}",
            "answer": "a",
            "start": 4 * number,
            "end": 4 * number + 3,
            "text": "it",
            "question": f"Is {number}?",
            "status": status,
            **more,
        }
    )


def scored(*claims: Claim) -> Score:
    made_by = {"kind": "model", "name": "m"}
    row = {"key": "a", "prompt": "p", "text": "one two six ten", "producer": made_by}
    return scores_of([Answer.model_validate(row)], claims, {"p": PROMPT})[0]


def test_an_answer_is_scored_by_its_claims_and_its_rejected_ones_are_marked():
    found = scored(
        claim(0, "supported"),
        claim(1, "rejected"),
        claim(2, "rejected", rests_on="c1"),
        claim(3, "opinion"),
    )
    values = found.values
    assert (values["claims"], values["rejected_claims"], values["supported_claims"]) == (2, 1, 1)
    assert (values["rejected"], values["silent"], values["words"]) == (1, 0, 4)
    assert [(span.start, span.end) for span in found.spans] == [(4, 7)]
    assert found.why == "no: Is 1?"


def test_what_an_answer_says_again_is_no_further_supported_claim():
    again = claim(2, "supported", question="is 0?")
    values = scored(claim(0, "supported"), claim(1, "supported"), again).values
    assert (values["claims"], values["supported_claims"], values["repeated_claims"]) == (3, 2, 1)
    assert values["supported_other"] == 2  # the kind of these claims


def test_what_could_not_be_read_is_counted_and_never_right():
    assert scored(claim(0, "supported"), claim(1, "unparsed")).status == "unparsed"
    assert scored().status == "unparsed"
    silent = scored(claim(0, "empty"))
    assert (silent.status, silent.values["silent"], silent.values["rejected"]) == ("scored", 1, 0)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of someone's images; answers.jsonl beside it tells of two of them."""
    folder = tmp_path_factory.mktemp("own")
    images = ImageStore(folder / "store")
    (folder / "images").mkdir()
    for i, scene in enumerate(split_scenes("development", 6)):
        file = images.path(add_image(scene, images))
        (folder / "images" / f"{i}.png").write_bytes(file.read_bytes())
    rows = [
        {"image": "0.png", "question": "What is there?", "answer": "There is a dog."},
        {"image": "1.png", "answer": "There is a cup and a red ball.", "model": "other"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "answers.jsonl").write_text(text)
    return folder


WORLD = ("divider=world", 'asking.suffix=" Answer yes or no."', "--labeler", "world:labeler")


@pytest.fixture(scope="module")
def checked(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("checked")
    command = ["check", "world:base", *WORLD, "max_new_tokens=64", "--out", str(out)]
    assert run([*command, "--images", str(photographs / "images"), "--json"]) == EXIT_DONE
    return out


def test_a_model_is_checked_on_a_folder_of_images(checked: Path):
    found = json.loads((checked / "check.json").read_text())
    assert (found["answers"], found["images"], found["marks"]) == (6, 6, 0)
    rows = {row["metric"]: row for row in found["estimates"]}
    scores = RecordSet(checked / "scores", Score).read()
    share = sum(score.values["rejected"] for score in scores) / 6
    assert rows["rejected_answers"]["value"] == pytest.approx(share)
    assert rows["rejected_answers"]["low"] <= share <= rows["rejected_answers"]["high"]
    page = (checked / "report.html").read_text()
    assert "own error is not known here" in page
    rejected = rows["rejected_answers"]["value"]
    title = f"world:labeler rejects a claim in {rejected:.1%} of world:base&#39;s answers"
    assert f"<h1>{title}</h1>" in page
    assert "Claims that world:labeler rejects" in page
    shown = re.findall(r'<span class="item">(.*?)</span>', page)
    assert sorted(shown) == [f"{i}.png" for i in range(6)]
    assert "<mark" in page
    words = [s.answer[s.spans[0].start : s.spans[0].end] for s in scores if s.spans]
    assert words
    assert words[0] in page


def test_answers_that_nobody_could_divide_are_no_check(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    own = ["--images", str(photographs / "images"), "--labeler", "world:labeler"]
    words = ["check", "world:base", "divider=self", *own, "--out", str(tmp_path)]
    assert run(words) == EXIT_INPUT
    error = capsys.readouterr().err
    assert "No claim of the answers was checked (claims that could not be read: 6)." in error
    assert "divider=world" in error.splitlines()[-1]
    assert not (tmp_path / "check.json").exists()
    assert not (tmp_path / "report.html").exists()


def test_a_labeler_of_the_world_comes_with_its_divider(photographs: Path, tmp_path: Path):
    own = ["--images", str(photographs / "images"), "--labeler", "world:labeler"]
    assert run(["check", "world:base", *own, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "check.json").exists()


def test_marks_give_an_interval_and_the_labelers_error(
    checked: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = [json.loads(line) for line in (checked / "to-mark.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    for row in rows:
        (file,) = row["files"]
        assert file == f"to-mark/{row['image']}"
        own = (photographs / "images" / row["image"]).read_bytes()
        assert (checked / file).read_bytes() == own
    for i, row in enumerate(rows[:5]):
        row["wrong"] = i % 2 == 0
    marks = tmp_path / "marks.jsonl"
    marks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["check", str(checked), *WORLD, "--marks", str(marks), "--out", str(tmp_path / "o")]
    assert run(command) == EXIT_DONE
    told = capsys.readouterr().out
    assert "Answers with something wrong, corrected" in told
    assert "of 5 marked answers 3 have something wrong" in told
    found = json.loads((tmp_path / "o/check.json").read_text())["corrected"]["world:base"]
    assert (found["marked"], found["unmarked"]) == (5, 1)
    page = (tmp_path / "o/report.html").read_text()
    assert f"<h1>By people&#39;s marks, {found['share'][0]:.1%} of world:base&#39;s answers" in page
    assert "n = 6 answers, 5 of them marked" in page
    marks.write_text(json.dumps({**rows[0], "wrong": True}) + "\n")
    assert run(command) == EXIT_INPUT
    assert "1 marks are too few" in capsys.readouterr().err


def test_a_file_of_answers_by_two_models_is_checked_with_a_labeler_that_is_named(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, own = str(photographs / "answers.jsonl"), ["--images", str(photographs / "images")]
    assert run(["check", file, *own, "--out", str(tmp_path / "a")]) == EXIT_INPUT
    assert "The labeler is the model that gave the answers" in capsys.readouterr().err
    assert run(["check", file, *WORLD, *own, "--out", str(tmp_path / "o")]) == EXIT_DONE
    assert "other" in capsys.readouterr().out
    prompts = RunFolder(tmp_path / "o").prompts.read()
    assert [prompt.question for prompt in prompts] == ["What is there?", "Describe the image."]
    assert run(["check", file, *WORLD, "--out", str(tmp_path / "b")]) == EXIT_INPUT
    assert "The image 0.png is missing." in capsys.readouterr().err
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"image": "x" * 300, "answer": "A cup."}))
    assert run(["check", str(long), *WORLD, "--out", str(tmp_path / "d")]) == EXIT_INPUT
    assert f"The image {'x' * 200} is missing.\nwhere: {long}:1" in capsys.readouterr().err
    assert run(["check", "world:base", *WORLD, "--out", str(tmp_path / "c")]) == EXIT_INPUT
    assert "no images to ask the model about" in capsys.readouterr().err


def test_the_defaults_of_a_world_labeler_are_those_of_a_file_too(photographs: Path, tmp_path: Path):
    own = ["--images", str(photographs / "images"), "--labeler", "world:labeler"]
    claims: list[list[str]] = []
    for settings in ([], [*WORLD[:2]]):
        out = tmp_path / str(len(settings))
        command = ["check", str(photographs / "answers.jsonl"), *settings, *own]
        assert run([*command, "--out", str(out)]) == EXIT_DONE
        claims.append([f"{claim.text}: {claim.status}" for claim in RunFolder(out).claims.read()])
    assert claims[0] == claims[1] != []


def test_thoughts_in_a_file_of_answers_are_kept_and_not_checked(photographs: Path, tmp_path: Path):
    file = tmp_path / "a.jsonl"
    row = {"image": "0.png", "answer": "<think>Is there a dog?</think>There is a cup."}
    file.write_text(json.dumps(row))
    folder = RunFolder(tmp_path / "out")
    import_answers(str(file), folder, photographs / "images", "What?", None, SilentProgress())
    (answer,) = folder.answers.read()
    assert (answer.text, answer.thoughts) == ("There is a cup.", "Is there a dog?")


def test_another_checks_answers_are_not_mixed_in(
    checked: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, own = str(photographs / "answers.jsonl"), ["--images", str(photographs / "images")]
    before = RunFolder(checked).answers.keys()
    assert run(["check", file, *WORLD, *own, "--out", str(checked)]) == EXIT_INPUT
    assert "6 answers that aren't among these" in capsys.readouterr().err
    out = str(tmp_path / "o")
    assert run(["check", file, *WORLD, *own, "--out", out]) == EXIT_DONE
    assert run(["check", str(checked), *WORLD, "--out", out]) == EXIT_INPUT
    assert RunFolder(checked).answers.keys() == before
    assert len(RunFolder(tmp_path / "o").answers.keys()) == 2


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"answer": "else", "wrong": True}, "is not among those"),
        ({"answer": "a", "wrong": "yes"}, '"wrong" is "yes"'),
        ({"wrong": True}, "None"),
    ],
)
def test_marks_that_say_nothing_of_these_answers_are_refused(
    row: dict[str, object], what: str, tmp_path: Path
):
    answer = Answer.model_validate(
        {"key": "a", "prompt": "p", "text": "x", "producer": {"kind": "model", "name": "m"}}
    )
    file = tmp_path / "marks.jsonl"
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=what):
        read_marks(file, [answer])
    file.write_text('{"answer": "a", "wrong": false}\n' * 2)
    with pytest.raises(UserError, match="marked twice"):
        read_marks(file, [answer])


def test_what_a_person_wrote_into_the_file_to_mark_stays(tmp_path: Path):
    file = tmp_path / "to-mark.jsonl"
    file.write_text("mine")
    write_to_mark(RunFolder(tmp_path), [], {}, 3, 0)
    assert file.read_text() == "mine"
    file.write_text('[{"answer": "a"}]')
    add_rows(file, [{"answer": "a"}], "answer")
    with pytest.raises(UserError, match="added to a list"):
        add_rows(file, [{"answer": "b"}], "answer")
    assert file.read_text() == '[{"answer": "a"}]'


def test_images_of_one_name_are_files_that_open_under_different_names(tmp_path: Path):
    folder, store = RunFolder(tmp_path / "out"), ImageStore(tmp_path / "store")
    (tmp_path / "images/a").mkdir(parents=True)
    (tmp_path / "images/b").mkdir()
    for name, scene in zip(("a/CAT", "b/cat"), split_scenes("development", 2), strict=True):
        file = tmp_path / "images" / f"{name}.jpg"  # a PNG in truth
        file.write_bytes(store.path(add_image(scene, store)).read_bytes())
    found = read_prompts(folder, SilentProgress(), images=tmp_path / "images", ask="What?")
    by = Producer(kind="model", name="m")
    answers = [Answer(key=p.key, prompt=p.key, text="A.", producer=by) for p in found.prompts]
    write_to_mark(folder, answers, {p.key: p for p in found.prompts}, 5, 0)
    lines = (folder.path / "to-mark.jsonl").read_text().splitlines()
    rows = {row["image"]: row["files"] for row in map(json.loads, lines)}
    assert set(rows) == {"a/CAT.jpg", "b/cat.jpg"}
    names = sorted(file.lower() for (file,) in rows.values())
    assert names == ["to-mark/cat (2).png", "to-mark/cat.png"]
