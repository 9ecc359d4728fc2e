"""Pairs as tokens, and what can't be trained on."""

from pathlib import Path

import pytest

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Pair
from groundtune.train.data import DataRules, EncodedPairs, encode_pairs
from groundtune.vlm.load import Vlm, load
from training_folder import ask, fill_folder, two_answers


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return fill_folder(tmp_path, 4)


def encode(vlm: Vlm, folder: RunFolder, pairs: list[Pair], **rules: object) -> EncodedPairs:
    return encode_pairs(
        vlm,
        pairs,
        folder.prompts_by_key(),
        folder.images,
        DataRules.model_validate(rules),
        SilentProgress(),
    )


def test_a_pair_is_encoded_with_its_changed_tokens_marked(vlm: Vlm, folder: RunFolder):
    pairs = folder.pairs.read()
    encoded = encode(vlm, folder, pairs)
    tokenizer = vlm.processor.tokenizer
    for index, pair in enumerate(pairs):
        one = encoded[index]
        assert tokenizer.decode(one.chosen.ids[:-1]).strip() == pair.chosen
        marked = [i for i, c in zip(one.rejected.ids, one.rejected_changed, strict=True) if c]
        assert tokenizer.decode(marked).strip() == "dark red"
        assert encoded.tokens(index) == len(one.prompt.ids) + len(one.rejected.ids)
    assert encoded.dropped == ()


BAD = {
    "The chosen answer is empty": lambda p: p.model_copy(update={"chosen": " \n"}),
    "The rejected answer is empty": lambda p: p.model_copy(update={"rejected": ""}),
    "Both answers are the same": lambda p: p.model_copy(update={"rejected": p.chosen}),
    "There is no prompt nowhere": lambda p: p.model_copy(update={"prompt": "nowhere"}),
    "contains the image placeholder": lambda p: p.model_copy(update={"chosen": "a <image> b"}),
    "contains the special token": lambda p: p.model_copy(update={"rejected": "a </s> b"}),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_pair_is_an_error_that_names_it_or_a_counted_drop(
    vlm: Vlm, folder: RunFolder, why: str
):
    pairs = folder.pairs.read()
    pairs[2] = BAD[why](pairs[2])
    with pytest.raises(UserError, match=why) as caught:
        encode(vlm, folder, pairs)
    assert "pair2" in caught.value.where
    skipped = encode(vlm, folder, pairs, skip_bad=True)
    assert len(skipped) == 3
    assert [drop.key for drop in skipped.dropped] == ["pair2"]
    assert why in skipped.dropped[0].why


def test_a_pair_that_is_too_long_is_never_truncated(vlm: Vlm, folder: RunFolder):
    pairs = folder.pairs.read()
    whole = encode(vlm, folder, pairs)
    longest = max(range(4), key=whole.tokens)
    limit = whole.tokens(longest) - 1
    with pytest.raises(UserError, match=f"has {limit + 1} tokens"):
        encode(vlm, folder, pairs, max_length=limit)
    kept = encode(vlm, folder, pairs, max_length=limit, skip_bad=True)
    assert all(kept.tokens(index) <= limit for index in range(len(kept)))
    assert kept[0].prompt.ids == whole[0 if longest else 1].prompt.ids


def test_a_missing_image_names_the_pair(vlm: Vlm, folder: RunFolder):
    folder.prompts.append([ask("lost", "What is it?", ["0" * 64])])
    pairs = [*folder.pairs.read(), two_answers("pair-lost", "lost", "It is {}.")]
    with pytest.raises(UserError, match="pair-lost"):
        encode(vlm, folder, pairs)
    assert len(encode(vlm, folder, pairs, skip_bad=True)) == 4


def test_no_usable_pair_is_an_error_even_when_bad_ones_are_skipped(vlm: Vlm, folder: RunFolder):
    with pytest.raises(UserError, match="None of the 4 pairs"):
        encode(vlm, folder, folder.pairs.read(), skip_bad=True, max_length=3)


def test_features_beyond_the_memory_limit_are_recomputed_and_equal(
    vlm: Vlm, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
):
    pairs = folder.pairs.read()
    kept = encode(vlm, folder, pairs)
    monkeypatch.setattr("groundtune.train.prompt_encoder.FEATURE_BYTES", 0)
    anew = encode(vlm, folder, pairs)
    assert kept[0].prompt is kept[0].prompt
    assert anew[0].prompt is not anew[0].prompt
    assert (
        anew[0].prompt.features["pixel_values"] == kept[0].prompt.features["pixel_values"]
    ).all()
