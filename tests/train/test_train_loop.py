"""The loop's steps: the same in whatever micro-batches, and what happens between them."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from groundtune.cli.progress import SilentProgress
from groundtune.engine.engines import engine_of
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Score
from groundtune.train import loop
from groundtune.train.batches import MicroBatch, PassLimits, plan_micro_batches, rows_of
from groundtune.train.checkpoint import Checkpoints
from groundtune.train.data import DataRules, encode_pairs
from groundtune.train.loop import Trainer, TrainingSchedule
from groundtune.train.optim import Optim, adamw
from groundtune.train.parallel import Parallel
from groundtune.train.reference import Reference
from groundtune.train.rows import TrainingPairs
from groundtune.train.tune import Full, apply
from groundtune.vlm.load import load
from training_folder import broken_engine, fill_folder, fill_several


@dataclass
class Lines:
    lines: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.lines.append((step, dict(metrics)))


PLAN = TrainingSchedule(
    steps=2,
    batch_size=8,
    limits=PassLimits(tokens=10_000, pairs=8),
    seed=0,
    save_every=100,
    eval_every=0,
    optim=Optim(lr=1e-2, warmup=0),
)


@pytest.fixture
def make_trainer(tiny_llava: Path, tmp_path: Path) -> Callable[..., tuple[Trainer, Lines]]:
    def make(plan: TrainingSchedule, folder: RunFolder | None = None) -> tuple[Trainer, Lines]:
        folder = folder or fill_folder(tmp_path / "pairs", 8)
        vlm = load(str(tiny_llava))
        pairs = encode_pairs(
            vlm,
            folder.pairs.read(),
            folder.prompts_by_key(),
            folder.images,
            DataRules(),
            SilentProgress(),
        )
        reference = Reference({}, {})
        with torch.no_grad():
            for index in range(len(pairs)):
                scored = separate(vlm, [pairs[index].row])[0]
                for side, logp in zip(("chosen", "rejected"), scored, strict=True):
                    reference.keys[index, side, ""] = f"{side} {index}"
                    reference.logp[f"{side} {index}"] = logp
        vlm = replace(vlm, model=apply(vlm.model, Full(parts=("language_model",))))
        lines = Lines()
        trainer = Trainer(
            vlm=vlm,
            pairs=TrainingPairs(encoded=pairs, references=reference),
            method=DDPO(reduce="sum", gamma=2, beta=0.1),
            score=separate,
            plan=plan,
            parallel=Parallel(vlm.device, bf16=False),
            optimizer=adamw(vlm.model.parameters(), plan.optim),
            checkpoints=Checkpoints(tmp_path / "checkpoints", {"seed": "0"}, 1),
            logger=lines,
            progress=SilentProgress(),
        )
        return trainer, lines

    return make


def outcome(trainer: Trainer, lines: Lines) -> tuple[list[tuple[float, float]], torch.Tensor]:
    """Loss and gradient's norm of each step, and the trained weights after them."""
    trainer.fit(0)
    weights = [p.detach().flatten() for p in trainer.vlm.model.parameters() if p.requires_grad]
    return [(m["loss"], m["gradient_norm"]) for _, m in lines.lines], torch.cat(weights)


def assert_alike(found: list[tuple[list[tuple[float, float]], torch.Tensor]]) -> None:
    (losses, weights), *others = found
    for other_losses, other_weights in others:
        for one, other in zip(losses, other_losses, strict=True):
            assert one == pytest.approx(other, rel=1e-4)
        # Adam turns a gradient near 0 into a step of its sign, so weights agree less than losses.
        assert float((weights - other_weights).abs().mean()) < 1e-5


def test_eight_by_one_is_four_by_two_is_one_by_eight(make_trainer):
    assert_alike(
        [
            outcome(*make_trainer(replace(PLAN, limits=PassLimits(tokens=10_000, pairs=size))))
            for size in (8, 4, 3, 1)
        ]
    )


def test_a_prompts_six_pairs_in_one_row_or_several_are_the_same_step(make_trainer, tmp_path: Path):
    folder = fill_several(tmp_path / "several", prompts=2)
    plan = replace(PLAN, batch_size=12, limits=PassLimits(tokens=10_000, pairs=64))
    found = []
    for tokens, least, most in ((10_000, 1, 1), (72, 2, 5), (1, 6, 6)):
        trainer, lines = make_trainer(
            replace(plan, limits=PassLimits(tokens=tokens, pairs=64)), folder
        )
        rows = rows_of(range(6), trainer.pairs.group_of, trainer.pairs.tokens, tokens)
        assert least <= len(rows) <= most
        found.append(outcome(trainer, lines))
    trainer, lines = make_trainer(plan, folder)
    found.append(outcome(replace(trainer, score=engine_of(trainer.vlm)), lines))
    assert_alike(found)


