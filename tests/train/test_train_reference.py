"""The reference's figures are computed once and can't be stale."""

import json
import math
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
import torch

from flips import flipped
from groundtune.cli.progress import SilentProgress
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.methods.pairwise import View
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.store.dataset import RecordSet
from groundtune.train.batches import PassLimits
from groundtune.train.data import (
    NO_VIEWS,
    DataRules,
    EncodedPairs,
    Views,
    encode_pairs,
    packed_cost,
)
from groundtune.train.parallel import Parallel
from groundtune.train.reference import (
    Reference,
    ReferenceRow,
    ReferenceScorer,
    reference,
    reference_identity,
)
from groundtune.vlm.load import Vlm, load
from training_folder import broken_engine, fill_folder, fill_several


class Counted:
    """The separate engine, counting the rows and answers that it runs."""

    def __init__(self) -> None:
        self.rows = self.answers = 0

    def __call__(self, vlm: Vlm, rows: list[PromptRow]) -> list[list[torch.Tensor]]:
        self.rows += len(rows)
        self.answers += sum(len(row.answers) for row in rows)
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


def scoring(vlm: Vlm, counted: Counted) -> ReferenceScorer:
    return ReferenceScorer(
        vlm=vlm,
        score=counted,
        cost=packed_cost,
        limits=PassLimits(tokens=200, pairs=2),
        parallel=Parallel(vlm.device, bf16=False),
    )


def compute(
    vlm: Vlm, folder: RunFolder, cache: Path, arithmetic: str = ""
) -> tuple[Reference, int]:
    counted = Counted()
    found = reference(
        scoring(vlm, counted),
        encoded(vlm, folder),
        cache,
        identity=reference_identity(vlm, arithmetic),
        views=NO_VIEWS,
        progress=SilentProgress(),
    )
    return found, counted.rows


def test_log_probabilities_are_the_models_and_come_from_the_cache_the_second_time(
    tiny_llava: Path, folder: RunFolder, tmp_path: Path
):
    vlm = load(str(tiny_llava))
    first, ran = compute(vlm, folder, tmp_path / "r")
    assert ran == 5
    pairs = encoded(vlm, folder)
    with torch.no_grad():
        for index in range(5):
            exact = separate(vlm, [pairs[index].row])[0]
            assert torch.allclose(first.of(index, "chosen"), exact[0], atol=1e-5)
            assert torch.allclose(first.of(index, "rejected"), exact[1], atol=1e-5)
    again, ran = compute(vlm, folder, tmp_path / "r")
    assert ran == 0
    assert again.keys == first.keys
    assert all(torch.equal(again.logp[key], first.logp[key]) for key in first.keys.values())


