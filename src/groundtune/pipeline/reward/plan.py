"""Plan a reward model without training it: its examples, tokens, memory and time.

Reads feedback, prompts, images and tokenizer, but no weights; the rows are the same as in the run.
"""

from itertools import islice
from typing import TYPE_CHECKING

from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.reward.data import read_data
from groundtune.pipeline.reward.examples import encode_examples
from groundtune.pipeline.reward.judging import RewardRequests
from groundtune.pipeline.reward.run import check_reading
from groundtune.pipeline.reward.settings import RewardSettings
from groundtune.pipeline.train.checks import check_reach
from groundtune.pipeline.train.engine import limits_of
from groundtune.pipeline.train.plan import costs_of
from groundtune.pipeline.train.run import training_schedule
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.train.estimate import Work, sizes_of

if TYPE_CHECKING:
    from groundtune.train.judged import JudgedExamples
    from groundtune.vlm.load import Vlm


class RewardPlan(Record):
    """What a run would do, without training."""

    examples: int
    """To learn from."""
    held_out: int
    left_out: dict[str, int]
    """Examples that are not used, by reason."""
    prompts: int
    """Distinct prompts to learn from."""
    steps: int
    engine: str
    """"packed": a prompt's answers run behind it in one row. "separate": each has its own row."""
    row_tokens: int
    """Tokens of an epoch."""
    row_tokens_max: int
    """Tokens of the longest row."""
    answer_tokens: int
    """Tokens of an epoch's answers."""
    trained_weights: int
    """Without the head's."""
    weights: int
    memory_gb: float
    """Estimated peak memory of one process, without the libraries."""
    hours: float
    """Estimated time of all steps in one process, at the rate measured on this machine. Held-out
    answers are scored after that."""


def plan_reward(settings: RewardSettings, progress: Progress) -> RewardPlan:
    """Return what `reward train` would do with these settings.

    Raises:
        UserError: as `train_reward` does before training.
    """
    data = read_data(settings)
    check_reading(settings, data)
    from groundtune.engine.engines import cannot_pack
    from groundtune.train.tune import apply
    from groundtune.vlm.load import outline

    vlm = outline(resolve(settings.model))
    vlm.special_tokens = settings.special_tokens
    check_reach(vlm.model, settings)
    judging = RewardRequests(settings.judging, settings.seed, tuple(data.prompts.values()))
    examples = encode_examples(settings, vlm, data, judging, progress)
    packed = settings.pack and not cannot_pack(vlm)
    works = [_work(vlm, examples, row, packed=packed) for row in _rows(settings, examples)]
    work = Work(*(sum(part) for part in zip(*works, strict=True)))
    weights = sum(each.numel() for each in vlm.model.parameters())
    sizes = sizes_of(apply(vlm.model, settings.tune), adapted=settings.tune.type != "full")
    costs = costs_of(settings, settings.device, sizes, work._replace(answer_tokens=0))
    steps = training_schedule(settings, len(examples)).steps
    epochs = steps / -(-len(examples) // settings.batch_size)
    return RewardPlan(
        examples=len(examples),
        held_out=len(data.held_out),
        left_out={why: n for why, n in data.left_out.items() if n},
        prompts=len(examples.groups),
        steps=steps,
        engine="packed" if packed else "separate",
        row_tokens=work.tokens,
        row_tokens_max=max(each.tokens for each in works),
        answer_tokens=work.answer_tokens,
        trained_weights=sizes.trained,
        weights=weights,
        memory_gb=round(costs.memory / 1e9, 3),
        hours=float(f"{epochs * costs.epoch / 3600:.3g}"),
    )


def _rows(settings: RewardSettings, examples: "JudgedExamples") -> list[tuple[int, ...]]:
    """Return the examples of each row of the first epoch."""
    from groundtune.train.batches import batches, rows_of, steps_per_epoch

    order = batches(examples.groups, settings.batch_size, settings.seed)
    limit = limits_of(settings).tokens
    return [
        row.pairs
        for batch in islice(order, steps_per_epoch(len(examples), settings.batch_size))
        for row in rows_of(batch, examples.group_of, examples.tokens, limit)
    ]


def _work(vlm: "Vlm", examples: "JudgedExamples", row: tuple[int, ...], *, packed: bool) -> Work:
    """Return what one pass over a row computes."""
    [judged_row] = examples.row(row).rows
    prompt, answers = judged_row.prompt.ids, [len(answer.ids) for answer in judged_row.answers]
    copies = 1 if packed else len(answers)
    return Work(
        tokens=copies * len(prompt) + sum(answers),
        answer_tokens=sum(answers),
        attended=copies * len(prompt) ** 2 // 2
        + sum(length * (len(prompt) + length // 2) for length in answers),
        images=prompt.count(getattr(vlm.model.config, "image_token_id", None)),
    )
