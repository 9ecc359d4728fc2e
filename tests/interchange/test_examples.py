"""Published sets as examples: what each row becomes, and rows that can't become one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from example_rows import A_OKVQA, FLICKR, VQA, images, said, vqa, written
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.interchange.examples import load_example_layout, read_examples
from groundtune.interchange.registry import ExampleLayoutName
from groundtune.pipeline.exchange.examples import import_examples
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import ImagePart, TextPart
from groundtune.store.images import ImageStore

SUFFIX = "Answer the question using a single word or phrase."


def dialogues(name: ExampleLayoutName, file: Path) -> list[list[str]]:
    """Each example as its turns, `<image>` for each image, the answer last."""
    store = ImageStore(file.parent / "store")
    rows = read_examples(load_example_layout(name), file, store)
    return [
        [
            *(
                "".join("<image>" if isinstance(p, ImagePart) else p.text for p in m.content)
                for m in row.prompt.messages
            ),
            row.answer.text,
        ]
        for row in rows
        if row.prompt and row.answer
    ]


def test_the_yes_no_questions_of_an_image_are_the_rounds_of_one_dialogue(tmp_path: Path):
    assert dialogues("vqav2-yes-no", vqa(tmp_path, VQA)) == [
        [f"<image>Is it red?\n{SUFFIX}", "Yes", "Is it big?", "No"]
    ]


def test_every_question_has_its_usual_answer_and_the_suffix_for_short_ones(tmp_path: Path):
    assert dialogues("vqav2-short", vqa(tmp_path, VQA)) == [
        [f"<image>Is it red?\n{SUFFIX}", "Yes"],
        [f"<image>How many?\n{SUFFIX}", "2"],
        [f"<image>What is it?\n{SUFFIX}", "Red cup"],
        [f"<image>Is it big?\n{SUFFIX}", "No"],
    ]


def test_images_without_a_yes_no_question_are_counted(tmp_path: Path):
    made = import_examples("vqav2-yes-no", vqa(tmp_path, VQA), tmp_path / "out", SilentProgress())
    assert (made.rows, made.examples, made.rounds) == (2, 1, 2)
    assert made.left_out == {"the image has no yes/no question": 1}


def test_vqa_without_its_questions_is_refused(tmp_path: Path):
    file = vqa(tmp_path, VQA)
    (tmp_path / "v2_OpenEnded_mscoco_train2014_questions.json").unlink()
    with pytest.raises(UserError, match="The questions file is missing"):
        dialogues("vqav2-short", file)


def test_choices_become_lettered_options_and_rationales_facts(tmp_path: Path):
    images(tmp_path / "coco", "000000299207.jpg")
    file = written(tmp_path / "aokvqa_v1p0_train.json", [A_OKVQA])
    out = tmp_path / "out"
    made = import_examples("a-okvqa", file, out, SilentProgress(), images=tmp_path / "coco")
    assert made.examples == 1
    [prompt] = RunFolder(out).prompts.read()
    assert prompt.messages[0].content[1] == TextPart(
        text="What is the man by the bags awaiting?\nA. skateboarder\nB. train\nC. delivery\n"
        "D. cab\nAnswer with the option's letter from the given choices directly."
    )
    assert (prompt.options, prompt.facts) == (
        tuple(A_OKVQA["choices"]),
        tuple(A_OKVQA["rationales"]),
    )
    assert prompt.source.licence == "apache-2.0"
    assert [answer.text for answer in RunFolder(out).answers.read()] == ["D"]


def test_each_phrase_is_followed_by_its_boxes_as_shares_of_the_image(tmp_path: Path):
    images(tmp_path, "1000092795.jpg")  # 20 x 16 pixels
    (tmp_path / "flickr.jsonl").write_text(json.dumps(FLICKR) + "\n")
    [[_, answer]] = dialogues("flickr30k-phrases", tmp_path / "flickr.jsonl")
    assert answer == (
        "Two guys[0.000,0.000,0.500,0.500;0.500,0.500,1.000,1.000] look at "
        "a cup[0.250,0.000,0.750,1.000] ."
    )


def test_a_dialogue_of_llava_keeps_its_rounds_and_rows_without_images_are_read(tmp_path: Path):
    images(tmp_path, "a.jpg")
    rows = [
        {
            "id": "1",
            "image": "a.jpg",
            "conversations": said("<image>\nWhat?", "A cup.", "Red?", "No."),
        },
        {"id": "2", "conversations": said("Hello?", "Yes.")},
    ]
    file = written(tmp_path / "llava.json", rows)
    assert dialogues("llava-instruct", file) == [
        ["<image>What?", "A cup.", "Red?", "No."],
        ["Hello?", "Yes."],
    ]


BAD: list[tuple[ExampleLayoutName, Any, str]] = [
    ("a-okvqa", A_OKVQA | {"correct_choice_idx": 4}, "no right choice"),
    ("a-okvqa", A_OKVQA | {"choices": ["a", ""]}, "not a list of texts"),
    ("a-okvqa", A_OKVQA | {"image_id": "x"}, "not a number"),
    ("a-okvqa", A_OKVQA | {"image_id": 7}, "doesn't exist"),
    ("llava-instruct", {"conversations": said("Hello?")}, "doesn't end with an answer"),
    ("llava-instruct", {"conversations": said("Hello?", " ")}, "answer is empty"),
    ("llava-instruct", {"conversations": said("<image>?", "No.")}, "has 0 images, but its texts"),
    ("llava-instruct", {"video": "a.mp4", "conversations": said("?", "No.")}, "about a video"),
    ("flickr30k-phrases", FLICKR | {"boxes_seq": [[0]]}, "2 phrases, but boxes for 1"),
    ("flickr30k-phrases", FLICKR | {"boxes_seq": [[0], [3]]}, "isn't there"),
    ("flickr30k-phrases", FLICKR | {"boxes": [[0, 0, 4]]}, "not four numbers"),
    ("flickr30k-phrases", FLICKR | {"sentence": "<ph_st>Two guys"}, "has no <ph_st> or no"),
]


@pytest.mark.parametrize(("name", "row", "why"), BAD)
def test_a_bad_row_is_named_and_skipped_only_if_that_is_wanted(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: ExampleLayoutName,
    row: Mapping[str, Any],
    why: str,
):
    images(tmp_path, "1000092795.jpg", "000000299207.jpg")
    good = {"a-okvqa": A_OKVQA, "flickr30k-phrases": FLICKR}.get(
        name, {"conversations": said("Hi", "Yes")}
    )
    file = written(tmp_path / "rows.json", [good, row])
    command = ["import", name, str(file), "--out", str(tmp_path / "out")]
    assert run(command) == EXIT_INPUT
    says = capsys.readouterr().err
    assert why in says
    assert "row 2" in says
    assert run([*command, "--skip-bad", "--json"]) == EXIT_DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["examples"], len(told["skipped"])) == (1, 1)


def test_importing_twice_adds_nothing_and_an_edited_row_is_refused(tmp_path: Path):
    images(tmp_path, "000000299207.jpg")
    file, out = tmp_path / "rows.json", tmp_path / "out"
    for _ in range(2):
        written(file, [A_OKVQA])
        import_examples("a-okvqa", file, out, SilentProgress())
    assert len(RunFolder(out).answers.read()) == 1
    written(file, [A_OKVQA | {"correct_choice_idx": 1}])
    with pytest.raises(UserError, match="changed since"):
        import_examples("a-okvqa", file, out, SilentProgress())
    assert [answer.text for answer in RunFolder(out).answers.read()] == ["D"]


def test_examples_have_no_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = written(tmp_path / "rows.json", [A_OKVQA])
    assert run(["import", "a-okvqa", str(file), "--dry-run"]) == EXIT_INPUT
    assert "Examples have no preview" in capsys.readouterr().err
