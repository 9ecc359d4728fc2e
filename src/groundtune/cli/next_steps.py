"""The next command after pairs and answers: it depends on where their prompts are from."""

from pathlib import Path

EXAMPLE_MODEL = "llava-hf/llava-1.5-7b-hf"
"""A model that `train` can plan with where nobody named one."""


def after_answers(folder: Path) -> list[str]:
    """Give feedback: by an annotator whose prompt source has one, else by claims.

    One answer per prompt makes no pairs by claims, so it is only shown.
    """
    from groundtune.pipeline.models.prompt_sources import source_of
    from groundtune.pipeline.runs.folder import RunFolder

    run = RunFolder(folder)
    prompts = run.prompts.read()
    source = source_of(prompts)
    if source is not None and source.annotator is not None:
        return ["groundtune", "label", "--answers", str(folder)]
    if len(run.answers.keys()) > len(prompts):
        return ["groundtune", "label", "--answers", str(folder), "--by", "claims"]
    return ["groundtune", "report", str(folder)]


def after_pairs(folder: Path, answers: Path | None = None) -> list[str]:
    """Train on the pairs: by the prompts' recipe, or plan it for the model that answered.

    Args:
        folder: Folder that holds the pairs.
        answers: Folder that holds the answers that they were made from.
    """
    from groundtune.pipeline.models.prompt_sources import source_of_datasets
    from groundtune.pipeline.runs.folder import RunFolder
    from groundtune.store.tables import read_column

    run = RunFolder(folder)
    sources = (row for part in run.prompts.parts() for row in read_column(part, "source"))
    source = source_of_datasets({row["dataset"] for row in sources})
    if source is not None and source.recipe:
        return ["groundtune", "train", source.recipe, "--pairs", str(folder)]
    method: list[str] = []
    if any("thumb" in read_column(part, "origin") for part in run.pairs.parts()):
        method = ["method.type=kto", "method.thumbs=true"]
    rows = RunFolder(answers).answers.read() if answers else []
    models = {row.producer.name for row in rows if row.producer.kind == "model"}
    model = models.pop() if len(models) == 1 else EXAMPLE_MODEL
    return ["groundtune", "train", *method, "--model", model, "--pairs", str(folder), "--dry-run"]


def after_training(model: Path, pairs: Path, out: Path) -> list[str]:
    """Measure the model: as a splitter, by benchmarks, or on the prompts of its pairs."""
    from groundtune.pipeline.feedback.splitter import HELD_OUT
    from groundtune.pipeline.models.prompt_sources import source_of
    from groundtune.pipeline.runs.folder import RunFolder

    if (pairs / HELD_OUT).is_dir():
        return ["groundtune", "splitter", "score", str(model), "--lessons", str(pairs)]
    source = source_of(RunFolder(pairs).prompts.read())
    if source is not None and source.benchmarks:
        command = ["groundtune", "bench", "run", str(model), *source.benchmarks]
        return [*command, "--out", f"{out}-bench"]
    command = ["groundtune", "sample", "--model", str(model), "--prompts", str(pairs)]
    return [*command, "--out", f"{out}-answers"]
