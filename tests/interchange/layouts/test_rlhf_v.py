import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from groundtune.errors import UserError
from groundtune.feedback.spans import apply
from groundtune.interchange.layouts import rlhf_v
from groundtune.records import ImagePart, Message, Pair, Prompt, Source, TextPart
from groundtune.store.images import ImageStore

TEXTS = {"question": "What is there?", "chosen": "A cat sits.", "rejected": "A dog sits."}
COLUMNS = ["ds_name", "image", "text", "origin_dataset", "origin_split", "idx", "image_path"]
SCHEMA = pa.schema(
    [
        ("ds_name", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("text", pa.string()),
        ("origin_dataset", pa.string()),
        ("origin_split", pa.string()),
        ("idx", pa.int64()),
        ("image_path", pa.string()),
    ]
)


def image_bytes(colour: str = "red", kind: str = "PNG") -> bytes:
    data = BytesIO()
    Image.new("RGB", (8, 6), colour).save(data, kind)
    return data.getvalue()


def row(number: int = 0, **more: object) -> dict[str, object]:
    return {
        "ds_name": "RLHF-V",
        "image": {"bytes": image_bytes(), "path": f"{number}.png"},
        "text": json.dumps(TEXTS),
        "origin_dataset": "LCS-558K",
        "origin_split": '{"model": "Muffin", "type": "detail description"}',
        "idx": number,
        "image_path": f"images/{number}.png",
        **more,
    }


def parquet(folder: Path, rows: list[dict[str, object]], schema: pa.Schema = SCHEMA) -> Path:
    path = folder / "set.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def read_all(
    path: Path, store: ImageStore, *, skip_bad: bool = False
) -> tuple[dict[str, Prompt], list[Pair], list[UserError]]:
    prompts: dict[str, Prompt] = {}
    pairs: list[Pair] = []
    skipped: list[UserError] = []
    for batch in rlhf_v.read(path, store, skip_bad=skip_bad, rows=3):
        prompts |= {prompt.key: prompt for prompt in batch.prompts}
        pairs += batch.pairs
        skipped += batch.skipped
    return prompts, pairs, skipped


def round_trip(path: Path, folder: Path) -> Path:
    store = ImageStore(folder / "images")
    prompts, pairs, _ = read_all(path, store)
    assert len({pair.key for pair in pairs}) == len(pairs)
    rlhf_v.write(folder / "out.parquet", pairs, prompts, store)
    return folder / "out.parquet"


