"""What is known about images becomes facts of a run's prompts, which a reward model reads."""

import json
import shutil
from pathlib import Path

import pytest

from groundtune.bench.world.images import find_scene
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.feedback.facts import FactSourceSettings, add_facts
from groundtune.pipeline.reward.data import read_data
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Prompt, Source
from reward_folder import fill_compared, settings_for
from training_folder import image_bytes
from written_world import written

COCO = {
    "images": [{"id": 7, "width": 200, "height": 100}],
    "categories": [{"id": 3, "name": "cup"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [20, 10, 40, 50]},
        {"image_id": 7, "caption": "A cup on a table."},
    ],
}


def fill(path: Path) -> RunFolder:
    """Comparisons about images with names: p0 is of 000000000007.jpg, p1 has options."""
    folder = fill_compared(path, prompts=12)
    prompts = [
        prompt.model_copy(
            update={
                "facts": (),
                "options": ("a cup", "a cat") if number == 1 else (),
                "source": Source(dataset="d", extra={"image": f"coco/{number + 7:012}.jpg"}),
            }
        )
        for number, prompt in enumerate(folder.prompts.read())
    ]
    rewrite(folder, prompts)
    return folder


def rewrite(folder: RunFolder, prompts: list[Prompt]) -> None:
    shutil.rmtree(folder.prompts.path)
    folder.prompts.append(prompts)


def written_facts(tmp_path: Path, source: str, **changes: object) -> dict[str, tuple[str, ...]]:
    folder = fill(tmp_path / "run")
    settings = FactSourceSettings.model_validate({"source": source, **changes})
    add_facts(folder.path, tmp_path / "out", settings, SilentProgress())
    target = RunFolder(tmp_path / "out")
    for name in ("answers", "comparisons"):
        assert getattr(target, name).read() == getattr(folder, name).read()
    assert all(target.images.path(p.images[0]).is_file() for p in target.prompts.read())
    return {prompt.key: prompt.facts for prompt in target.prompts.read()}


def test_a_file_of_captions_has_rationales_for_prompts_with_options(tmp_path: Path):
    captions = {f"{n:012}.jpg": [f"Caption {n}.", "A table."] for n in range(7, 19)}
    captions["aok_000000000008.jpg"] = ["Since it has a handle."]
    (tmp_path / "image_to_caption.json").write_text(json.dumps(captions))
    facts = written_facts(tmp_path, str(tmp_path / "image_to_caption.json"))
    assert facts["p0"] == ("Caption 7.", "A table.")
    assert facts["p1"] == ("Since it has a handle.",)
    assert facts["p11"] == ("Caption 18.", "A table.")


def test_rows_of_facts_about_one_image_are_joined(tmp_path: Path):
    rows = [{"image": "000000000007.jpg", "fact": text} for text in ("One cup.", "A table.")]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = written_facts(tmp_path, str(tmp_path / "facts.jsonl"))
    assert facts["p0"] == ("One cup.", "A table.")
    assert facts["p2"] == ()


def test_annotations_give_boxes_in_shares_of_the_image_and_captions(tmp_path: Path):
    (tmp_path / "instances.json").write_text(json.dumps(COCO))
    facts = written_facts(tmp_path, f"annotations:{tmp_path / 'instances.json'}")
    assert facts["p0"] == ("[0.10, 0.10, 0.30, 0.60]: cup", "A cup on a table.")


def test_new_facts_are_added_to_old_ones_or_replace_them(tmp_path: Path):
    folder = fill_compared(tmp_path / "run")
    rows = [{"image": prompt.source.row, "facts": ["New."]} for prompt in folder.prompts.read()]
    old = folder.prompts.read()[0]
    source = Source(dataset="d", row="0.png")
    rewrite(folder, [old.model_copy(update={"source": source}), *folder.prompts.read()[1:]])
    (tmp_path / "facts.json").write_text(json.dumps([{**rows[0], "image": "0.png"}]))
    for replace, expected in ((False, (*old.facts, "New.")), (True, ("New.",))):
        settings = FactSourceSettings(source=str(tmp_path / "facts.json"), replace=replace)
        out = tmp_path / f"out {replace}"
        summary = add_facts(folder.path, out, settings, SilentProgress())
        assert RunFolder(out).prompts_by_key()[old.key].facts == expected
        assert summary.with_facts == (1 if replace else 24)
        assert summary.without_facts == 24 - summary.with_facts


