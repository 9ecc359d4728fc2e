"""Trains one arm with one setting and seed, or makes data that arms learn from, as jobs."""

import json
import re
from pathlib import Path
from typing import Any

from groundtune.errors import UserError
from groundtune.pipeline.feedback.comparisons import CompareSettings, compare_answers
from groundtune.pipeline.feedback.corrections import LabelSettings, label_answers, open_annotator
from groundtune.pipeline.methods_study.settings import (
    Answers,
    ArmRun,
    ArmsSettings,
    Rewrites,
    Values,
)
from groundtune.pipeline.models.names import fingerprint
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.recipes.registry import RECIPE_COMMANDS, command_of, find, imported
from groundtune.pipeline.rewrite.settings import RewriteSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.jobs import Job
from groundtune.pipeline.sample.run import SampleSettings, run_sample
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings, load
from groundtune.records import Record
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.sealed import read_sealed, write_sealed

TRAINS = ("train", "rl", "align", "reward train")
"""Commands whose recipes can be arms."""
SHARED = "shared"
"""Folder, under the study's, of what a model said before training: runs of `rl` share it."""
_DATA = re.compile(r"\{([a-z0-9-]+)\}")


class Outcome(Record):
    """Where a training's model is, under the study's folder."""

    model: str


class AnswersStep(Settings):
    """Settings of the step that samples answers and gets feedback about them."""

    model: ModelSettings
    answers: Answers
    seed: int
    source: str
    """Folder of the answers under the study's; "" samples them."""
    out: str


class RewriteStep(Settings):
    """Settings of the step that corrects and rewords answers."""

    source: str
    """Folder of the answers under the study's."""
    values: Values
    """Settings of `groundtune rewrite`."""
    model: ModelSettings
    seed: int
    out: str


class TrainStep(Settings):
    """Settings of the step that trains by a recipe."""

    command: str
    recipe: str
    values: Values
    """Overrides of the recipe, with {NAME} for data."""
    data: dict[str, str]
    """Folder of each of the data that are named, under the study's."""
    model: ModelSettings
    seed: int
    out: str


def data_jobs(settings: ArmsSettings, seed: int) -> dict[str, Job]:
    """Return the job of each of the data for a seed, by the data's name.

    Raises:
        UserError: data are named that are not there before, or a setting is wrong.
    """
    jobs: dict[str, Job] = {}
    for name, data in settings.data.items():
        if isinstance(data, Answers):
            jobs[name] = _answers_job(settings, name, data, seed, jobs)
        elif isinstance(data, Rewrites):
            jobs[name] = _rewrite_job(settings, name, data, seed, jobs)
        else:
            job_name = f"data-{name}-s{seed}"
            jobs[name] = _train_job(settings, job_name, data.recipe, data.set, seed, jobs)
    return jobs


def train_job(settings: ArmsSettings, run: ArmRun, data: dict[str, Job]) -> Job:
    """Return the job of a training.

    Raises:
        UserError: the recipe can't be read or trains nothing, a setting is wrong, or data are named
            that are not there.
    """
    arm = settings.arms[run.arm]
    values = {**arm.set, **settings.tried(run.arm)[run.number]}
    recipe = arm.recipe or settings.arms[arm.like].recipe
    return _train_job(settings, f"train-{run.name}", recipe, values, run.seed, data)


def _answers_job(
    settings: ArmsSettings, name: str, data: Answers, seed: int, jobs: dict[str, Job]
) -> Job:
    source = _refuse_unnamed({data.of}, name, jobs) if data.of else []
    step = AnswersStep(
        model=settings.part(ModelSettings),
        answers=data,
        seed=seed,
        source=_out(source[0]) if source else "",
        out="",
    )
    mark = fingerprint(settings.model)
    out = f"data/{name}-s{seed}-{key_of(step.decisive(), mark)[:8]}"
    return Job(
        name=f"data-{name}-s{seed}",
        title=f"make {name}",
        work=make_answers,
        settings=step.model_copy(update={"out": out}),
        needs=tuple(job.name for job in source),
        inputs=(mark,),
        cost=5,
        tasks={"draw": 0.1, "sample": 0.7, "label": 0.2, "compare": 0.2},
    )