def test_the_micro_batches_of_three_processes_add_up_to_the_step_of_one(
    make_trainer, tmp_path: Path
):
    """Run the micro-batches of each process alone, one of which is a filler."""

    def gradient(micro_batches: Iterable[MicroBatch]) -> torch.Tensor:
        trainer.vlm.model.zero_grad()
        sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros((), dtype=torch.float64))
        for micro_batch in micro_batches:
            trainer.accumulate(ready, micro_batch, 12, sums)
        grads = [p.grad.flatten() for p in trainer.vlm.model.parameters() if p.grad is not None]
        return torch.cat([*grads, sums["loss"][None], sums["margin"][None]])

    trainer, _ = make_trainer(PLAN, fill_several(tmp_path / "several", prompts=2))
    given = (trainer.vlm, trainer.score, trainer.optimizer)
    ready = trainer.parallel.prepare(*given, clip=0)
    pairs, limits = trainer.pairs, PassLimits(tokens=10_000, pairs=6)
    rows = rows_of(range(12), pairs.group_of, pairs.tokens, limits.tokens)
    [alone] = zip(*plan_micro_batches(rows, limits), strict=True)
    each = list(zip(*plan_micro_batches(rows, limits, processes=3), strict=True))
    assert [micro_batch.counts for [micro_batch] in each] == [True, True, False]
    whole = gradient(alone)
    assert float((sum(map(gradient, each)) - whole).norm() / whole.norm()) < 1e-5
    assert float(gradient(each[2]).norm()) == 0


def test_a_step_logs_its_tokens_per_second(make_trainer):
    trainer, lines = make_trainer(replace(PLAN, steps=1))
    trainer.fit(0)
    [(_, metrics)] = lines.lines
    tokens = sum(trainer.pairs.tokens([index]) for index in range(8))
    assert metrics["tokens_per_second"] * metrics["seconds"] == pytest.approx(tokens)
    assert metrics["changed_weight"] == 2
    assert metrics["kl_chosen"] == pytest.approx(0, abs=1e-9)
    assert {"tokens_chosen", "tokens_rejected", "lr", "accuracy"} <= metrics.keys()


def test_the_first_loss_is_log_2_and_training_raises_the_margin(make_trainer):
    trainer, lines = make_trainer(replace(PLAN, steps=4))
    trainer.fit(0)
    assert lines.lines[0][1]["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert lines.lines[-1][1]["margin"] > 0.1
    assert [step for step, _ in lines.lines] == [1, 2, 3, 4]


def test_only_the_chosen_parts_move(make_trainer):
    trainer, _ = make_trainer(PLAN)
    before = {name: p.clone() for name, p in trainer.vlm.model.named_parameters()}
    trainer.fit(0)
    for name, parameter in trainer.vlm.model.named_parameters():
        moved = not torch.equal(before[name], parameter)
        assert moved == ("vision_tower" not in name and "projector" not in name), name


def test_the_gradient_is_clipped(make_trainer):
    trainer, lines = make_trainer(replace(PLAN, steps=1, optim=Optim(lr=1e-2, clip=1e-9, warmup=0)))
    trainer.fit(0)
    assert lines.lines[0][1]["gradient_norm"] > 1e-3
    # Adam's first moment after one step: 0.1 times the clipped gradient
    moments = [state["exp_avg"] for state in trainer.optimizer.state.values()]
    norm = torch.cat([each.flatten() for each in moments]).norm().item()
    assert norm == pytest.approx(1e-10, rel=1e-2)


def test_a_loss_that_is_not_a_number_stops_before_the_weights_change(make_trainer):
    trainer, _ = make_trainer(PLAN)
    broken = replace(trainer, method=DPO(beta=1e308))
    with torch.no_grad():
        trainer.vlm.model.lm_head.weight += 1.0 * torch.randn_like(trainer.vlm.model.lm_head.weight)
    before = trainer.vlm.model.lm_head.weight.clone()
    with pytest.raises(UserError, match="not a number"):
        broken.fit(0)
    assert torch.equal(before, trainer.vlm.model.lm_head.weight)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
@pytest.mark.parametrize("at_once", [1, 8])
def test_an_answer_without_a_probability_stops_training_and_its_pair_is_named(
    make_trainer, value: float, at_once: int
):
    trainer, lines = make_trainer(replace(PLAN, limits=PassLimits(tokens=10_000, pairs=at_once)))
    pair = trainer.pairs.encoded.pair(5)
    engine = broken_engine(pair, value)
    with pytest.raises(UserError, match="not a number") as raised:
        replace(trainer, score=engine).fit(0)
    assert raised.value.where == f"step 1, pair {pair.pair.key}"
    assert not lines.lines


def test_an_evaluated_value_that_is_no_number_has_no_part_in_the_mean():
    score = {"benchmark": "b", "item": "i", "image": "x", "model": "m"}
    values = [{"right": 1.0, "none": math.nan}, {"right": math.nan, "none": math.inf}]
    scores = [Score(key=str(i), values=each, **score) for i, each in enumerate(values)]
    assert loop._means(scores) == {"eval/b/right": 1.0, "eval/b/unparsed": 0.0}


def test_evaluation_runs_every_n_steps_on_the_model_in_evaluation_mode(make_trainer):
    trainer, lines = make_trainer(replace(PLAN, steps=4, eval_every=2))
    seen: list[tuple[int, bool]] = []

    def evaluate(step: int) -> list[Score]:
        seen.append((step, trainer.vlm.model.training))
        score = {"benchmark": "b", "item": "i", "image": "x", "model": "m"}
        return [
            Score(key="1", values={"right": 1.0}, **score),
            Score(key="2", values={"right": 0.0}, **score),
            Score(key="3", status="unparsed", **score),
        ]

    replace(trainer, evaluate=evaluate).fit(0)
    assert seen == [(2, False), (4, False)]
    assert trainer.vlm.model.training
    evaluations = [m for _, m in lines.lines if "loss" not in m]
    assert evaluations == [{"eval/b/right": 0.5, "eval/b/unparsed": 1 / 3}] * 2
