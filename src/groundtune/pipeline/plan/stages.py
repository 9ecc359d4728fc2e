"""The stages of a recipe, with their tokens and hours on one kind of machine.

Assumptions, each from the papers that the recipes follow:

- an answer has 8 claims (RLAIF-V: 6 to 10), and a claim with its question 30 tokens;
- 4,500 images gave 5,998 pairs in an iteration of RLAIF-V: 1.33 per prompt;
- a question has 40 tokens next to its image.
"""

from typing import NamedTuple

from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.models.sizes import ModelSize
from groundtune.pipeline.plan.machines import Rates
from groundtune.pipeline.train.settings import Learning, TrainSettings
from groundtune.records import Record
from groundtune.train.estimate import Sizes, Work, flop, memory

QUESTION = 40
CLAIMS = 8
CLAIM = 30
PAIRS_PER_PROMPT = 1.33
HOUR = 3600.0


class PlanStage(Record):
    """One kind of work of a run."""

    name: str
    model: str
    tokens: float
    """Tokens that are read or written."""
    hours: float
    memory_gb: float
    """Peak of one accelerator."""


class RecipeModel(NamedTuple):
    """A model of the recipe."""

    name: str
    size: ModelSize
    sizes: Sizes
    """With what is trained."""


def training(
    model: RecipeModel,
    learning: Learning,
    rates: Rates,
    *,
    pairs: float,
    answer: int,
    machines: int = 1,
    name: str = "train",
) -> list[PlanStage]:
    """Return the stages of training on a number of pairs, whose answers have `answer` tokens."""
    row = _row(model.size, answer)
    sharded = isinstance(learning, TrainSettings) and (learning.shard or learning.zero == 3)
    peak = _training_memory(model.sizes, learning, row, machines if sharded else 1)
    stages: list[PlanStage] = []
    if "reference" in learning.method.needs:
        work = flop(model.sizes, row, training=False) * pairs
        seconds = work / rates.flop_rate / machines
        stages.append(_stage("reference", model, row.tokens * pairs, seconds, peak))
    checkpointing = learning.gradient_checkpointing
    examples = pairs * learning.epochs
    if learning.max_steps:
        examples = min(examples, learning.max_steps * learning.batch_size)
    work = flop(model.sizes, row, training=True, checkpointing=checkpointing) * examples
    seconds = work / rates.flop_rate / machines
    return [*stages, _stage(name, model, row.tokens * examples, seconds, peak)]


def rounds(
    model: RecipeModel,
    labeler: RecipeModel | None,
    settings: AlignSettings,
    rates: Rates,
    answer: int,
    *,
    prompts: float,
    machines: int = 1,
) -> list[PlanStage]:
    """Return the stages of rounds of feedback; without a labeler here, its stages are left out."""
    answers = prompts * settings.n
    chosen = settings.choose.prompts * (settings.learn.checkpoints + 1)
    stages = [_sample("sample", model, answers, answer, settings, rates, machines)]
    if labeler is not None:
        stages += _labels(labeler, answers, answer, settings, rates, machines)
    pairs = min(prompts * PAIRS_PER_PROMPT, prompts * (settings.pairs.cap or PAIRS_PER_PROMPT))
    stages += training(model, settings.learn, rates, pairs=pairs, answer=answer)
    stages.append(_sample("choose: sample", model, chosen, answer, settings, rates, machines))
    if labeler is not None:
        labels = _labels(labeler, chosen, answer, settings, rates, machines)
        stages += [each.model_copy(update={"name": f"choose: {each.name}"}) for each in labels]
    many = settings.rounds
    return [
        each.model_copy(update={"tokens": each.tokens * many, "hours": each.hours * many})
        for each in stages
    ]


def _labels(
    labeler: RecipeModel,
    answers: float,
    answer: int,
    settings: AlignSettings,
    rates: Rates,
    machines: int,
) -> list[PlanStage]:
    """Return the stages of dividing answers and asking about their claims."""
    feedback = settings.feedback
    size = labeler.size
    claim_tokens = CLAIMS * CLAIM * 2
    seconds = (
        _reading(labeler, answer + 200, rates)
        + claim_tokens * rates.decoding(feedback.batch_size, _active(labeler)) / feedback.batch_size
    )
    memory_gb = _inference_memory(size, feedback.batch_size, answer + 200 + claim_tokens)
    divide = _stage(
        "divide",
        labeler,
        (answer + 200 + claim_tokens) * answers,
        seconds * answers / machines,
        memory_gb,
    )
    prompt_tokens = size.image_tokens + QUESTION + CLAIMS * CLAIM
    seconds = _reading(labeler, prompt_tokens, rates) * answers / machines
    memory_gb = _inference_memory(size, CLAIMS, prompt_tokens)
    return [divide, _stage("verify", labeler, prompt_tokens * answers, seconds, memory_gb)]


def _sample(
    name: str,
    model: RecipeModel,
    answers: float,
    answer: int,
    settings: AlignSettings,
    rates: Rates,
    machines: int,
) -> PlanStage:
    prompt_tokens = model.size.image_tokens + QUESTION
    step = rates.decoding(settings.batch_size, _active(model)) / settings.batch_size
    seconds = (_reading(model, prompt_tokens, rates) + answer * step) * answers / machines
    memory_gb = _inference_memory(model.size, settings.batch_size, prompt_tokens + answer)
    return _stage(name, model, (prompt_tokens + answer) * answers, seconds, memory_gb)


def _stage(
    name: str, model: RecipeModel, tokens: float, seconds: float, memory_gb: float
) -> PlanStage:
    return PlanStage(
        name=name, model=model.name, tokens=tokens, hours=seconds / HOUR, memory_gb=memory_gb
    )


def _active(model: RecipeModel) -> float:
    """Return the weights that a token meets: decoder and head."""
    return model.sizes.decoder + model.size.width * model.size.vocabulary


def _reading(model: RecipeModel, tokens: int, rates: Rates) -> float:
    """Return the seconds of reading a prompt."""
    work = Work(tokens, 1, tokens**2 // 2, model.size.image_tokens)
    return flop(model.sizes, work, training=False) / rates.flop_rate


def _row(size: ModelSize, answer: int) -> Work:
    """Return the work of a pair: its prompt once, and both answers."""
    prompt = size.image_tokens + QUESTION
    attended = prompt**2 // 2 + 2 * answer * (prompt + answer // 2)
    return Work(prompt + 2 * answer, 2 * answer, attended, size.image_tokens)


def _training_memory(sizes: Sizes, learning: Learning, row: Work, machines: int) -> float:
    from groundtune.engine.head import CHUNK_BYTES

    compute = 4 if learning.dtype == "float32" else 2
    frozen = 4 if learning.tune.type == "full" or compute == 4 else 2
    tokens = max(row.tokens, min(learning.micro_tokens, learning.batch_size * row.tokens))
    peak = memory(
        sizes,
        tokens=tokens,
        answer_tokens=round(row.answer_tokens * tokens / row.tokens),
        weight_bytes=frozen,
        compute_bytes=compute,
        mask_bytes=1,
        checkpointing=learning.gradient_checkpointing,
        chunk_bytes=CHUNK_BYTES,
    )
    shared = (sizes.weights - sizes.trained) * frozen + sizes.trained * 16
    return (peak - shared + shared / machines) / 1e9


def _inference_memory(size: ModelSize, rows: int, tokens: int) -> float:
    """Return the memory of weights in 16 bits, and of keys and values of a quarter of the heads."""
    cache = rows * tokens * size.layers * size.width * 2 * 2 / 4
    return (size.weights * 2 + cache) / 1e9
