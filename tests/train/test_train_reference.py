"""The reference's figures are computed once and can't be stale."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
import torch

from groundtune.cli.progress import SilentProgress
from groundtune.engine.rows import Row
from groundtune.engine.separate import separate
from groundtune.pipeline.folder import RunFolder
from groundtune.train.data import DataRules, EncodedPairs, encode_pairs
from groundtune.train.reference import Reference, reference, reference_identity
from groundtune.vlm.load import Vlm, load
from training_folder import fill_folder


class Counted:
    """The separate engine, counting the rows that it runs."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, vlm: Vlm, rows: list[Row]) -> list[list[torch.Tensor]]:
        self.rows += len(rows)
        return separate(vlm, rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fill_folder(tmp_path_factory.mktemp("pairs"), 5)


def encoded(vlm: Vlm, folder: RunFolder) -> EncodedPairs:
    return encode_pairs(
        vlm,
        folder.pairs.read(),
        folder.prompts_by_key(),
        folder.images,
        DataRules(),
        SilentProgress(),
    )


def compute(
    vlm: Vlm, folder: RunFolder, cache: Path, arithmetic: str = ""
) -> tuple[list[Reference], int]:
    counted = Counted()
    found = reference(
        vlm,
        counted,
        encoded(vlm, folder),
        cache,
        identity=reference_identity(vlm, arithmetic),
        micro_batch=2,
        autocast=nullcontext,
        progress=SilentProgress(),
    )
    return found, counted.rows


def test_the_figures_are_the_models_and_come_from_the_cache_the_second_time(
    tiny_llava: Path, folder: RunFolder, tmp_path: Path
):
    vlm = load(str(tiny_llava))
    first, ran = compute(vlm, folder, tmp_path / "r")
    assert ran == 5
    pairs = encoded(vlm, folder)
    with torch.no_grad():
        for index, (chosen, rejected) in enumerate(first):
            exact = separate(vlm, [pairs[index].row])[0]
            assert torch.allclose(chosen, exact[0], atol=1e-5)
            assert torch.allclose(rejected, exact[1], atol=1e-5)
    again, ran = compute(vlm, folder, tmp_path / "r")
    assert ran == 0
    assert all(
        torch.equal(a, b)
        for x, y in zip(first, again, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def changed_weights(vlm: Vlm, path: Path) -> Vlm:
    with torch.no_grad():
        vlm.model.lm_head.weight[0, 0] += 1e-3
    vlm.model.save_pretrained(path)
    vlm.processor.save_pretrained(path)
    return load(str(path))


def changed_template(vlm: Vlm, path: Path) -> Vlm:
    vlm.processor.chat_template = vlm.processor.chat_template.replace("USER: ", "User: ")
    return replace(vlm)


def changed_pixels(vlm: Vlm, path: Path) -> Vlm:
    vlm.processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    return vlm


def changed_dtype(vlm: Vlm, path: Path) -> Vlm:
    vlm.model.to(torch.bfloat16)
    return vlm


@pytest.mark.parametrize(
    "change", [changed_weights, changed_template, changed_pixels, changed_dtype]
)
def test_whatever_changes_the_figures_makes_the_cache_useless(
    tiny_llava: Path, folder: RunFolder, tmp_path: Path, change
):
    vlm = load(str(tiny_llava))
    _, ran = compute(vlm, folder, tmp_path / "r")
    assert ran == 5
    other = change(vlm, tmp_path / "other")
    _, ran = compute(other, folder, tmp_path / "r")
    assert ran == 5
    assert compute(other, folder, tmp_path / "r")[1] == 0


def test_autocast_is_part_of_the_key(tiny_llava: Path, folder: RunFolder, tmp_path: Path):
    vlm = load(str(tiny_llava))
    compute(vlm, folder, tmp_path / "r")
    assert compute(vlm, folder, tmp_path / "r", arithmetic="bfloat16")[1] == 5


def test_another_picture_under_the_same_text_is_computed_anew(
    tiny_llava: Path, folder: RunFolder, tmp_path: Path
):
    vlm = load(str(tiny_llava))
    compute(vlm, folder, tmp_path / "r")
    other = RunFolder(Path(copytree(folder.path, tmp_path / "other")))
    prompt = next(p for p in other.prompts.read() if p.key == "p1")
    another = next(i for p in other.prompts.read() for i in p.images if i != prompt.images[0])
    text = json.loads(prompt.model_dump_json())
    text["messages"][0]["content"][0]["image"] = another
    prompts = other.prompts_by_key() | {"p1": type(prompt).model_validate(text)}
    counted = Counted()
    reference(
        vlm,
        counted,
        encode_pairs(vlm, other.pairs.read(), prompts, other.images, DataRules(), SilentProgress()),
        tmp_path / "r",
        identity=reference_identity(vlm, ""),
        micro_batch=2,
        autocast=nullcontext,
        progress=SilentProgress(),
    )
    assert counted.rows == 1