def test_a_row_becomes_a_prompt_with_its_image_and_a_pair_with_its_spans(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompts, pairs, _ = read_all(parquet(tmp_path, [row(7)]), store)
    (prompt,) = prompts.values()
    assert prompt.question == "What is there?"
    assert store.path(prompt.images[0]).read_bytes() == image_bytes()
    assert (pairs[0].chosen, pairs[0].rejected) == ("A cat sits.", "A dog sits.")
    assert apply(pairs[0].rejected, pairs[0].rejected_spans) == pairs[0].chosen
    assert (pairs[0].source.row, pairs[0].source.licence) == ("7", "cc-by-nc-4.0")
    assert prompt.source.licence == "cc-by-nc-4.0"


def test_two_rows_of_one_image_and_question_share_their_prompt(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompts, pairs, _ = read_all(parquet(tmp_path, [row(0), row(1)]), store)
    assert len(prompts) == 1
    assert len({pair.key for pair in pairs}) == 2


LOGPS = {"logps": [[-1.5, -0.1, [-0.25]], [-2.5, -0.2, [-1.0]]]}
AS_FOUND = [
    json.dumps(TEXTS),
    json.dumps(TEXTS, ensure_ascii=False, indent=1),
    json.dumps({**TEXTS, "chosen": "caf\u00e9 \U0001f431"}),
    json.dumps({**TEXTS, "chosen": "caf\u00e9 \U0001f431"}, ensure_ascii=False),
    json.dumps(dict(reversed(TEXTS.items()))),
    json.dumps({**TEXTS, **LOGPS}),
    json.dumps(TEXTS).replace("cat", "\\u0063at"),
]


def test_every_column_comes_back_byte_for_byte(tmp_path: Path):
    rows = [row(i, text=text) for i, text in enumerate(AS_FOUND)]
    rows += [
        row(90, image={"bytes": image_bytes("blue", "JPEG"), "path": None}),
        row(90, ds_name=None, origin_dataset="", origin_split=None, image_path=None, idx=None),
        row(2**62, ds_name="", image={"bytes": image_bytes("green"), "path": ""}),
        row(0),
        row(0),
    ]
    path = parquet(tmp_path, rows)
    assert pq.read_table(round_trip(path, tmp_path)).to_pylist() == rows


CELL = st.none() | st.text(max_size=8)
ANSWER = st.text(min_size=1, max_size=12).filter(str.strip)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_texts_in_any_json_style_come_back(tmp_path: Path, data: st.DataObject):
    rows = [
        row(
            data.draw(st.integers(-(2**63), 2**63 - 1)),
            text=json.dumps(
                {
                    "question": data.draw(st.text(max_size=8)),
                    "chosen": data.draw(ANSWER),
                    "rejected": data.draw(ANSWER),
                },
                ensure_ascii=data.draw(st.booleans()),
            ),
            **{name: data.draw(CELL) for name in COLUMNS if name.startswith("origin")},
        )
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    path = parquet(tmp_path, rows)
    assert pq.read_table(round_trip(path, tmp_path)).to_pylist() == rows


def test_an_exported_file_read_again_gives_the_same_records(tmp_path: Path):
    path = parquet(tmp_path, [row(i, text=text) for i, text in enumerate(AS_FOUND)])
    store = ImageStore(tmp_path / "images")
    first = read_all(path, store)
    again = read_all(round_trip(path, tmp_path), store)
    assert again == first


def test_large_string_columns_are_read_too(tmp_path: Path):
    large = pa.schema(
        [pa.field(f.name, pa.large_string()) if f.type == pa.string() else f for f in SCHEMA]
    )
    path = parquet(tmp_path, [row(3)], large)
    assert pq.read_table(round_trip(path, tmp_path)).to_pylist() == [row(3)]


def test_columns_that_are_null_in_every_row_are_read_too(tmp_path: Path):
    rows = [row(3, image_path=None, image={"bytes": image_bytes(), "path": None})]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    assert pq.read_table(round_trip(tmp_path / "set.parquet", tmp_path)).to_pylist() == rows


def test_real_photographs_come_back_byte_for_byte(tmp_path: Path):
    folder = os.environ.get("GROUNDTUNE_TEST_DATA")
    if folder is None:
        pytest.skip("GROUNDTUNE_TEST_DATA isn't set")
    photographs = sorted((Path(folder) / "rlaif_v_examples").rglob("*.jpg"))[:8]
    assert photographs
    rows = [
        row(i, image={"bytes": each.read_bytes(), "path": each.name}, image_path=str(each.name))
        for i, each in enumerate(photographs)
    ]
    path = parquet(tmp_path, rows)
    assert pq.read_table(round_trip(path, tmp_path)).to_pylist() == rows


def test_the_exported_schema_is_the_published_one_and_says_that_image_is_an_image(tmp_path: Path):
    out = round_trip(parquet(tmp_path, [row(0)]), tmp_path)
    schema = pq.read_schema(out)
    assert schema.names == COLUMNS
    assert schema.types == SCHEMA.types
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == COLUMNS
    assert features["image"] == {"_type": "Image"}
    assert features["idx"] == {"dtype": "int64", "_type": "Value"}


def own_pair(store: ImageStore, **source: str) -> tuple[Prompt, Pair]:
    image = store.add(image_bytes())
    prompt = Prompt(
        key="p",
        messages=(Message(role="user", content=(ImagePart(image=image), TextPart(text="What?"))),),
    )
    pair = Pair(
        key="k",
        prompt="p",
        chosen="A cat.",
        rejected="A dog.",
        origin="correction",
        parents=("c", "a"),
        source=Source.model_validate({"dataset": "mine", **source}),
    )
    return prompt, pair


def test_pairs_of_our_own_are_exported_with_the_model_that_answered(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompt, pair = own_pair(store)
    rlhf_v.write(tmp_path / "out.parquet", [pair], {"p": prompt}, store, models={"a": "base"})
    (out,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert json.loads(out["text"]) == {
        "question": "What?",
        "chosen": "A cat.",
        "rejected": "A dog.",
    }
    assert json.loads(out["origin_split"])["model"] == "base"
    assert (out["ds_name"], out["origin_dataset"], out["idx"]) == ("groundtune", "mine", 0)
    assert out["image"]["bytes"] == image_bytes()


def test_a_correction_of_an_imported_prompt_does_not_claim_the_published_rows_origin(
    tmp_path: Path,
):
    store = ImageStore(tmp_path / "images")
    prompts, pairs, _ = read_all(parquet(tmp_path, [row(5)]), store)
    ours = pairs[0].model_copy(update={"origin": "correction", "chosen": "A cow sits."})
    rlhf_v.write(tmp_path / "out.parquet", [ours], prompts, store)
    (out,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert out["ds_name"] == "groundtune"
    assert json.loads(out["text"])["chosen"] == "A cow sits."


def test_an_edited_pair_is_not_exported_with_its_old_text(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    path = parquet(tmp_path, [row(0, text=json.dumps({**TEXTS, **LOGPS}))])
    prompts, pairs, _ = read_all(path, store)
    edited = pairs[0].model_copy(update={"chosen": "A cow sits."})
    rlhf_v.write(tmp_path / "out.parquet", [edited], prompts, store)
    (out,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert json.loads(out["text"]) == {**TEXTS, "chosen": "A cow sits."}


def test_a_licence_that_forbids_commercial_use_is_reported_and_kept_in_the_file(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompt, pair = own_pair(store, licence="cc-by-nc-4.0")
    written = rlhf_v.write(tmp_path / "out.parquet", [pair], {"p": prompt}, store)
    assert written == (1, ("cc-by-nc-4.0",))
    prompt, pair = own_pair(store, licence="cc-by-4.0")
    written = rlhf_v.write(tmp_path / "free.parquet", [pair], {"p": prompt}, store)
    assert written == (1, ())
    _, pairs, _ = read_all(tmp_path / "free.parquet", store)
    assert pairs[0].source.licence == "cc-by-4.0"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_an_error_that_names_it(tmp_path: Path, column: str):
    path = parquet(tmp_path, [row()], pa.schema([f for f in SCHEMA if f.name != column]))
    with pytest.raises(UserError, match=f"column '{column}' is missing") as caught:
        read_all(path, ImageStore(tmp_path / "images"))
    assert caught.value.where == str(path)


def test_a_column_of_another_type_is_an_error_that_names_it(tmp_path: Path):
    fields = [pa.field("idx", pa.string()) if f.name == "idx" else f for f in SCHEMA]
    path = parquet(tmp_path, [row(idx="7")], pa.schema(fields))
    with pytest.raises(UserError, match="'idx' is string, not int64"):
        read_all(path, ImageStore(tmp_path / "images"))


def test_a_file_that_is_missing_or_not_parquet_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="doesn't exist"):
        rlhf_v.row_count(tmp_path / "no.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(UserError, match="can't be read as Parquet"):
        rlhf_v.row_count(tmp_path / "text.parquet")


BAD = [
    ({"text": "{'question': 1}"}, "text", "not JSON"),
    ({"text": None}, "text", "not JSON"),
    ({"text": "[1]"}, "text", "not an object"),
    ({"text": '{"question": "q", "chosen": "c"}'}, "text", "'rejected' is missing or is not text"),
    (
        {"text": '{"question": "q", "chosen": 3, "rejected": "r"}'},
        "text",
        "'chosen' is missing or is not text",
    ),
    (
        {"text": '{"question": "q", "chosen": "", "rejected": "r"}'},
        "text",
        "'chosen' answer is empty",
    ),
    ({"text": '{"question": "q", "chosen": "c", "rejected": " "}'}, "text", "'rejected' answer is"),
    ({"text": '{"question": "\\ud800", "chosen": "c", "rejected": "r"}'}, "text", "half a char"),
    ({"image": None, "image_path": None}, "image", "neither an image nor"),
    ({"image": {"bytes": None, "path": None}, "image_path": ""}, "image", "neither an image nor"),
    ({"image": {"bytes": b"not an image", "path": None}}, "image", "not an image"),
    ({"image": {"bytes": image_bytes()[:-30], "path": None}}, "image", "truncated or damaged"),
]


@pytest.mark.parametrize(("change", "column", "complaint"), BAD)
def test_a_bad_row_is_an_error_naming_file_row_and_column(
    tmp_path: Path, change: dict[str, object], column: str, complaint: str
):
    path = parquet(tmp_path, [row(i) for i in range(4)] + [row(4, **change)])
    with pytest.raises(UserError, match=complaint) as caught:
        read_all(path, ImageStore(tmp_path / "images"))
    assert caught.value.where == f"{path}, row 5, column {column}"


def test_bad_rows_can_be_skipped_and_are_listed(tmp_path: Path):
    rows = [row(i) for i in range(4)]
    bad = [row(4 + i, **change) for i, (change, _, _) in enumerate(BAD)]
    path = parquet(tmp_path, [*rows, *bad, row(99)])
    _, pairs, skipped = read_all(path, ImageStore(tmp_path / "images"), skip_bad=True)
    assert [pair.source.row for pair in pairs] == ["0", "1", "2", "3", "99"]
    assert [error.where for error in skipped] == [
        f"{path}, row {5 + i}, column {column}" for i, (_, column, _) in enumerate(BAD)
    ]


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_no_half_written_export(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompt, pair = own_pair(store)
    out = tmp_path / "out" / "out.parquet"
    with pytest.raises(UserError, match="disk is full"), file_limit(200):
        rlhf_v.write(out, [pair], {"p": prompt}, store)
    assert list(out.parent.iterdir()) == []


def test_a_full_disk_is_no_bad_row_to_skip(tmp_path: Path):
    path = parquet(tmp_path, [row(0)])
    store = ImageStore(tmp_path / "images")
    with pytest.raises(UserError, match="disk is full"), file_limit(10):
        read_all(path, store, skip_bad=True)


def test_a_prompt_that_the_layout_cannot_hold_is_an_error(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompt, pair = own_pair(store)
    two = prompt.messages[0].content[:1] + prompt.messages[0].content
    wider = prompt.model_copy(update={"messages": (Message(role="user", content=two),)})
    with pytest.raises(UserError, match="one image with one question"):
        rlhf_v.write(tmp_path / "out.parquet", [pair], {"p": wider}, store)
    assert not (tmp_path / "out.parquet").exists()


def test_a_pair_whose_prompt_or_image_is_missing_is_an_error(tmp_path: Path):
    store = ImageStore(tmp_path / "images")
    prompt, pair = own_pair(store)
    with pytest.raises(UserError, match="prompt p is missing"):
        rlhf_v.write(tmp_path / "out.parquet", [pair], {}, store)
    store.path(prompt.images[0]).unlink()
    with pytest.raises(UserError, match="is missing") as caught:
        rlhf_v.write(tmp_path / "out.parquet", [pair], {"p": prompt}, store)
    assert caught.value.where == "pair k"


@pytest.mark.parametrize(
    "change",
    [{"image": None}, {"image": {"bytes": None, "path": "images/0.png"}, "image_path": None}],
)
def test_an_image_may_be_a_file_that_its_path_names(tmp_path: Path, change: dict[str, object]):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").write_bytes(image_bytes())
    store = ImageStore(tmp_path / "store")
    path = parquet(tmp_path, [row(0, **change)])
    (prompt,) = read_all(path, store)[0].values()
    assert store.read(prompt.images[0]) == image_bytes()
    (tmp_path / "images" / "0.png").unlink()
    with pytest.raises(UserError, match="doesn't exist") as error:
        read_all(path, store)
    assert error.value.where == f"{path}, row 1, column image: images/0.png"
