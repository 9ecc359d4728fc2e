"""Stage "rl": reinforcement learning of a model from rewards of its own answers.

    OUT/run.json log.jsonl                settings, metrics of each step and evaluation
    OUT/prompts/ images/ answers/ claims/ what is asked, and the reference's greedy answers, checked
    OUT/held-out/                         prompts that are never learnt from
    OUT/rollouts/step-000001/             every answer that was drawn, with its tokens
    OUT/checkpoints/step-000010/          checkpoint from which a stopped run resumes
    OUT/held-out-scores/                  what held-out prompts were answered after some steps
    OUT/best/                             while it runs: the model of the best step so far
    OUT/model/ report.html                the result: weights, or a LoRA's adapter; its page

The same command resumes from the last checkpoint, and leaves a finished run unchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from groundtune.pipeline.feedback.claim_settings import with_self
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.models.names import fingerprints
from groundtune.pipeline.rl import memory
from groundtune.pipeline.rl.checks import check_prompts, refuse_unlearnt, rewards_marks
from groundtune.pipeline.rl.claims import FirstAnswer
from groundtune.pipeline.rl.early_stop import why_stop
from groundtune.pipeline.rl.labeler import labelling_on
from groundtune.pipeline.rl.policy import (
    LoadedModels,
    attention_of,
    engine,
    heads,
    load_models,
    reference,
    tuned,
)
from groundtune.pipeline.rl.prepare import (
    held_out_prompts,
    prepare_prompts,
    references_of,
    refuse_evaluation_images,
    with_claims_of_source,
)
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.rl.shared import BeforeTraining
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.pipeline.runs.resume import open_run
from groundtune.pipeline.train.parallel import is_first_process
from groundtune.pipeline.train.run import logger_of
from groundtune.protocols import Progress, Rewarder
from groundtune.records import Prompt
from groundtune.store.keys import key_of
from groundtune.train.log import read_log

if TYPE_CHECKING:
    from groundtune.pipeline.rl.choosing import BestModels
    from groundtune.pipeline.rl.draw import Drawing, PromptTokens
    from groundtune.train.parallel import Parallel
    from groundtune.train.rl_loop import RLSchedule, RLTrainer
    from groundtune.vlm.load import Vlm


class RLResult(NamedTuple):
    """A finished run."""

    model: Path
    early_end: str
    """Why it ended early; "" if it took all its steps."""
    report: Path
    verdict: str


def rl(
    settings: RLSettings,
    out: Path,
    progress: Progress,
    *,
    rewarders: Mapping[str, Rewarder] | None = None,
    reference_folder: Path | None = None,
    command: Sequence[str] = (),
) -> RLResult:
    """Train by the recipe, or resume, and return the folder of the result.

    `rewarders` are custom components of the reward, by their names in `rewards.more`. Runs of the
    same model on the same prompts may share a `reference_folder`, at once, too: what one of them
    had the model say before training, the others use.

    Raises:
        UserError: settings or prompts can't be used, a model can't be loaded or trained this way,
            the folder has another run, rewards are not numbers, or the disk is full.
    """
    settings = with_claims_of_source(settings)
    inputs = fingerprints({"model": settings.model}) | rewards_marks(settings, rewarders or {})
    with ExitStack() as stack:
        if is_first_process():
            stack.enter_context(
                open_run(
                    out,
                    settings,
                    inputs=inputs,
                    seeds={"rl": settings.seed},
                    command=command,
                )
            )
        return _run(settings, out, progress, rewarders or {}, stack, reference_folder)


class _Task(NamedTuple):
    """What is asked, and who rewards the answers."""

    prompts: list[Prompt]
    rewarders: dict[str, Rewarder]
    labelling: Labelling | None
    """Who checks claims, for the rewards or for the choice of a step; None if nothing needs it."""
    checkers: dict[str, memory.LoadedModel]
    """The models that check claims in this process, by their roles."""
    references: dict[str, FirstAnswer]
    before: BeforeTraining


def _run(
    settings: RLSettings,
    out: Path,
    progress: Progress,
    rewarders: Mapping[str, Rewarder],
    stack: ExitStack,
    reference_folder: Path | None,
) -> RLResult:
    import torch

    from groundtune.pipeline.rl.choosing import BestModels
    from groundtune.train.checkpoint import Checkpoints
    from groundtune.train.optim import adamw

    models = load_models(settings, out, rewarders)
    vlm, parallel = models.policy, models.parallel
    task = _asked(settings, models, out, progress, stack, reference_folder)
    torch.manual_seed(settings.seed)  # pyright: ignore[reportUnknownMemberType]
    vlm = tuned(settings, vlm)
    attention = attention_of(settings, vlm, task.prompts, parallel, out)
    score = engine(settings, vlm, attention)
    trained = heads(score)
    if parallel.main:
        others = task.checkers | models.rewards.in_memory()
        memory.note(out, memory.measured(settings, vlm, models.frozen, trained, others))
    weights = [
        *vlm.model.parameters(),
        *(w for head in trained.values() for w in head.parameters()),
    ]
    optimizer = adamw(weights, settings.optim)
    checkpoints = Checkpoints(
        out / "checkpoints",
        _inputs(settings, vlm, task.prompts, rewarders),
        settings.keep,
        trained,
    )
    step = checkpoints.restore(vlm, optimizer, parallel.rank)
    best = BestModels(settings, out, vlm, parallel, checkpoints)
    trainer = _trainer(
        settings,
        out,
        vlm,
        task,
        stack,
        reference=reference(settings, vlm, models.frozen, attention),
        score=score,
        parallel=parallel,
        optimizer=optimizer,
        checkpoints=checkpoints,
        keep=best.keep,
        logger=logger_of(settings, out, step or -1, parallel),
        progress=progress,
    )
    early_end = trainer.fit(step, _coefficient(settings, out, step))
    verdict = _result(settings, out, best, early_end) if parallel.main else ""
    parallel.wait()
    return RLResult(out / "model", early_end, out / "report.html", verdict)


def _result(settings: RLSettings, out: Path, best: "BestModels", early_end: str) -> str:
    """Make the chosen model the result, and write its page; return the page's verdict.

    Raises:
        UserError: nothing was learnt.
    """
    from groundtune.pipeline.rl.page import write_page

    refuse_unlearnt(settings, read_log(out / "log.jsonl"))
    best.take()
    return write_page(out, settings, early_end).verdict


def _asked(
    settings: RLSettings,
    models: LoadedModels,
    out: Path,
    progress: Progress,
    stack: ExitStack,
    reference_folder: Path | None,
) -> _Task:
    """Read the prompts, and have the reference answer them; the main process does it for all."""
    folder, parallel = RunFolder(out), models.parallel
    if parallel.main:
        prepare_prompts(settings, out, progress)
        refuse_evaluation_images(settings, out)
        check_prompts(settings, read_some(folder.prompts), held_out_prompts(out).read())
    parallel.wait()
    labelling, checkers = None, dict[str, memory.LoadedModel]()
    if settings.checks_claims:
        feedback = with_self(settings.feedback, settings.model)
        labelling, checkers = stack.enter_context(labelling_on(models.base, feedback, folder))
    before = BeforeTraining(settings, models.policy, labelling, reference_folder)
    if settings.rewards.by_claims and parallel.main:
        before.prepare(out, progress)
    parallel.wait()
    references = references_of(settings, folder) if settings.rewards.by_claims else {}
    prompts = read_some(folder.prompts)
    return _Task(prompts, models.rewards.by_name, labelling, checkers, references, before)


def _trainer(
    settings: RLSettings,
    out: Path,
    vlm: "Vlm",
    task: _Task,
    stack: ExitStack,
    *,
    parallel: "Parallel",
    **rest: Any,
) -> "RLTrainer":
    """Return the trainer; `rest` is what it gets as it is."""
    from groundtune.engine.engines import cannot_pack
    from groundtune.pipeline.rl.draw import PromptTokens
    from groundtune.pipeline.rl.held_out import HeldOut
    from groundtune.pipeline.rl.step_rewards import StepRewards
    from groundtune.train.data import packed_cost, separate_cost
    from groundtune.train.rl_loop import RLTrainer
    from groundtune.vlm.encode import encode_prompt

    images = RunFolder(out).images
    encoded = PromptTokens(lambda prompt: encode_prompt(vlm, prompt, images), task.prompts)
    draw = _drawing(settings, out, vlm, task.prompts, encoded, parallel, stack)
    reward = StepRewards(
        vlm=vlm,
        prompts={prompt.key: prompt for prompt in task.prompts},
        references=task.references,
        labelling=task.labelling if settings.rewards.by_claims else None,
        rewarders=task.rewarders,
        settings=settings,
        parallel=parallel,
    )
    return RLTrainer(
        vlm=vlm,
        method=settings.method,
        draw=draw,
        reward=reward,
        prompt=encoded,
        cost=separate_cost if cannot_pack(vlm) else packed_cost,
        bound="factor" if parallel.arithmetic or settings.server else "exact",
        plan=_schedule(settings),
        parallel=parallel,
        evaluate=HeldOut.open(settings, out, vlm, task.labelling, parallel, task.before),
        stop=_stopping(settings, out, parallel),
        **rest,
    )


def _drawing(
    settings: RLSettings,
    out: Path,
    vlm: "Vlm",
    prompts: Sequence[Prompt],
    encoded: "PromptTokens",
    parallel: "Parallel",
    stack: ExitStack,
) -> "Drawing":
    """Return what draws the answers: the model itself, or a server, closed with the stack."""
    from groundtune.generate.endpoint import parse_endpoint
    from groundtune.generate.rollout_server import RolloutServer
    from groundtune.pipeline.rl.draw import FromServer, InProcess

    shared: dict[str, Any] = {
        "vlm": vlm,
        "prompts": prompts,
        "encoded": encoded,
        "settings": settings,
        "parallel": parallel,
        "folder": out / "rollouts",
    }
    if not settings.server:
        return InProcess(**shared)
    endpoint = parse_endpoint(settings.server)
    endpoint = endpoint.model_copy(update={"concurrency": settings.batch_size})
    server = RolloutServer(endpoint, RunFolder(out).images)
    stack.callback(server.close)
    return FromServer(**shared, server=server, served=out / "served")


def _stopping(settings: RLSettings, out: Path, parallel: "Parallel") -> "Callable[[int], str]":
    """Return what says after a step why the run should end: the same in all processes."""

    def stop(step: int) -> str:
        if not settings.eval_every or step % settings.eval_every:
            return ""
        main = parallel.main
        why = why_stop(read_log(out / "log.jsonl"), settings.stop) if main else ""
        return parallel.gather(why)[0]

    return stop


def _inputs(
    settings: RLSettings, vlm: "Vlm", prompts: Sequence[Prompt], rewarders: Mapping[str, Rewarder]
) -> dict[str, str]:
    return {
        "settings": key_of(settings.decisive()),
        "model": vlm.revision,
        "prompts": key_of([prompt.key for prompt in prompts]),
        "rewarders": key_of(sorted(rewarders)),
    }


def _schedule(settings: RLSettings) -> "RLSchedule":
    from groundtune.train.batches import PassLimits
    from groundtune.train.rl_loop import RLSchedule

    return RLSchedule(
        steps=settings.steps,
        passes=settings.passes,
        minibatches=settings.minibatches,
        longest=settings.sampling.max_new_tokens,
        limits=PassLimits(tokens=settings.micro_tokens, pairs=settings.micro_batch),
        seed=settings.seed,
        save_every=settings.save_every,
        eval_every=settings.eval_every,
        optim=settings.optim,
        importance=(settings.importance.cap, settings.importance.level),
        reject=settings.importance.reject,
        recompute=settings.gradient_checkpointing,
    )


def _coefficient(settings: RLSettings, out: Path, step: int) -> float:
    """Return the KL's coefficient that an interrupted run had reached, else the method's."""
    if step and settings.method.kl.target:
        lines = [line for line in read_log(out / "log.jsonl") if line["step"] <= step]
        coefficients = [
            line["next_kl_coefficient"] for line in lines if "next_kl_coefficient" in line
        ]
        if coefficients:
            return coefficients[-1]
    return settings.method.kl.coefficient


def read_outcome(out: Path, settings: RLSettings) -> dict[str, float]:
    """Return a finished run's steps, its rewards, and what the chosen step's model answers.

    Values of the model before training end in _before, those of the result in _after.
    """
    from groundtune.pipeline.rl.choosing import chosen_step

    lines = read_log(out / "log.jsonl")
    steps = [line for line in lines if "reward" in line]
    held_out = [line for line in lines if any(name.startswith("held_out/") for name in line)]
    chosen = chosen_step(out, settings)
    outcome = {"steps": float(len(steps)), "reward_first": steps[0]["reward"]}
    outcome["reward_last"] = steps[-1]["reward"]
    if idle := sum("loss" not in line for line in steps):
        outcome["steps_without_learning"] = float(idle)
    if chosen is not None:
        outcome["chosen_step"] = float(chosen)
    after = [line for line in held_out if chosen in (None, line["step"])]
    for when, line in (("before", held_out[:1]), ("after", after[-1:])):
        for each in line:
            held_out_values = {
                k.removeprefix("held_out/"): v for k, v in each.items() if k != "step"
            }
            outcome |= {f"{name}_{when}": value for name, value in held_out_values.items()}
    return {name: round(value, 4) for name, value in outcome.items()}