def test_the_detector_of_the_world_names_what_is_there_with_its_boxes(tmp_path: Path):
    folder = written(tmp_path / "world", 6)
    command = ["facts", str(folder.path), "detector:world:detector", "replace=true"]
    assert run([*command, "--out", str(tmp_path / "out")]) == EXIT_DONE
    for prompt in RunFolder(tmp_path / "out").prompts.read():
        scene = find_scene(prompt.source.row)
        found: dict[str, list[float]] = {}
        for fact in prompt.facts:
            box, _, name = fact.partition(": ")
            left = float(box.removeprefix("[").partition(",")[0])
            found.setdefault(name, []).append(left)
        assert found.keys() == {thing.category for thing in scene.things}
        for thing in scene.things:
            for box in thing.boxes:
                assert min(abs(left - box.x / 96) for left in found[thing.category]) < 0.1


def test_imported_preferences_get_the_captions_of_their_images(tmp_path: Path):
    rows = [
        {
            "id": f"{n}",
            "image": f"{n:012}.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"},
                {"from": "gpt", "value": "A cup."},
            ],
            "output_1": {"from": "gpt", "value": f"A cup of {n}."},
            "output_2": {"from": "gpt", "value": f"Cat {n}."},
            "preference": 1,
        }
        for n in range(12)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    for n in range(12):
        (tmp_path / f"{n:012}.jpg").write_bytes(image_bytes("red", 16 + n))
    captions = {f"{n:012}.jpg": [f"A cup of {n}."] for n in range(12)}
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    imported, out = tmp_path / "imported", tmp_path / "out"
    command = ["import", "llava-rlhf", str(tmp_path / "rows.json"), "--images", str(tmp_path)]
    assert run([*command, "--out", str(imported)]) == EXIT_DONE
    command = ["facts", str(imported), str(tmp_path / "captions.json"), "--out", str(out)]
    assert run(command) == EXIT_DONE
    data = read_data(settings_for(tmp_path, out))
    for each in (*data.training, *data.held_out):
        assert data.prompts[each.prompt].facts == (each.better,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"other.jpg": ["A cup."]}, "of other images: none of 12"),
        ({"000000000007.jpg": [""]}, "no texts"),
        ({"000000000007.jpg": {"a": 1}}, "no texts"),
        ([{"facts": ["A cup."]}], "The row has no image"),
        ([{"image": "000000000007.jpg"}], "no texts"),
    ],
)
def test_facts_that_cannot_be_used_are_three_lines(
    content: object, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = fill(tmp_path / "run")
    (tmp_path / "facts.json").write_text(json.dumps(content))
    command = ["facts", str(folder.path), str(tmp_path / "facts.json")]
    assert run([*command, "--out", str(tmp_path / "out")]) == EXIT_INPUT
    lines = capsys.readouterr().err.splitlines()[-3:]
    assert says in lines[0]
    assert "facts.json" in lines[1]
    assert lines[2].startswith("fix:")
    assert not (tmp_path / "out" / "prompts").exists()


def test_a_run_is_not_changed_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = fill(tmp_path / "run")
    (tmp_path / "facts.json").write_text(json.dumps({"000000000007.jpg": ["A cup."]}))
    command = ["facts", str(folder.path), str(tmp_path / "facts.json")]
    assert run([*command, "--out", str(folder.path)]) == EXIT_INPUT
    assert "Choose another folder" in capsys.readouterr().err
