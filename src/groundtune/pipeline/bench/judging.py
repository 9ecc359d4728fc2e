"""Opens what a command names for scoring: a judge of any kind, or word vectors."""

from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.bench.benchmark import Scoring
from groundtune.bench.judge.judge import Judging, ReplySource
from groundtune.errors import UserError
from groundtune.pipeline.bench.similarity import WordVectors
from groundtune.pipeline.models.generators import open_generator
from groundtune.pipeline.models.names import is_endpoint, revision_of
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.protocols import Progress
from groundtune.records import Record, Sampling

if TYPE_CHECKING:
    from groundtune.bench.judge.asking import Asker
    from groundtune.bench.judge.budget import Budget
    from groundtune.bench.judge.file import JudgeFile


class Judges(Record):
    """Where replies come from; empty for a benchmark without a judge."""

    replies: tuple[Path, ...] = ()
    """Files of recorded replies."""
    judge: str = ""
    """A model on this machine, openai:MODEL@URL, an endpoint's URL, or a YAML file."""
    model: str = ""
    """The judge's name at that URL."""
    similarity: Path | None = None
    """Word vectors for the similarity of nouns."""


def open_judge(judges: Judges, out: Path, progress: Progress) -> Scoring:
    """Return a scoring with the judge that is named, or with none; replies are kept in OUT/judge/.

    Raises:
        UserError: both kinds of judge, an endpoint without a model, or a file that can't be read.
    """
    similarity = WordVectors(judges.similarity) if judges.similarity else None
    return Scoring(judge=_judge(judges, out, progress), similarity=similarity)


def _judge(judges: Judges, out: Path, progress: Progress) -> Judging | None:
    if judges.replies and judges.judge:
        raise UserError(
            "Two judges are given.",
            "--judge-replies and --judge",
            "Give recorded replies or a judge to ask, not both.",
        )
    if not judges.replies and not judges.judge:
        return None
    judge_file = _as_judge_file(judges)
    source = _replies(judge_file, out / "judge" / "replies.jsonl")
    return Judging(
        source=source,
        repeats=judge_file.repeats,
        swap=judge_file.swap,
        prompt=judge_file.prompt,
        progress=progress,
    )


def _as_judge_file(judges: Judges) -> "JudgeFile":
    """The options as a judge file."""
    from groundtune.bench.judge.file import JudgeFile, read_judge
    from groundtune.generate.endpoint import parse_endpoint

    name = judges.judge
    if judges.replies:
        return JudgeFile(replies=judges.replies)
    if name.startswith(("http://", "https://")):
        if not judges.model:
            raise UserError(
                "The endpoint's model isn't named.", "--judge", "Add --judge-model NAME."
            )
        return JudgeFile(url=name, model=judges.model)
    if judges.model:
        raise UserError(
            "Only an endpoint's URL needs a model's name.",
            f"--judge {name} --judge-model {judges.model}",
            "Leave --judge-model out, or give --judge http://HOST/v1.",
        )
    if name.endswith((".yaml", ".yml")):
        return read_judge(Path(name))
    if is_endpoint(name):
        endpoint = parse_endpoint(name)
        return JudgeFile(url=",".join(endpoint.urls), model=endpoint.model)
    return JudgeFile(model=name)


def _replies(judge_file: "JudgeFile", cache: Path) -> ReplySource:
    from groundtune.bench.judge.cached import CachedJudge
    from groundtune.bench.judge.recorded import RecordedJudge

    if judge_file.replies:
        return RecordedJudge(*judge_file.replies)
    sampling = Sampling(temperature=judge_file.temperature, max_new_tokens=judge_file.max_tokens)
    asker = (
        _endpoint(judge_file, sampling)
        if judge_file.url
        else _local(judge_file, sampling, cache.parent)
    )
    return CachedJudge(asker, cache, dry_run=judge_file.dry_run)


def _endpoint(judge_file: "JudgeFile", sampling: Sampling) -> "Asker":
    from groundtune.bench.judge.endpoint import EndpointAsker
    from groundtune.generate.endpoint import EndpointLimits, EndpointSettings, base_urls

    limits = judge_file.model_dump(include=set(EndpointLimits.model_fields))
    settings = EndpointSettings(model=judge_file.model, urls=base_urls(judge_file.url), **limits)
    return EndpointAsker(settings, sampling, _budget(judge_file))


def _budget(judge_file: "JudgeFile") -> "Budget | None":
    from groundtune.bench.judge.budget import Budget
    from groundtune.bench.judge.cost import read_price

    if judge_file.prices is None:
        if judge_file.budget is None:
            return None
        raise UserError(
            "A budget needs a price.",
            f"model {judge_file.model}",
            "Give a price table that has the judge's model, as prices: FILE.",
        )
    price = read_price(judge_file.prices, judge_file.model)
    return Budget(price, judge_file.max_tokens, *([judge_file.budget] if judge_file.budget else []))


def _local(judge_file: "JudgeFile", sampling: Sampling, folder: Path) -> "Asker":
    """A model that is loaded before its first reply, so that cached replies need none."""
    from functools import partial

    from groundtune.bench.judge.local import LocalAsker
    from groundtune.pipeline.models.workers.lazy import Lazy, LazyModel
    from groundtune.store.images import ImageStore

    fields = judge_file.model_dump(include={"model", "device", "dtype", "batch_size"})
    settings = ModelSettings.model_validate(fields)
    load = partial(open_generator, settings, ImageStore(folder))
    model = LazyModel(settings.model, revision_of(settings), Lazy(load))
    return LocalAsker(model, sampling)
