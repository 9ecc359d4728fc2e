"""Opens what a command names for scoring: recorded replies or an endpoint, word vectors."""

from pathlib import Path

from groundtune.bench.benchmark import Scoring
from groundtune.bench.judge.judge import Judging
from groundtune.errors import UserError
from groundtune.pipeline.bench.similarity import WordVectors
from groundtune.protocols import Progress
from groundtune.records import Record


class Judges(Record):
    """Where replies come from; none of it for a benchmark without judge."""

    replies: tuple[Path, ...] = ()
    """Files of recorded replies."""
    url: str = ""
    """Of an OpenAI-compatible endpoint, or a YAML file that describes a judge."""
    model: str = ""
    """The judge's name there."""
    similarity: Path | None = None
    """Word vectors that tell the similarity of nouns."""


def open_judge(judges: Judges, out: Path, progress: Progress) -> Scoring:
    """A scoring with the judge that is meant, or with none; replies are kept in OUT/judge/.

    Raises:
        UserError: both kinds of judge, an endpoint without a model, or a file that can't be read.
    """
    similarity = WordVectors(judges.similarity) if judges.similarity else None
    return Scoring(judge=_judge(judges, out, progress), similarity=similarity)


def _judge(judges: Judges, out: Path, progress: Progress) -> Judging | None:
    from groundtune.bench.judge.recorded import RecordedJudge

    if judges.replies and judges.url:
        raise UserError(
            "Two judges are given.",
            "--judge-replies and --judge",
            "Give recorded replies or an endpoint, not both.",
        )
    if judges.replies:
        return Judging(by=RecordedJudge(*judges.replies), progress=progress)
    if not judges.url:
        return None
    cache = out / "judge" / "replies.jsonl"
    if judges.url.endswith((".yaml", ".yml")):
        from groundtune.bench.judge.file import read_judge

        return read_judge(Path(judges.url), cache, progress)
    if not judges.model:
        raise UserError("The endpoint's model isn't named.", "--judge", "Add --judge-model NAME.")
    from groundtune.bench.judge.endpoint import EndpointJudge
    from groundtune.bench.judge.http import Endpoint

    endpoint = Endpoint(url=judges.url, model=judges.model)
    return Judging(by=EndpointJudge(endpoint, cache), progress=progress)