def _rewrite_job(
    settings: ArmsSettings, name: str, data: Rewrites, seed: int, jobs: dict[str, Job]
) -> Job:
    (source,) = _refuse_unnamed({data.of}, name, jobs)
    load(None, [], RewriteSettings, options=data.set)  # refused here, before anything runs
    step = RewriteStep(
        source=_out(source),
        values=data.set,
        model=settings.part(ModelSettings),
        seed=seed,
        out="",
    )
    mark = fingerprint(settings.model)
    out = f"data/{name}-s{seed}-{key_of(step.decisive(), mark)[:8]}"
    return Job(
        name=f"data-{name}-s{seed}",
        title=f"rewrite {name}",
        work=make_rewrites,
        settings=step.model_copy(update={"out": out}),
        needs=(source.name,),
        inputs=(mark,),
        cost=5,
    )


def _refuse_unnamed(names: set[str], where: str, data: dict[str, Job]) -> list[Job]:
    """Return the jobs of data by their names, in the order of these.

    Raises:
        UserError: there are no such data.
    """
    if missing := names - data.keys():
        raise UserError(
            f"There are no data named {min(missing)}.",
            where,
            f"Data are {', '.join(data) or 'none'}.",
        )
    return [data[name] for name in sorted(names)]


def _train_job(
    settings: ArmsSettings,
    name: str,
    recipe: str,
    values: Values,
    seed: int,
    data: dict[str, Job],
) -> Job:
    path = find(recipe)
    command = command_of(path)
    if command not in TRAINS:
        raise UserError(
            f"A recipe of groundtune {command} trains nothing that can be compared.",
            recipe,
            f"Use a recipe of {', '.join(TRAINS)}.",
        )
    names = _named(values)
    matches = _refuse_unnamed(names, name, data)
    step = TrainStep(
        command=command,
        recipe=recipe,
        values=values,
        data={each: str(_out(data[each])) for each in sorted(names)},
        model=settings.part(ModelSettings),
        seed=seed,
        out="",
    )
    marks = (fingerprint(settings.model), path.read_text(encoding="utf-8"))
    out = f"runs/{name.removeprefix('train-')}-{key_of(step.decisive(), marks)[:8]}"
    step = step.model_copy(update={"out": out})
    resolved(Path(), step)
    return Job(
        name=name,
        title=name.replace("-", " "),
        work=train_arm,
        settings=step,
        needs=tuple(job.name for job in matches),
        inputs=marks,
        cost=10,
        tasks={"train": 1.0, "reinforcement": 1.0, "align": 1.0},
    )


def _out(job: Job) -> str:
    step = job.settings
    assert isinstance(step, AnswersStep | RewriteStep | TrainStep)
    return step.out


def _named(values: Values) -> set[str]:
    """Return the names of data in values, at any depth."""
    return set(_DATA.findall(json_of(values)))


def filled(values: Values, folders: dict[str, str]) -> Values:
    """Return values with data's folders in place of their names."""
    return json.loads(_DATA.sub(lambda match: json_of(folders[match[1]])[1:-1], json_of(values)))


def resolved(folder: Path, step: TrainStep) -> Any:
    """Return the settings of a training, as its command takes them.

    Raises:
        UserError: the recipe or an override is wrong.
    """
    folders = {name: str(_place(folder, out)) for name, out in step.data.items()}
    schema = imported(RECIPE_COMMANDS[step.command].schema)
    defaults: Values = {"model": step.model.model, "seed": step.seed, "device": step.model.device}
    values = defaults | filled(step.values, folders)
    if step.command == "train" and "merge" not in values:
        values["merge"] = load(find(step.recipe), [], schema, options=values).tune.type == "lora"
    return load(find(step.recipe), [], schema, options=values)


def _place(folder: Path, out: str) -> Path:
    """Return the folder of data: the model in it, if it was trained."""
    outcome = folder / out / "outcome.json"
    return folder / (read_sealed(outcome, Outcome).model if outcome.exists() else out)


