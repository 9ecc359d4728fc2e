import csv
import json
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.interchange.layouts import rlhf_v
from groundtune.interchange.registry import LayoutName
from groundtune.pipeline.exchange.run import export_layout, import_layout
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.run import SampleSettings, run_sample
from groundtune.records import Pair, Sampling
from groundtune.store.dataset import RecordSet

GREEDY = Sampling(temperature=0, max_new_tokens=12)

PEERS: list[tuple[LayoutName, str]] = [
    ("llama-factory", "a.json"),
    ("ms-swift", "b.jsonl"),
    ("trl", "c.parquet"),
]


def published_image() -> bytes:
    data = BytesIO()
    Image.new("RGB", (5, 4), "green").save(data, "JPEG")
    return data.getvalue()


def published(path: Path, number: int, bad: tuple[int, ...] = ()) -> Path:
    """A file in RLHF-V's layout; rows in `bad` have a text that isn't JSON."""
    texts = [
        {"question": "What?", "chosen": f"A cat {i}.", "rejected": f"A dog {i}."}
        for i in range(number)
    ]
    rows = [
        {
            "ds_name": "RLHF-V",
            "image": {"bytes": published_image(), "path": None},
            "text": "oops" if i in bad else json.dumps(text),
            "origin_dataset": "LCS-558K",
            "origin_split": "{}",
            "idx": i,
            "image_path": "a.jpg",
        }
        for i, text in enumerate(texts)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_a_file_imported_and_exported_is_the_same_in_every_column(tmp_path: Path):
    file = published(tmp_path / "in.parquet", 150)
    made = import_layout("rlhf-v", file, tmp_path / "run", SilentProgress())
    assert (made.rows, made.pairs, made.unchanged, made.skipped) == (150, 150, 0, ())
    written = export_layout("rlhf-v", tmp_path / "run", tmp_path / "out.parquet", SilentProgress())
    assert (written.rows, written.non_commercial) == (150, ("cc-by-nc-4.0",))
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == pq.read_table(file).to_pylist()
    assert len(RunFolder(tmp_path / "run").prompts.read()) == 1


def test_an_import_that_was_stopped_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = published(tmp_path / "in.parquet", 150)
    import_layout("rlhf-v", file, tmp_path / "one", SilentProgress())
    whole = RecordSet.append

    def stops_at_the_third_batch(self: RecordSet[Pair], rows: list[Pair]) -> None:
        if rows and isinstance(rows[0], Pair) and rows[0].source.row == "128":
            raise KeyboardInterrupt
        whole(self, rows)

    monkeypatch.setattr(RecordSet, "append", stops_at_the_third_batch)
    with pytest.raises(KeyboardInterrupt):
        import_layout("rlhf-v", file, tmp_path / "two", SilentProgress())
    monkeypatch.undo()
    stopped = RunFolder(tmp_path / "two")
    assert len(stopped.pairs.read()) == 128
    made = import_layout("rlhf-v", file, tmp_path / "two", SilentProgress())
    assert made.pairs == 150
    assert stopped.pairs.read() == RunFolder(tmp_path / "one").pairs.read()
    assert len(stopped.pairs.parts()) == 3


def test_a_bad_row_stops_the_import_unless_it_may_be_skipped(tmp_path: Path):
    file = published(tmp_path / "in.parquet", 4, bad=(2,))
    with pytest.raises(UserError, match="not JSON"):
        import_layout("rlhf-v", file, tmp_path / "run", SilentProgress())
    made = import_layout("rlhf-v", file, tmp_path / "run", SilentProgress(), skip_bad=True)
    assert (made.rows, made.pairs) == (4, 3)
    assert [line.split(": ")[0] for line in made.skipped] == [f"{file}, row 3, column text"]


def test_a_file_is_read_a_batch_of_rows_at_a_time(tmp_path: Path):
    file = published(tmp_path / "in.parquet", 3 * rlhf_v.ROWS)
    batches = rlhf_v.read(file, RunFolder(tmp_path / "run").images)
    assert [len(batch.pairs) for batch in batches] == [rlhf_v.ROWS] * 3


def test_pairs_of_one_layout_go_out_in_another_with_their_licence(tmp_path: Path):
    file = published(tmp_path / "in.parquet", 5)
    import_layout("rlhf-v", file, tmp_path / "run", SilentProgress())
    for layout, name in PEERS:
        out = tmp_path / "out" / name
        written = export_layout(layout, tmp_path / "run", out, SilentProgress())
        assert (written.rows, written.non_commercial) == (5, ("cc-by-nc-4.0",))
        import_layout(layout, out, tmp_path / layout, SilentProgress())
        found = RunFolder(tmp_path / layout)
        assert [(each.chosen, each.rejected) for each in found.pairs.read()] == [
            (each.chosen, each.rejected) for each in RunFolder(tmp_path / "run").pairs.read()
        ]
        assert found.prompts.keys() == RunFolder(tmp_path / "run").prompts.keys()
        assert {each.source.licence for each in found.pairs.read()} == {"cc-by-nc-4.0"}


def test_an_import_of_lines_runs_again_without_doubling_anything(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(published_image())
    row = {"id": "a", "question": "What?", "chosen": "A cat.", "rejected": "A dog."}
    file = tmp_path / "in.jsonl"
    file.write_text(f"{json.dumps(row)}\n" * 3 + "oops\n")
    for _ in range(2):
        made = import_layout("hsa-dpo", file, tmp_path / "run", SilentProgress(), skip_bad=True)
        assert (made.rows, made.pairs, len(made.skipped)) == (4, 3, 1)
    assert len(RunFolder(tmp_path / "run").pairs.read()) == 3


def test_rlaif_vs_photographs_become_its_pairs_and_come_back(tmp_path: Path, test_data: Path):
    given = test_data / "rlaif_v_examples" / "detail_test_30_input.jsonl"
    asked = [json.loads(line) for line in given.read_bytes().splitlines()][:8]
    rows = [
        {
            "image_id": each["ds_question_id"],
            "image_path": each["image_path"],
            "ds_question_id": each["ds_question_id"],
            "question": each["question"],
            "chosen": f"An image, number {number}.",
            "rejected": f"A photograph of a dog, number {number}.",
            "org_infos": {**each["metainfos"], "scores": {"chosen": {"judge": "x", "score": 0}}},
        }
        for number, each in enumerate(asked)
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = import_layout(
        "rlaif-v-jsonl", file, tmp_path / "run", SilentProgress(), images=given.parent
    )
    assert made.pairs == 8
    out = tmp_path / "out" / "pairs.jsonl"
    export_layout("rlaif-v-jsonl", tmp_path / "run", out, SilentProgress())
    assert [json.loads(line) for line in out.read_bytes().splitlines()] == rows
    name = rows[0]["image_path"].removeprefix("./examples/")
    assert (out.parent / rows[0]["image_path"]).read_bytes() == (given.parent / name).read_bytes()


def test_exporting_a_folder_without_pairs_is_an_error_that_names_the_commands(tmp_path: Path):
    with pytest.raises(UserError, match="holds no pairs") as caught:
        export_layout("rlhf-v", tmp_path, tmp_path / "out.parquet", SilentProgress())
    assert "groundtune pairs" in caught.value.fix


def test_answers_without_pairs_become_a_table_for_people_to_fill_in(tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (8, 8), colour).save(photos / f"{colour}-{number}.png")
    run = RunFolder(tmp_path / "run")
    settings = SampleSettings(
        model="world:base", images=str(photos), ask="What is it?", n=1, sampling=GREEDY
    )
    run_sample(settings, run.path, SilentProgress())
    table = tmp_path / "table" / "answers.csv"
    assert export_layout("corrections", run.path, table, SilentProgress()).rows == 2
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["blue-1.png", "red-0.png"]
    assert {row["corrected answer"] for row in rows} == {""}
    assert {row["answer"] for row in rows} == {answer.text for answer in run.answers.read()}

    rows[0]["corrected answer"] = "A blue square."
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = import_layout("corrections", table, tmp_path / "corrected", SilentProgress())
    assert (found.rows, found.pairs, dict(found.left_out)) == (2, 1, {"no corrected answer": 1})
    [pair] = RunFolder(tmp_path / "corrected").pairs.read()
    assert (pair.chosen, pair.rejected) == ("A blue square.", rows[0]["answer"])
