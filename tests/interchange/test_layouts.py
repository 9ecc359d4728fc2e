"""What every layout of one pair a row must do, by a few rows of each."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layout_rows import (
    Rows,
    images,
    json_file,
    own_pair,
    read_all,
    round_trip,
    rows_of,
    write_all,
)

from groundtune.errors import UserError
from groundtune.feedback.spans import apply
from groundtune.interchange.loading import load
from groundtune.interchange.registry import TARGETS, TITLES, LayoutName
from groundtune.store.images import ImageStore

NAMES = ("a.jpg", "deep/er/b.jpg", "c.jpg")
ASKED = {"role": "user", "content": "<image>What?"}
WHAT = {"role": "user", "content": "What?"}
CAT = {"role": "assistant", "content": "A cat sits."}
DOG = {"role": "assistant", "content": "A dog sits."}
ANSWERS = {"chosen": "A cat sits.", "rejected": "A dog sits."}


def said(human: str, gpt: str = "") -> list[dict[str, str]]:
    turns = [{"from": "human", "value": human}]
    return [*turns, {"from": "gpt", "value": gpt}] if gpt else turns


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


SPOKEN = {side: {"from": "gpt", "value": text} for side, text in ANSWERS.items()}

LINES: dict[LayoutName, Rows] = {
    "corrections": [
        {
            "question": "What?",
            "image": "a.jpg | deep/er/b.jpg",
            "answer": " A dog sits.",
            "corrected answer": "A cat sits.",
            "expert": "M",
        },
        {
            "id": 7,
            "corrected answer": "Two.",
            "answer": "3",
            "question": "How many?",
            "image": "c.jpg",
        },
    ],
    "rlaif-v-jsonl": [
        {
            "image_id": "a",
            "image_path": "a.jpg",
            "ds_question_id": "q1",
            "question": "What?",
            **ANSWERS,
            "org_infos": {
                "ds_question_id": "q1",
                "reference": "",
                "origin_file": "f.jsonl",
                "chosen_infos": {"facts": ["A cat sits."], "changed_facts": ["Does a cat sit?"]},
                "rejected_infos": {"facts": ["A dog sits."], "changed_facts": ["Does a dog sit?"]},
                "scores": {
                    "chosen": {"judge": "llava", "score": 0},
                    "rejected": {"judge": "llava", "score": -1},
                },
            },
        },
        {"image_path": "deep/er/b.jpg", "question": " ? ", **ANSWERS, "more": [1, {"a": None}]},
    ],
    "trl": [
        {
            "images": ["a.jpg"],
            "prompt": [{"role": "user", "content": [{"type": "image"}, part("What?")]}],
            "chosen": [{"role": "assistant", "content": [part("A cat sits.")]}],
            "rejected": [{"role": "assistant", "content": [part("A dog.")]}],
        },
        {"image": "a.jpg", "prompt": [WHAT], "chosen": [CAT], "rejected": [DOG]},
        {"prompt": "No image?", **ANSWERS, "score_chosen": 8.5, "score_rejected": 8},
        {"images": ["a.jpg"], "chosen": [WHAT, CAT], "rejected": [WHAT, DOG]},
    ],
    "llama-factory": [
        {"conversations": said("<image>What?"), **SPOKEN, "images": ["a.jpg"]},
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                *said("<image>\nThis?", "A cup."),
                *said("And <image> beside <image>?"),
            ],
            **SPOKEN,
            "images": ["a.jpg", "deep/er/b.jpg", "c.jpg"],
            "note": {"by": "me"},
        },
        {"conversations": said("What?"), "system": "Brief.", **SPOKEN, "images": ["c.jpg"]},
    ],
    "llama-factory-alpaca": [
        {"instruction": "<image>What?", "input": "", **ANSWERS, "images": ["a.jpg"]},
        {"instruction": "<image>\nWhat", "input": "is it?", **ANSWERS, "images": ["a.jpg"]},
        {
            "system": "Brief.",
            "instruction": "And <image>?",
            "input": "",
            "history": [["<image>This?", "A cup."]],
            **ANSWERS,
            "images": ["a.jpg", "deep/er/b.jpg"],
        },
    ],
    "ms-swift": [
        {"messages": [ASKED, CAT], "rejected_response": "A dog sits.", "images": ["a.jpg"]},
        {"messages": [ASKED, CAT], "rejected_response": [DOG], "images": [{"path": "a.jpg"}]},
        {
            "messages": [{"role": "system", "content": "Brief."}, ASKED, CAT],
            "images": ["a.jpg"],
            "rejected_messages": [{"role": "system", "content": "Brief."}, ASKED, DOG],
            "rejected_images": ["a.jpg"],
            "margin": 0.5,
        },
        {"messages": [ASKED, CAT], "images": ["a.jpg"], "rejected_images": ["deep/er/b.jpg"]},
        {"image": "c.jpg", "messages": [WHAT, CAT], "rejected_response": "X"},
    ],
    "hsa-dpo": [
        {"id": "a", "question": "What?", **ANSWERS, "chosen_score": 0, "rejected_score": 2.5},
        {"id": "c", "question": "What?", **ANSWERS, "silkie": True},
    ],
    "mm-rlhf": [
        {"image": "a.jpg", "prompt": "What?", **ANSWERS},
        {
            "id": 7,
            "prompt": "<image>\nWhat?",
            "image": ["a.jpg", "c.jpg"],
            **ANSWERS,
            "mixed_up_image": "deep/er/b.jpg",
            "reference_chosen_logp": -12.25,
            "reference_rejected_logp": -1e-7,
            "chosen_reason": "It is a cat.",
        },
    ],
    "llava-rlhf": [
        {
            "id": "000000",
            "image": "a.jpg",
            "conversations": [*said("<image>\nThis?", "A cup."), *said("And?", "Old answer.")],
            "output_1": {"from": "gpt", "value": "A dog sits."},
            "output_2": {"from": "gpt", "value": "A cat sits."},
            "preference": 2,
            "hallucination": True,
        },
        {
            "id": 3,
            "image": "c.jpg",
            "conversations": [said("What?\n<image>", "Old answer.")],
            "output_1": {"from": "gpt", "value": "A cat sits."},
            "output_2": {"from": "gpt", "value": "A dog sits."},
            "preference": 1,
        },
    ],
    "ha-dpo": [
        {"image_id": "a", "question": "What?", **ANSWERS, "answer": "yes", "correct": False},
        {"image_id": "c", "question": "Is it?", "chosen": "A cat sits.", "reject": "No."},
        {"image_id": "a", **ANSWERS},
    ],
}

SUFFIX = {"llava-rlhf": ".json", "llama-factory": ".json"}


def lines(folder: Path, name: LayoutName, rows: Rows | None = None) -> Path:
    """A file of rows with its images."""
    images(folder, *NAMES)
    path = folder / f"set{SUFFIX.get(name, '.jsonl')}"
    return json_file(path, LINES[name] if rows is None else rows)


@pytest.mark.parametrize("name", LINES)
def test_every_row_of_json_comes_back(tmp_path: Path, name: LayoutName):
    path = lines(tmp_path / "in", name)
    out = round_trip(name, path, tmp_path)
    assert rows_of(out) == rows_of(path)
    assert [list(row) for row in rows_of(out)] == [list(row) for row in rows_of(path)]
    for each in NAMES:
        if f'"{each}"' in json.dumps(rows_of(path)):
            assert (out.parent / each).read_bytes() == (path.parent / each).read_bytes()


@pytest.mark.parametrize("name", LINES)
def test_what_was_exported_gives_the_same_records(tmp_path: Path, name: LayoutName):
    path = lines(tmp_path / "in", name)
    out = round_trip(name, path, tmp_path)
    first = read_all(name, path, ImageStore(tmp_path / "store"))
    assert read_all(name, out, ImageStore(tmp_path / "other")) == first
    assert len(first[1]) == len(LINES[name])


@pytest.mark.parametrize("name", LINES)
def test_spans_are_recovered_of_the_two_texts(tmp_path: Path, name: LayoutName):
    _, pairs, _ = read_all(name, lines(tmp_path, name), ImageStore(tmp_path / "store"))
    assert all(apply(pair.rejected, pair.rejected_spans) == pair.chosen for pair in pairs)
    assert pairs[0].rejected_spans


FILES: list[tuple[LayoutName, str]] = [
    *((name, SUFFIX.get(name, ".jsonl")) for name in LINES),
    ("rlhf-v", ".parquet"),
    ("rlaif-v", ".parquet"),
    ("trl", ".parquet"),
    ("llama-factory", ".parquet"),
    ("vlfeedback", ".parquet"),
    ("corrections", ".csv"),
]


@pytest.mark.parametrize(("name", "ending"), FILES)
def test_the_same_run_exported_twice_gives_equal_bytes(
    tmp_path: Path, name: LayoutName, ending: str
):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, chosen_severity=0.0, rejected_severity=2.0)
    pairs = [pair, pair.model_copy(update={"key": "l", "rejected": "A cow."})]
    files: list[dict[Path, bytes]] = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        write_all(name, folder / f"set{ending}", pairs, dict(prompts), store)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files.append({path.relative_to(folder): path.read_bytes() for path in paths})
    assert files[0] == files[1]
    assert Path(f"set{ending}") in files[0]


@pytest.mark.parametrize("name", LINES)
def test_a_pair_of_our_own_goes_out_and_comes_back(tmp_path: Path, name: LayoutName):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, chosen_rating=1.0, rejected_rating=-2.0)
    path = tmp_path / "out" / f"own{SUFFIX.get(name, '.jsonl')}"
    written = write_all(name, path, [pair], prompts, store)
    assert written == (1, ())
    found, (back,), _ = read_all(name, path, ImageStore(tmp_path / "again"))
    assert (back.chosen, back.rejected) == ("A cat.", "A dog.")
    assert found[back.prompt].messages == prompts["p"].messages
    assert back.source.licence == "cc-by-4.0"


@pytest.mark.parametrize("name", LINES)
def test_an_edited_pair_does_not_go_out_with_its_old_text(tmp_path: Path, name: LayoutName):
    store = ImageStore(tmp_path / "store")
    path = lines(tmp_path / "in", name)
    prompts, pairs, _ = read_all(name, path, store)
    edited = [pair.model_copy(update={"chosen": "A cow lies."}) for pair in pairs]
    write_all(name, tmp_path / "out" / path.name, edited, prompts, store)
    assert "A cat sits." not in [
        each.chosen for each in read_all(name, tmp_path / "out" / path.name, store)[1]
    ]
    assert len(rows_of(tmp_path / "out" / path.name)) == len(pairs)


ODD = st.text(max_size=10).filter(lambda text: "<image>" not in text)
ANSWER = ODD.filter(str.strip)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
@pytest.mark.parametrize("name", [name for name in LINES if name != "corrections"])
def test_any_texts_come_back(tmp_path: Path, name: LayoutName, data: st.DataObject):
    row = json.loads(json.dumps(LINES[name][0]))
    texts = {
        "What?": data.draw(ODD),
        "A cat sits.": data.draw(ANSWER),
        "A dog sits.": data.draw(ANSWER),
    }
    texts["A dog."] = texts["A dog sits."]

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put(each) for key, each in value.items()}
        if isinstance(value, list):
            return [put(each) for each in value]
        if (
            isinstance(value, str)
            and value.removeprefix("<image>\n").removeprefix("<image>") in texts
        ):
            kept = "<image>" if value.startswith("<image>") else ""
            return kept + texts[value.removeprefix("<image>\n").removeprefix("<image>")]
        return value

    path = lines(tmp_path / "in", name, [put(row)])
    assert rows_of(round_trip(name, path, tmp_path)) == rows_of(path)


BAD: list[tuple[LayoutName, dict[str, Any], str, str]] = [
    ("rlaif-v-jsonl", {"question": 3}, "question", "'question' is missing or is not text"),
    ("rlaif-v-jsonl", {"chosen": " "}, "", "'chosen' answer is empty"),
    ("rlaif-v-jsonl", {"image_path": None}, "image_path", "no image"),
    ("rlaif-v-jsonl", {"image_path": "https://a/b.jpg"}, "image_path", "not a file"),
    ("llama-factory", {"conversations": said("Q", "A")}, "", "not the user's"),
    ("llama-factory", {"conversations": said("<image><image>")}, "", "1 images, but .* refer to 2"),
    ("llama-factory", {"chosen": "A"}, "chosen", "not an object"),
    (
        "llama-factory",
        {"conversations": [{"from": "tool", "value": "x"}]},
        "conversations",
        "'tool'",
    ),
    (
        "llama-factory-alpaca",
        {"instruction": None},
        "instruction",
        "'instruction' is missing or is not text",
    ),
    ("llama-factory-alpaca", {"history": [["Q"]]}, "history", "two texts"),
    ("trl", {"rejected": [CAT, DOG]}, "rejected", "not one assistant's"),
    ("trl", {"prompt": [{"role": "user", "content": [{"type": "video"}]}]}, "prompt", "neither"),
    ("ms-swift", {"rejected_response": None}, "rejected_response", "no rejected"),
    ("ms-swift", {"messages": [ASKED]}, "messages", "not the assistant's"),
    ("hsa-dpo", {"id": None}, "id", "names an image"),
    ("hsa-dpo", {"rejected_score": "1"}, "rejected_score", "not a number"),
    ("mm-rlhf", {"image": None, "video": "v"}, "video", "about a video"),
    ("llava-rlhf", {"preference": 0}, "preference", "neither 1 nor 2"),
    ("llava-rlhf", {"output_2": None}, "output_2", "not an object"),
]


@pytest.mark.parametrize(("name", "change", "column", "complaint"), BAD)
def test_a_bad_row_is_an_error_naming_file_row_and_column_and_can_be_skipped(
    tmp_path: Path, name: LayoutName, change: dict[str, Any], column: str, complaint: str
):
    good = LINES[name][0]
    path = lines(tmp_path, name, [good, {**good, **change}, good])
    store = ImageStore(tmp_path / "store")
    with pytest.raises(UserError, match=complaint) as caught:
        read_all(name, path, store)
    place = f"{path}, row 2" if path.suffix == ".json" else f"{path}:2"
    assert caught.value.where == place + (f", column {column}" if column else "")
    _, pairs, skipped = read_all(name, path, store, skip_bad=True)
    assert (len(pairs), [error.where for error in skipped]) == (2, [caught.value.where])


def test_a_text_with_the_token_in_it_is_refused_where_it_would_be_a_image(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, texts=("Is <image> a word?",))
    for name in ("llama-factory", "llama-factory-alpaca", "ms-swift", "llava-rlhf"):
        out = tmp_path / f"out{SUFFIX.get(name, '.jsonl')}"
        with pytest.raises(UserError, match="reads as an image") as caught:
            write_all(name, out, [pair], prompts, store)
        assert caught.value.where == "pair k"
        assert not out.exists()


def test_several_turns_and_images_go_through_every_layout_that_has_messages(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pair = own_pair(store, texts=("First?", "Second?"))
    for name in ("trl", "llama-factory", "llama-factory-alpaca", "ms-swift"):
        out = tmp_path / "out" / f"{name}.jsonl"
        write_all(name, out, [pair], prompts, store)
        found, (back,), _ = read_all(name, out, store)
        assert found[back.prompt].messages == prompts["p"].messages
    for name in ("rlaif-v-jsonl", "hsa-dpo", "mm-rlhf"):
        with pytest.raises(UserError, match="layout requires"):
            write_all(name, tmp_path / f"{name}.jsonl", [pair], prompts, store)


def test_the_licence_is_next_to_the_rows_and_may_be_given(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    path = lines(tmp_path / "in", "ms-swift")
    prompts, pairs, _ = read_all("ms-swift", path, store, licence="cc-by-nc-4.0")
    assert {pair.source.licence for pair in pairs} == {"cc-by-nc-4.0"}
    out = tmp_path / "out" / "set.jsonl"
    assert write_all("ms-swift", out, pairs, prompts, store).non_commercial == ("cc-by-nc-4.0",)
    _, back, _ = read_all("ms-swift", out, store)
    assert {pair.source.licence for pair in back} == {"cc-by-nc-4.0"}
    _, back, _ = read_all("ms-swift", out, store, licence="mine")
    assert {pair.source.licence for pair in back} == {"mine"}
    out.with_name("set.jsonl.licences.json").write_text("[")
    with pytest.raises(UserError, match="file is not JSON"):
        read_all("ms-swift", out, store)


def test_a_name_that_a_layouts_files_do_not_have_is_refused(tmp_path: Path):
    for name in [each for each in TARGETS if each != "rlhf-v"]:
        with pytest.raises(UserError, match=r"has no files that end in \.txt"):
            list(load(name).read(tmp_path / "a.txt", ImageStore(tmp_path / "store")))
        with pytest.raises(UserError, match=r"has no files that end in \.txt"):
            load(name).write(tmp_path / "a.txt", [], {}, ImageStore(tmp_path / "store"))


def test_every_name_has_a_module_and_a_line(tmp_path: Path):
    assert list(TITLES) == list(TARGETS)
    for name in TARGETS:
        missing = tmp_path / ("no.parquet" if name in ("rlhf-v", "rlaif-v") else "no.json")
        if name == "hsa-dpo":
            missing = tmp_path / "no.jsonl"
        with pytest.raises(UserError, match="doesn't exist"):
            load(name).row_count(missing)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "llama-factory",
            {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        ),
        ("llama-factory-alpaca", {"instruction": "Q", "output": "A"}),
        ("trl", {"prompt": "Q", "completion": "A"}),
        ("ms-swift", {"messages": [WHAT, CAT]}),
    ],
)
def test_a_row_for_kto_is_named_as_one(tmp_path: Path, name: LayoutName, row: dict[str, Any]):
    label = "kto_tag" if name.startswith("llama") else "label"
    path = json_file(tmp_path / "set.json", [{**row, label: False}])
    with pytest.raises(UserError, match="one answer and a label, as for KTO") as error:
        read_all(name, path, ImageStore(tmp_path / "store"))
    assert error.value.where == f"{path}, row 1, column {label}"
    _, pairs, skipped = read_all(name, path, ImageStore(tmp_path / "store"), skip_bad=True)
    assert (pairs, len(skipped)) == ([], 1)