def test_a_damaged_part_of_the_cache_is_computed_again_with_a_warning(
    tiny_llava: Path, folder: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    vlm = load(str(tiny_llava))
    first, _ = compute(vlm, folder, tmp_path / "r")
    for name in ("part-00000.parquet", "checksums.sha256"):
        for _ in flipped(tmp_path / "r" / name, 6, seed=1):
            caplog.clear()
            again, _ = compute(vlm, folder, tmp_path / "r")
            assert caplog.text
            assert again.keys == first.keys
            for key in first.keys.values():
                assert torch.equal(again.logp[key], first.logp[key])


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_reference_that_is_no_number_is_not_kept_and_its_pair_is_named(
    tiny_llava: Path, folder: RunFolder, tmp_path: Path, value: float
):
    vlm = load(str(tiny_llava))
    pairs = encoded(vlm, folder)
    broken = pairs.pair(3)
    with pytest.raises(UserError, match="reference's log-probabilities are not numbers") as raised:
        reference(
            replace(scoring(vlm, Counted()), score=broken_engine(broken, value)),
            pairs,
            tmp_path / "r",
            identity="x",
            views=NO_VIEWS,
            progress=SilentProgress(),
        )
    assert raised.value.where == f"pair {broken.pair.key}, its rejected answer"
    assert not RecordSet(tmp_path / "r", ReferenceRow).read()


def changed_weights(vlm: Vlm, path: Path) -> Vlm:
    with torch.no_grad():
        vlm.model.lm_head.weight[0, 0] += 1e-3
    vlm.model.save_pretrained(path)
    vlm.processor.save_pretrained(path)
    return load(str(path))


def changed_config(vlm: Vlm, path: Path) -> Vlm:
    vlm.model.save_pretrained(path)
    vlm.processor.save_pretrained(path)
    settings = json.loads((path / "config.json").read_text())
    settings["text_config"]["rms_norm_eps"] = 1e-2
    (path / "config.json").write_text(json.dumps(settings))
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
    "change",
    [changed_weights, changed_config, changed_template, changed_pixels, changed_dtype],
)
def test_any_change_of_the_inputs_invalidates_the_cache(
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


def test_another_image_with_the_same_text_is_computed_again(
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
        scoring(vlm, counted),
        encode_pairs(vlm, other.pairs.read(), prompts, other.images, DataRules(), SilentProgress()),
        tmp_path / "r",
        identity=reference_identity(vlm, ""),
        views=NO_VIEWS,
        progress=SilentProgress(),
    )
    assert counted.rows == 1


def viewed(vlm: Vlm, folder: RunFolder, cache: Path, views: Views) -> tuple[Reference, Counted]:
    counted = Counted()
    pairs = encode_pairs(
        vlm,
        folder.pairs.read(),
        folder.prompts_by_key(),
        folder.images,
        DataRules(),
        SilentProgress(),
        views=views,
    )
    found = reference(
        scoring(vlm, counted),
        pairs,
        cache,
        identity=reference_identity(vlm, ""),
        views=views,
        progress=SilentProgress(),
    )
    return found, counted


def test_an_answer_of_several_pairs_is_computed_once(tiny_llava: Path, tmp_path: Path):
    vlm = load(str(tiny_llava))
    several = fill_several(tmp_path / "several", prompts=2)
    found, counted = viewed(vlm, several, tmp_path / "r", NO_VIEWS)
    assert counted.answers == 8
    assert len(found.keys) == 24
    assert found.of(0, "chosen") is found.of(1, "chosen")


def test_a_view_has_separate_log_probabilities_that_depend_on_its_settings_and_seed(
    tiny_llava: Path, tmp_path: Path
):
    vlm = load(str(tiny_llava))
    several = fill_several(tmp_path / "several", prompts=1)
    viewed(vlm, several, tmp_path / "r", NO_VIEWS)
    noise = View("v", "noise", 0.5, 0.5)
    found, counted = viewed(vlm, several, tmp_path / "r", Views((noise,), 0))
    assert counted.answers == 3  # the chosen ones
    assert not torch.allclose(found.of(0, "chosen", "v"), found.of(0, "chosen"), atol=1e-3)
    assert viewed(vlm, several, tmp_path / "r", Views((noise,), 0))[1].answers == 0
    for changed in (Views((noise,), 1), Views((noise._replace(high=0.6),), 0)):
        assert viewed(vlm, several, tmp_path / "r", changed)[1].answers == 3


def test_the_cache_of_other_processes_is_read(tiny_llava: Path, folder: RunFolder, tmp_path: Path):
    vlm = load(str(tiny_llava))
    first, _ = compute(vlm, folder, tmp_path / "r")
    (tmp_path / "r").rename(tmp_path / "process-1")
    (tmp_path / "r").mkdir()
    (tmp_path / "process-1").rename(tmp_path / "r/process-1")
    again, ran = compute(vlm, folder, tmp_path / "r")
    assert ran == 0
    assert again.keys == first.keys


def test_packed_rows_have_a_separate_cache(tiny_llava: Path):
    """In bfloat16 they round otherwise than separate rows."""
    vlm = load(str(tiny_llava))
    assert reference_identity(vlm, "", "packed") != reference_identity(vlm, "")
