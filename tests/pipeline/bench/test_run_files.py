"""Benchmarks with their own images: asked once, scored as answers in files are."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.progress import open_progress
from groundtune.errors import UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.bench.data_paths import DataPaths, data_paths
from groundtune.pipeline.bench.run import BenchSettings, run_bench
from groundtune.pipeline.compare.page import images_in
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import ImagePart, Message, Prompt, Score, Source, TextPart


def questions(folder: Path) -> DataPaths:
    (folder / "images").mkdir()
    rows: list[dict[str, object]] = []
    for i in range(12):
        name = f"p{i // 6}.png"
        Image.new("RGB", (8, 8), (i // 6 * 90, 0, 0)).save(folder / "images" / name)
        label = ("yes", "no")[i % 2]
        rows.append(
            {"question_id": i, "image": name, "text": f"Is there {label} {i}?", "label": label}
        )
    (folder / "pope_random.json").write_text("\n".join(map(json.dumps, rows)))
    return data_paths([f"pope={folder / 'pope_random.json'}"], [str(folder / "images")])


class Counting:
    """How often a scripted model was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.generator = ScriptedGenerator(self.answer)

    def answer(self, prompt: Prompt, seed: int) -> str:
        self.calls += 1
        return "Yes" if "yes" in prompt.question or " 11?" in prompt.question else "No"


def run(found: DataPaths, model: Counting, out: Path, *names: str):
    with open_progress(silent=True) as progress:
        params = BenchSettings(model="m", benchmarks=names or ("pope",), mode="strict")
        return run_bench(params, out, progress, data_paths=found, generator=model.generator).results


def test_a_model_is_asked_once_and_scored_as_its_answers_in_a_file_would_be(tmp_path: Path):
    found, model = questions(tmp_path), Counting()
    (made,) = run(found, model, tmp_path / "out")
    assert model.calls == 12
    assert made.results.metrics["accuracy"] == pytest.approx(11 / 12)
    assert made.results.strata["random"]["precision"] == pytest.approx(6 / 7)
    (again,) = run(found, model, tmp_path / "out")
    assert model.calls == 12
    assert again.results.metrics == made.results.metrics
    rows = [json.loads(line) for line in made.items.read_text().splitlines()]
    assert [row["answer"] for row in rows][-2:] == ["Yes", "Yes"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {row["benchmark"] for row in summary} == {
        "pope:strict/greedy",
        "pope:strict/random/greedy",
    }


def test_a_missing_image_is_the_users_error(tmp_path: Path):
    found, model = questions(tmp_path), Counting()
    (tmp_path / "images" / "p1.png").unlink()
    with pytest.raises(UserError, match=r"p1\.png is not in the folder"):
        run(found, model, tmp_path / "out")
    assert model.calls == 0


def test_images_must_be_given(tmp_path: Path):
    found = questions(tmp_path).model_copy(update={"images": {}})
    with pytest.raises(UserError, match="images' folder is missing"):
        run(found, Counting(), tmp_path / "out")


def test_data_are_given_for_all_or_by_name():
    found = data_paths(["a", "pope=b", "pope=c", "x=y"], ["mme=d", "e"])
    assert found.paths("pope") == (Path("b"), Path("c"))
    assert found.paths("mme") == (Path("a"), Path("x=y"))
    assert found.images == {"mme": Path("d"), "": Path("e")}


def test_an_item_is_shown_with_its_own_benchmarks_image_where_names_are_equal(tmp_path: Path):
    run = RunFolder(tmp_path)
    data = [draw_png(shade) for shade in (0, 200)]
    for name, image in zip(("pope/random", "mme/existence"), data, strict=True):
        part = ImagePart(image=run.images.add(image))
        message = Message(role="user", content=(part, TextPart(text=f"A question of {name}?")))
        source = Source(dataset=name, row="1")
        run.prompts.append([Prompt(key=name, messages=(message,), source=source)])
    find = images_in([tmp_path])
    for name, image in zip(("pope/random", "mme:strict/existence"), data, strict=True):
        score = Score(key=name, benchmark=name, item="1", image="1.png", model="m", answer="")
        view = find(score)
        assert view is not None
        assert view.prompt.startswith(f"A question of {name[:3]}")
        assert view.images == (image,)
    other = Score(key="k", benchmark="amber/attribute", item="1", image="i", model="m", answer="")
    assert find(other) is None


def draw_png(shade: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()
