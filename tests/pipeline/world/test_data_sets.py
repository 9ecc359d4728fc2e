"""A folder of scenes goes through the benchmarks' own code, as published files do."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.bench import registry
from groundtune.bench.benchmark import Scoring
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.text.coco import read_images
from groundtune.errors import UserError
from groundtune.pipeline.world.data_sets import WorldData, write_data
from groundtune.pipeline.world.judging import write_replies
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer, Prompt, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.images import ImageStore
from groundtune.world.scenes import scenes

SCENES = 115
SEEN = dict(enumerate(scenes("development", SCENES), 1))
INVENTED = "There are nine toilets."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "data"
    written = write_data(WorldData(scenes=SCENES), out, SilentProgress())
    assert (written.images, written.mmhal) == (SCENES, 96)
    return out


def test_coco_files_name_the_objects_of_every_image(data: Path) -> None:
    told = read_images(sorted((data / "coco").glob("*.json")))
    assert told.numbers == set(SEEN)
    assert dict(told.objects) == {image: set(scene.categories) for image, scene in SEEN.items()}


def test_mme_gives_full_points_to_its_own_labels(data: Path, tmp_path: Path) -> None:
    mme: Any = registry.load("mme")
    asked = mme.read_data([data / "mme"])
    items = mme.items(asked, data / "mme", ImageStore(tmp_path / "images"))
    assert len(items) == len(asked.questions)
    answers = tmp_path / "answers"
    answers.mkdir()
    for task in {each.task for each in asked.questions}:
        lines = [
            f"{each.image}.png\t{each.text}\t{each.label}\t{each.label}\n"
            for each in asked.questions
            if each.task == task
        ]
        (answers / f"{task}.txt").write_text("".join(lines))
    scores = mme.score(asked, mme.read_answers(answers, asked), Scoring(model="truth"))
    assert all(score.values["right"] for score in scores)


def test_choices_have_their_images(data: Path, tmp_path: Path) -> None:
    mmbench: Any = registry.load("mmbench")
    asked = mmbench.read_data([data / "choices.jsonl"])
    assert mmbench.items(asked, data / "images", ImageStore(tmp_path / "images"))


def mmhal_scores(data: Path, answers: Path, replies: Path) -> list[Score]:
    mmhal: Any = registry.load("mmhal")
    asked = mmhal.read_data([data / "mmhal"])
    told = mmhal.read_answers(answers, asked)
    judge = RecordedJudge(replies)
    return mmhal.score(asked, told, Scoring(model="m", mode="official", judge=judge))


def mmhal_file(data: Path, out: Path, answer: str = "") -> Path:
    rows = json.loads((data / "mmhal" / "response_template.json").read_text())
    filled = [row | {"model_answer": answer or row["gt_answer"]} for row in rows]
    out.write_text(json.dumps(filled))
    return out


def test_true_answers_to_mmhal_hold_nothing_invented_and_others_do(
    data: Path, tmp_path: Path
) -> None:
    for answer, invented in (("", 0.0), (INVENTED, 1.0)):
        answers = mmhal_file(data, tmp_path / "answers.json", answer)
        write_replies("mmhal", data, answers, tmp_path / "replies.jsonl")
        scores = mmhal_scores(data, answers, tmp_path / "replies.jsonl")
        kinds = ["comparison"] if answer else []  # which says nothing of more or fewer
        counted = [score for score in scores if score.strata["type"] not in kinds]
        assert {score.values["hallucinated"] for score in counted} == {invented}


def test_the_judge_errs_as_often_as_it_is_told(data: Path, tmp_path: Path) -> None:
    answers = mmhal_file(data, tmp_path / "answers.json")
    write_replies("mmhal", data, answers, tmp_path / "replies.jsonl", error_rate=0.3)
    scores = mmhal_scores(data, answers, tmp_path / "replies.jsonl")
    assert 0.15 < sum(score.values["hallucinated"] for score in scores) / 96 < 0.45


def test_the_folder_of_a_run_is_judged_like_a_file(data: Path, tmp_path: Path) -> None:
    shr: Any = registry.load("shr")
    asked = shr.read_data([data / "shr", data / "genome"])
    run, images = tmp_path / "run", ImageStore(tmp_path / "images")
    prompts = [item.prompt for item in shr.items(asked, data / "images", images)]
    by = Producer(kind="model", name="my model")
    said = [
        Answer(key=f"a{i}", prompt=prompt.key, text=f"There are {i} toilets.", producer=by)
        for i, prompt in enumerate(reversed(prompts))
    ]
    RecordSet(run / "prompts", Prompt).append(prompts)
    RecordSet(run / "answers", Answer).append(said)
    answers = tmp_path / "answers.json"
    texts = {prompt.source.row: a.text for a, prompt in zip(said, reversed(prompts), strict=True)}
    answers.write_text(json.dumps(texts))
    for source, out in ((run, "of-run.jsonl"), (answers, "of-file.jsonl")):
        written = write_replies("shr", data, source, tmp_path / out)
        assert written == (SCENES, "my model" if source is run else "")
    replies = [(tmp_path / name).read_text() for name in ("of-run.jsonl", "of-file.jsonl")]
    assert replies[0] == replies[1]


def test_shr_is_zero_for_true_captions_and_one_for_inventions(data: Path, tmp_path: Path) -> None:
    shr: Any = registry.load("shr")
    asked = shr.read_data([data / "shr", data / "genome"])
    told = json.loads((data / "coco" / "captions_world.json").read_text())["annotations"]
    captions = {str(row["image_id"]): row["caption"] for row in told}
    for texts, wrong in ((captions, 0.0), (dict.fromkeys(captions, INVENTED), 1.0)):
        answers, replies = tmp_path / "answers.json", tmp_path / "replies.jsonl"
        answers.write_text(json.dumps(texts))
        write_replies("shr", data, answers, replies)
        judge = RecordedJudge(replies)
        scores = shr.score(
            asked,
            shr.read_answers(answers, asked),
            Scoring(model="m", mode="official", judge=judge),
        )
        rates = {score.values["hallucinated"] / score.values["labelled"] for score in scores}
        assert rates == {wrong}


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        write_data(WorldData(scenes=2), tmp_path, SilentProgress())
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_is_written_again_by_the_same_settings_only(tmp_path: Path) -> None:
    settings = WorldData(scenes=2)
    write_data(settings, tmp_path, SilentProgress())
    (tmp_path / "scenes.jsonl").unlink()
    assert write_data(settings, tmp_path, SilentProgress()).mmhal == 0
    assert len((tmp_path / "scenes.jsonl").read_text().splitlines()) == 2
    with pytest.raises(UserError, match="something else"):
        write_data(WorldData(scenes=3), tmp_path, SilentProgress())
