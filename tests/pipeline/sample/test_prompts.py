import json
import resource
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.prompts import PromptRows, read_prompts
from groundtune.records import ImagePart, Message, TextPart

COLOURS = ("red", "green", "blue")


def image(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (12, 10), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with red.png, green.png and blue.png in images/."""
    (tmp_path / "images").mkdir()
    for colour in COLOURS:
        (tmp_path / "images" / f"{colour}.png").write_bytes(image(colour))
    return tmp_path


def write(folder: Path, *rows: object) -> Path:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in rows))
    return file


def read(folder: Path, prompts: Path | None = None, **options: Any) -> PromptRows:
    return read_prompts(RunFolder(folder / "run"), SilentProgress(), prompts=prompts, **options)


def said(folder: Path, message: Message) -> list[str]:
    """Texts, and images by their colour."""
    store = RunFolder(folder / "run").images
    names = {store.add(image(colour)): colour for colour in COLOURS}
    return [
        part.text if isinstance(part, TextPart) else names[part.image] for part in message.content
    ]


def test_a_row_is_a_image_and_a_question(folder: Path):
    file = write(folder, {"image": "images/red.png", "question": "What is it?", "id": 7})
    prompt = read(folder, file).prompts[0]
    assert said(folder, prompt.messages[0]) == ["red", "What is it?"]
    assert prompt.question == "What is it?"
    assert (prompt.source.dataset, prompt.source.row) == ("prompts.jsonl", "1")
    assert prompt.source.extra == {"id": "7", "image": "images/red.png"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.jsonl", '\ufeff{"image": "images/red.png", "question": "A\u2028B?"}\r\n\n'),
        ("p.json", '\ufeff[\n {\n  "image": "images/red.png",\n  "question": "A\u2028B?"\n }\n]'),
        ("p.csv", '\ufeffimage,question\r\nimages/red.png,"A\u2028B?"\r\n'),
        ("p.tsv", "question\timage\nA\u2028B?\timages/red.png\n"),
    ],
)
def test_prompts_are_lines_or_a_list_or_a_table(folder: Path, name: str, text: str):
    (folder / name).write_bytes(text.encode())
    (prompt,) = read(folder, folder / name).prompts
    assert said(folder, prompt.messages[0]) == ["red", "A\u2028B?"]
    assert prompt.source.dataset == name


def test_a_list_that_breaks_off_is_refused_even_with_skip_bad(folder: Path):
    (folder / "p.json").write_text('[{"image": "images/red.png", "question": "What?"}, {"im')
    with pytest.raises(UserError, match="Unterminated string") as caught:
        read(folder, folder / "p.json", skip_bad=True)
    assert caught.value.where == f"{folder / 'p.json'}, row 2 (line 1, column 53)"


def test_several_images_are_where_the_text_names_them(folder: Path):
    images = ["images/red.png", "images/blue.png"]
    file = write(
        folder,
        {"images": images, "prompt": "<image>\nor <image> ?"},
        {"images": images, "prompt": "Which?"},
    )
    first, second = read(folder, file).prompts
    assert said(folder, first.messages[0]) == ["red", "or", "blue", "?"]
    assert said(folder, second.messages[0]) == ["red", "blue", "Which?"]


def test_several_turns_are_kept_with_their_images(folder: Path):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": "Red."},
        {
            "role": "user",
            "content": [
                {"type": "image", "image": "images/blue.png"},
                {"type": "text", "text": "This?"},
            ],
        },
    ]
    file = write(folder, {"messages": messages, "images": ["images/red.png"], "facts": ["a fact"]})
    prompt = read(folder, file).prompts[0]
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "user"]
    assert [said(folder, message) for message in prompt.messages] == [
        ["Be brief."],
        ["red", "What is it?"],
        ["Red."],
        ["blue", "This?"],
    ]
    assert prompt.facts == ("a fact",)


def test_rlaif_vs_rows_find_their_images_without_their_authors_folders(folder: Path):
    row = {
        "ds_question_id": "q",
        "image_path": "./examples/images/green.png",
        "question": "Describe it.",
        "metainfos": {"reference": "x"},
    }
    beside = read(folder, write(folder, row)).prompts[0]
    assert said(folder, beside.messages[0]) == ["green", "Describe it."]
    assert json.loads(beside.source.extra["metainfos"]) == {"reference": "x"}
    (folder / "elsewhere").mkdir()
    elsewhere = write(folder / "elsewhere", row)
    assert read(folder, elsewhere, images=folder).prompts[0].key == beside.key


def test_parquet_rows_hold_paths_or_bytes(folder: Path):
    table = pa.table(
        {
            "image": [
                {"bytes": image("red"), "path": "x.png"},
                {"bytes": None, "path": "images/blue.png"},
            ],
            "question": ["One?", "Two?"],
        }
    )
    pq.write_table(table, folder / "prompts.parquet")
    prompts = read(folder, folder / "prompts.parquet").prompts
    assert [said(folder, prompt.messages[0]) for prompt in prompts] == [
        ["red", "One?"],
        ["blue", "Two?"],
    ]


def test_a_folder_of_images_is_asked_one_instruction_in_the_order_of_names(folder: Path):
    (folder / "images" / "notes.txt").write_text("no image")
    (folder / "images" / ".hidden.png").write_bytes(b"")
    found = read(folder, images=folder / "images", ask="Describe it.")
    assert [said(folder, each.messages[0])[0] for each in found.prompts] == ["blue", "green", "red"]
    assert {prompt.question for prompt in found.prompts} == {"Describe it."}


def test_another_runs_prompts_are_taken_with_their_images(folder: Path):
    made = read(folder, images=folder / "images", ask="Describe it.")
    RunFolder(folder / "run").prompts.append(made.prompts)
    other = RunFolder(folder / "other")
    taken = read_prompts(other, SilentProgress(), prompts=folder / "run", limit=2)
    assert taken.prompts == made.prompts[:2] == other.prompts.read()
    assert other.images.open(made.prompts[0].images[0]).size == (12, 10)


def test_a_prompt_that_comes_twice_is_one_prompt_and_limit_counts_rows(folder: Path):
    row = {"image": "images/red.png", "question": "What?"}
    file = write(folder, row, row, {**row, "question": "Who?"})
    assert len(read(folder, file).prompts) == 2
    assert len(read(folder, file, limit=2).prompts) == 1


BAD_ROWS = {
    "not JSON": "{",
    "not a JSON object": "[1]",
    "half a character": '{"image": "images/red.png", "question": "\\ud83d"}',
    "nested more than 100 deep": '{"x": ' + "[" * 990 + "]" * 990 + "}",
    "No file can have this name": {"image": "a\0.png", "question": "What?"},
    "File name too long": {"image": "x" * 300 + ".png", "question": "What?"},
    "no image": {"question": "What?"},
    "text is empty": {"image": "images/red.png", "question": " "},
    "no text": {"image": "images/red.png"},
    "doesn't exist": {"image": "images/no.png", "question": "What?"},
    "not an image": {"image": "prompts.jsonl", "question": "What?"},
    "neither a path nor bytes": {"image": 7, "question": "What?"},
    "more images than the row has": {"image": "images/red.png", "question": "<image> <image>"},
    "more images than its text": {"images": ["images/red.png"] * 2, "question": "<image> What?"},
    "neither text nor image": {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
    "no content": {"messages": [{"role": "user"}]},
    "not an object": {"messages": ["What?"]},
    "not valid": {"messages": [{"role": "robot", "content": "What?"}]},
    "not from the user": {
        "image": "images/red.png",
        "messages": [{"role": "assistant", "content": "It"}],
    },
}


@pytest.mark.parametrize("says", BAD_ROWS)
def test_a_bad_row_is_named_or_skipped_and_listed(folder: Path, says: str):
    file = write(folder, {"image": "images/red.png", "question": "What?"}, BAD_ROWS[says])
    with pytest.raises(UserError) as caught:
        read(folder, file)
    assert says in caught.value.what
    assert caught.value.where.startswith(f"{file}:2")
    found = read(folder, file, skip_bad=True)
    assert len(found.prompts) == 1
    assert [(each.file, each.row) for each in found.skipped] == [(str(file), "2")]
    assert says in found.skipped[0].what


def test_a_bad_image_of_a_folder_is_named_or_skipped_and_listed(folder: Path):
    cut = folder / "images" / "cut.png"
    cut.write_bytes(image("red")[:-20])
    with pytest.raises(UserError, match="truncated or damaged") as caught:
        read(folder, images=folder / "images", ask="What?")
    assert "cut.png" in caught.value.where
    found = read(folder, images=folder / "images", ask="What?", skip_bad=True)
    assert (len(found.prompts), [each.file for each in found.skipped]) == (3, [str(cut)])


def test_a_parquet_without_the_images_or_texts_column_is_named_even_with_skip_bad(folder: Path):
    pq.write_table(pa.table({"question": ["What?"], "img": ["x"]}), folder / "p.parquet")
    with pytest.raises(UserError, match=r"no column of images.*\n.*p\.parquet\n.*img"):
        read(folder, folder / "p.parquet", skip_bad=True)
    pq.write_table(pa.table({"image": ["x"], "ask": ["What?"]}), folder / "p.parquet")
    with pytest.raises(UserError, match="no column of texts"):
        read(folder, folder / "p.parquet", skip_bad=True)


def test_when_every_row_is_bad_nothing_is_left_to_do(folder: Path):
    with pytest.raises(UserError, match="1 rows are bad, the first: The prompt has no image"):
        read(folder, write(folder, {"question": "What?"}), skip_bad=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "no prompts"),
        ({"images": "images"}, "no instruction"),
        ({"images": "nowhere", "ask": "What?"}, "no such folder"),
        ({"prompts": "nowhere.jsonl"}, "doesn't exist"),
        ({"prompts": "images/red.png"}, r"can't be read from \.png"),
        ({"prompts": "images"}, "holds no prompts"),
    ],
)
def test_a_source_that_is_none_is_named(folder: Path, options: dict[str, str], says: str):
    paths = {name: value if name == "ask" else folder / value for name, value in options.items()}
    with pytest.raises(UserError, match=says):
        read(folder, **paths)


def test_a_full_disk_is_no_bad_row(folder: Path):
    file = write(folder, {"image": "images/red.png", "question": "What?"})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limit[1]))
    try:
        with pytest.raises(UserError, match="disk is full"):
            read(folder, file, skip_bad=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not [each for each in (folder / "run").rglob("*") if each.is_file()]


def test_a_image_is_a_part_by_its_sha256(folder: Path):
    prompt = read(folder, images=folder / "images", ask="What?", limit=1).prompts[0]
    part = prompt.messages[0].content[0]
    assert isinstance(part, ImagePart)
    assert RunFolder(folder / "run").images.path(part.image).read_bytes() == image("blue")
