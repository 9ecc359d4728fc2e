"""A prompt's pairs as one row: each distinct answer once, and every pair gets its own figures."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from groundtune.cli.progress import SilentProgress
from groundtune.engine.engines import engine_of
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.methods.dpo import DPO
from groundtune.methods.hsa_dpo import HSADPO
from groundtune.methods.mdpo import MDPO
from groundtune.methods.mm_dpo import MMDPO
from groundtune.methods.pairwise import Pairwise
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Span
from groundtune.train.batches import PassLimits
from groundtune.train.data import (
    DataRules,
    EncodedPairs,
    Views,
    encode_pairs,
    packed_cost,
    separate_cost,
)
from groundtune.train.parallel import Parallel
from groundtune.train.reference import Reference, ReferenceScorer, reference, reference_identity
from groundtune.train.rows import TrainingPairs
from groundtune.vlm.load import Vlm, load
from training_folder import fill_several

NEGATIVE = Span(start=0, end=1).model_copy(update={"severity": -1.0})


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fill_several(tmp_path_factory.mktemp("several"), prompts=2)


def encoded(vlm: Vlm, folder: RunFolder, method: Pairwise, **options: object) -> EncodedPairs:
    return encode_pairs(
        vlm,
        folder.pairs.read(),
        folder.prompts_by_key(),
        folder.images,
        DataRules(skip_bad=bool(options.pop("skip_bad", False))),
        SilentProgress(),
        needs=method.needs,
        views=Views(method.views, 0),
        **options,
    )


def referenced(vlm: Vlm, pairs: EncodedPairs, method: Pairwise, path: Path) -> TrainingPairs:
    scoring = ReferenceScorer(
        vlm=vlm,
        score=separate,
        cost=packed_cost,
        limits=PassLimits(tokens=10_000, pairs=64),
        parallel=Parallel(vlm.device, bf16=False),
    )
    found = reference(
        scoring,
        pairs,
        path,
        identity=reference_identity(vlm, ""),
        views=Views(method.views, 0),
        progress=SilentProgress(),
    )
    # another model than the reference, so that every log-ratio is one, and each pair's its own
    moved = {
        key: logp + (0.1 + 0.01 * place) * torch.arange(len(logp))
        for place, (key, logp) in enumerate(found.logp.items())
    }
    return TrainingPairs(encoded=pairs, references=Reference(found.keys, moved), needs=method.needs)


def test_four_answers_in_six_pairs_are_four_answers_of_one_row(vlm: Vlm, folder: RunFolder):
    pairs = encoded(vlm, folder, DPO())
    assert [len(group) for group in pairs.groups] == [6, 6]
    row = TrainingPairs(encoded=pairs, references=None).row(pairs.groups[0])
    [only] = row.rows
    assert len(only.answers) == 4
    for member in row.members:
        chosen, rejected = pairs.answers(member.pair)
        assert only.answers[member.chosen].ids == chosen.ids
        assert only.answers[member.rejected].ids == rejected.ids
    prompt = len(pairs.pair(0).prompt_ids)
    answers = [len(answer.ids) for answer in only.answers]
    assert pairs.row_tokens(pairs.groups[0]) == prompt + sum(answers) - 4


def test_a_row_costs_the_tokens_that_the_decoder_runs(vlm: Vlm, folder: RunFolder):
    ran = list[int]()
    hook = vlm.model.base_model.language_model.register_forward_pre_hook(
        lambda _, args, given: ran.append(given["inputs_embeds"].shape[:2].numel()),
        with_kwargs=True,
    )
    for cost in (packed_cost, separate_cost):
        pairs = encoded(vlm, folder, DPO(), cost=cost)
        [row] = TrainingPairs(encoded=pairs, references=None).row(pairs.groups[0]).rows
        # one answer at a time where rows are separate, so that nothing is padding
        alone = [row._replace(answers=(answer,)) for answer in row.answers]
        with torch.no_grad():
            for each in [row] if cost is packed_cost else alone:
                (engine_of(vlm) if cost is packed_cost else separate)(vlm, [each])
        assert pairs.row_tokens(pairs.groups[0]) == sum(ran)
        ran.clear()
    hook.remove()


def test_a_view_is_a_row_more_with_the_chosen_answers_alone(vlm: Vlm, folder: RunFolder):
    # the images are of one colour, so that a crop of one is the image
    pairs = encoded(vlm, folder, MDPO(corruption="noise"))
    row = TrainingPairs(encoded=pairs, references=None).row(pairs.groups[0])
    whole, corrupted = row.rows
    assert (len(whole.answers), len(corrupted.answers)) == (4, 3)
    assert corrupted.prompt.ids == whole.prompt.ids
    assert not torch.equal(
        corrupted.prompt.features["pixel_values"], whole.prompt.features["pixel_values"]
    )
    for member in row.members:
        assert corrupted.answers[member.view_place].ids == pairs.answers(member.pair)[0].ids
    counted = [packed_cost(len(r.prompt.ids), [len(a.ids) for a in r.answers]) for r in row.rows]
    assert pairs.row_tokens(pairs.groups[0]) == sum(counted)


def test_each_pair_gets_its_own_answers_of_the_image_and_of_the_view(
    vlm: Vlm, folder: RunFolder, tmp_path: Path
):
    method = MDPO(corruption="noise")
    pairs = referenced(vlm, encoded(vlm, folder, method), method, tmp_path / "r")
    rows = [pairs.row(pairs.groups[1]), pairs.row(pairs.groups[0][4:])]
    numbers = iter(range(100))
    logp = [
        [torch.full((len(answer.ids),), float(next(numbers))) for answer in row.answers]
        for each in rows
        for row in each.rows
    ]
    made = pairs.collate(rows, logp)
    # answers 0 to 3, under the view 4 to 6; then the pairs of 1 over 3 and 2 over 3: 1, 3, 2
    assert made.chosen.logp_BT[:, 0].tolist() == [0, 0, 0, 1, 1, 2, 7, 9]
    assert made.rejected.logp_BT[:, 0].tolist() == [1, 2, 3, 2, 3, 3, 8, 8]
    viewed = made.chosen_views["corrupted"]
    assert viewed.logp_BT[:, 0].tolist() == [4, 4, 4, 5, 5, 6, 10, 11]
    assert viewed.ref_BT is not None
    assert pairs.references is not None
    for place, index in enumerate([*pairs.groups[1], *pairs.groups[0][4:]]):
        expected = pairs.references.of(index, "chosen", "corrupted")
        assert viewed.ref_BT[place, : len(expected)].tolist() == expected.tolist()


def losses(
    vlm: Vlm, method: Pairwise, pairs: TrainingPairs, rows: list[list[int]], score: Callable
) -> tuple[dict[int, float], Tensor]:
    """Loss of each pair, and the gradient of their sum, when run as these rows."""
    made = [pairs.row(members) for members in rows]
    vlm.model.zero_grad()
    loss = method.loss(pairs.collate(made, score(vlm, [r for each in made for r in each.rows])))
    loss.value_B.sum().backward()
    order = [member.pair for each in made for member in each.members]
    gradient = torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])
    return dict(zip(order, loss.value_B.tolist(), strict=True)), gradient


@pytest.mark.parametrize(
    "method", [DPO(), MDPO(corruption="noise"), HSADPO(), MMDPO(sft_weight=0.25)]
)
def test_a_row_of_six_pairs_gives_each_pair_the_loss_and_gradient_of_a_row_of_its_own(
    vlm: Vlm, folder: RunFolder, tmp_path: Path, method: Pairwise
):
    pairs = referenced(vlm, encoded(vlm, folder, method), method, tmp_path / "r")
    alone, exact = losses(vlm, method, pairs, [[index] for index in range(12)], separate)
    whole = [list(group) for group in pairs.groups]
    for score in (separate, engine_of(vlm)):
        together, gradient = losses(vlm, method, pairs, whole, score)
        assert together == pytest.approx(alone, abs=1e-5)
        assert float((gradient - exact).norm() / exact.norm()) < 1e-5
    assert len({round(loss, 3) for loss in alone.values()}) == 12


def test_severities_and_ratings_are_the_pairs_own(vlm: Vlm, folder: RunFolder):
    pairs = TrainingPairs(
        encoded=encoded(vlm, folder, MMDPO()),
        references=None,
        needs=frozenset({"ratings", "severity"}),
    )
    row = pairs.row(pairs.groups[1])
    logp = [[torch.zeros(len(answer.ids)) for answer in row.rows[0].answers]]
    made = pairs.collate([row], logp)
    assert made.chosen.rating_B is not None
    assert made.rejected.rating_B is not None
    assert made.rejected.severity_B is not None
    assert made.chosen.rating_B.tolist() == [3, 3, 3, 2, 2, 1]
    assert made.rejected.rating_B.tolist() == [2, 1, 0, 1, 0, 0]
    assert made.rejected.severity_B.tolist() == [1, 2, 3, 2, 3, 3]
    assert made.chosen.ref_BT is None


@pytest.mark.parametrize(
    ("method", "change", "why"),
    [
        (MMDPO(), {"chosen_rating": None}, "needs ratings"),
        (HSADPO(), {"rejected_spans": ()}, "needs severities"),
        (MMDPO(), {"chosen_rating": float("nan")}, "not a finite number"),
        (HSADPO(of="answers"), {"rejected_severity": None}, "needs severities"),
        (HSADPO(of="answers"), {"rejected_severity": -4.0}, "severity is -4.0"),
        (HSADPO(of="answers"), {"rejected_severity": float("nan")}, "severity is nan"),
        (HSADPO(), {"rejected_spans": (NEGATIVE,)}, "severity is -1.0"),
    ],
)
def test_a_pair_without_what_the_method_needs_is_an_error_or_a_counted_drop(
    vlm: Vlm, folder: RunFolder, method: Pairwise, change: dict[str, object], why: str
):
    pairs = folder.pairs.read()
    pairs[3] = pairs[3].model_copy(update=change)
    given = (vlm, pairs, folder.prompts_by_key(), folder.images)
    with pytest.raises(UserError, match=why) as caught:
        encode_pairs(*given, DataRules(), SilentProgress(), needs=method.needs)
    assert pairs[3].key in caught.value.where
    rules = DataRules(skip_bad=True)
    kept = encode_pairs(*given, rules, SilentProgress(), needs=method.needs)
    assert [drop.key for drop in kept.dropped] == [pairs[3].key]
    assert len(encode_pairs(*given, DataRules(), SilentProgress())) == 12


def test_a_pair_over_the_budget_of_tokens_is_an_error_or_a_counted_drop(
    vlm: Vlm, folder: RunFolder
):
    whole = encoded(vlm, folder, DPO())
    needed = [whole.row_tokens([index]) for index in range(12)]
    limit = max(needed) - 1
    with pytest.raises(UserError, match=f"over micro_tokens {limit}"):
        encoded(vlm, folder, DPO(), micro_tokens=limit)
    kept = encoded(vlm, folder, DPO(), micro_tokens=limit, skip_bad=True)
    assert len(kept.dropped) == sum(tokens > limit for tokens in needed)
    # separate rows run the prompt twice, and so does a view
    for method, cost in ((DPO(), separate_cost), (MDPO(), packed_cost)):
        with pytest.raises(UserError, match="None of the 12 pairs"):
            encoded(vlm, folder, method, cost=cost, micro_tokens=max(needed), skip_bad=True)


def test_equal_prompts_under_two_keys_share_a_row(vlm: Vlm, folder: RunFolder):
    prompts = folder.prompts_by_key()
    twin = prompts["p0"].model_copy(update={"key": "twin"})
    pairs = folder.pairs.read()
    pairs[2] = pairs[2].model_copy(update={"prompt": "twin"})
    made = encode_pairs(
        vlm, pairs, prompts | {"twin": twin}, folder.images, DataRules(), SilentProgress()
    )
    assert made.groups[0] == (0, 1, 2, 3, 4, 5)
    assert made.prompt(2) is made.prompt(0)


def test_the_answers_of_a_row_are_those_of_the_pairs_that_it_has(vlm: Vlm, folder: RunFolder):
    pairs = TrainingPairs(encoded=encoded(vlm, folder, DPO()), references=None)
    part = pairs.row(pairs.groups[0][:1])
    assert len(part.rows[0].answers) == 2