def train_arm(folder: Path, settings: TrainStep, progress: Progress) -> None:
    """Train by a recipe, and note where the model is.

    Raises:
        UserError: as the recipe's command does.
    """
    out = folder / settings.out
    model = TRAIN[settings.command](resolved(folder, settings), out, progress)
    if (model / "adapter_config.json").exists() and settings.command != "reward train":
        model = _merged(model, out / "merged")
    outcome = Outcome(model=model.relative_to(folder).as_posix())
    write_sealed(out / "outcome.json", outcome)


def _merged(adapter: Path, out: Path) -> Path:
    from groundtune.train.checkpoint import write_model
    from groundtune.vlm.merged import load_merged

    write_model(load_merged(str(adapter)), out)
    return out


def _train(settings: Any, out: Path, progress: Progress) -> Path:
    from groundtune.pipeline.train.run import train

    return train(settings, out, progress)


def _rl(settings: Any, out: Path, progress: Progress) -> Path:
    from groundtune.pipeline.rl.run import rl

    shared = out.parent.parent / SHARED  # out is runs/NAME or data/NAME
    return rl(settings, out, progress, reference_folder=shared).model


def _align(settings: Any, out: Path, progress: Progress) -> Path:
    from groundtune.pipeline.align.run import align

    return align(settings, out, progress).model


def _reward(settings: Any, out: Path, progress: Progress) -> Path:
    from groundtune.pipeline.reward.run import train_reward

    return train_reward(settings, out, progress).model


TRAIN = {"train": _train, "rl": _rl, "align": _align, "reward train": _reward}


def make_answers(folder: Path, settings: AnswersStep, progress: Progress) -> None:
    """Sample answers and get the feedback that is asked for.

    Raises:
        UserError: a model can't be loaded, or nobody can give such feedback about these prompts.
    """
    data, out = settings.answers, folder / settings.out
    source = folder / settings.source if settings.source else out
    if source == out:
        sampling = settings.model.part(
            SampleSettings,
            prompts=data.prompts,
            images=data.images,
            n=data.n,
            sampling=data.sampling,
            seed=settings.seed,
        )
        run_sample(sampling, out, progress)
    if data.by == "comparisons":
        person = CompareSettings(error_rate=data.error_rate, seed=settings.seed)
        compare_answers(source, out, person, progress)
    elif data.by == "corrections":
        _correct(source, out, data, settings.seed, progress)
    elif data.by == "claims":
        _check(source, out, data, settings, progress)


def make_rewrites(folder: Path, settings: RewriteStep, progress: Progress) -> None:
    """Correct and reword answers into pairs.

    Raises:
        UserError: a setting is wrong, a model can't be loaded, or no pair can be made.
    """
    from groundtune.pipeline.rewrite.run import load_settings, rewrite

    source = folder / settings.source
    values = {"device": settings.model.device, "seed": settings.seed} | settings.values
    rewrite(source, folder / settings.out, load_settings(source, [], values), progress)


def _correct(source: Path, out: Path, data: Answers, seed: int, progress: Progress) -> None:
    from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs

    label = LabelSettings(error_rate=data.error_rate, seed=seed)
    person, by = open_annotator(label, RunFolder(source))
    label_answers(source, out, person, by, progress, settings=label)
    make_pairs(out, out, PairSettings(), progress)


def _check(
    source: Path, out: Path, data: Answers, settings: AnswersStep, progress: Progress
) -> None:
    from groundtune.feedback.claim_pairs import ClaimPairRules
    from groundtune.pipeline.feedback.claim_settings import open_labelling
    from groundtune.pipeline.feedback.claims import label_claims
    from groundtune.pipeline.feedback.pairs import make_claim_pairs

    with open_labelling(data.feedback, RunFolder(source)) as labelling:
        label_claims(source, out, labelling, progress, settings=data.feedback)
    make_claim_pairs(out, out, ClaimPairRules(seed=settings.seed), progress)
