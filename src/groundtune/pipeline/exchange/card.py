"""Cards of trained models and of pairs, as the Hugging Face hub shows them, and their upload.

A model's card has its base, its method, its data's licences, and a `model-index` of the scores
that `groundtune bench run` measured. It claims nothing that was not measured.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.interchange.licences import forbids_commercial_use
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.records import Estimate
from groundtune.store.files import write_atomic
from groundtune.store.rows import json_file
from groundtune.store.run_json import read_run, versions

Kind = Literal["model", "dataset"]
CARD = "README.md"
TASK = "image-text-to-text"


class Card(NamedTuple):
    """A card, and the folder that it describes."""

    kind: Kind
    folder: Path
    text: str
    non_commercial: tuple[str, ...]
    """Licences of its data that forbid commercial use."""


def make_card(run: Path, *, scores: Sequence[Path] = (), name: str = "", licence: str = "") -> Card:
    """Return the card of a training run's model, or of a folder of pairs.

    Args:
        run: What `groundtune train` wrote, or a folder with pairs.
        scores: Folders of `groundtune bench run` that measured the model.
        name: Name on the card; "" is the folder's.
        licence: Licence of the weights or rows; "" leaves it out of a model's card, and takes the
            rows' own for pairs.

    Raises:
        UserError: the folder is neither, scores are of a folder without results, or scores are
            given for pairs.
    """
    name = name or run.resolve().name
    if (run / "model").is_dir() and (run / "run.json").exists():
        return _model_card(run, scores, name, licence)
    if RunFolder(run).pairs.parts():
        if scores:
            raise UserError("Pairs have no scores.", "--scores", "Leave it out.")
        return _dataset_card(run, name, licence)
    raise UserError(
        "The folder has neither a trained model nor pairs.",
        str(run),
        "Give the folder that groundtune train, pairs or import wrote.",
    )


def write_card(card: Card) -> Path:
    """Write a card into its folder as README.md and return the file.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    path = card.folder / CARD
    write_atomic(path, card.text.encode())
    return path


def upload(card: Card, repository: str, *, private: bool = True) -> str:
    """Upload the card's folder to the Hugging Face hub and return its address.

    Raises:
        UserError: the hub can't be reached, or refuses the account or the name.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    hub: Any = huggingface_hub
    try:
        hub.create_repo(repository, repo_type=card.kind, private=private, exist_ok=True)
        address = hub.upload_folder(
            repo_id=repository,
            repo_type=card.kind,
            folder_path=str(card.folder),
            ignore_patterns=[".*", "*.lock"],
            commit_message=f"Groundtune {versions().get('groundtune', '')}",
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        line = (str(error).splitlines() or [""])[0].rstrip(".")
        raise UserError(
            f"The hub did not take the upload: {line}.",
            repository,
            "Log in with `hf auth login`, check OWNER/NAME, and unset HF_HUB_OFFLINE.",
        ) from error
    return str(address)


def _model_card(run: Path, scores: Sequence[Path], name: str, licence: str) -> Card:
    from huggingface_hub import EvalResult, ModelCardData

    folder, record = run / "model", read_run(run)
    recipe = record.recipe
    base, method = str(recipe["model"]), recipe["method"]
    estimates = [row for each in scores for row in _estimates(each)]
    licences = _licences(Path(str(recipe["pairs"])))
    adapter = (folder / "adapter_config.json").exists()
    evaluated = [
        EvalResult(
            task_type=TASK,
            dataset_type=row.benchmark.partition("/")[0],
            dataset_name=row.benchmark,
            metric_type=row.metric,
            metric_name=f"{row.metric} (95% CI {row.low:.4g} to {row.high:.4g}, n={row.n})",
            metric_value=round(row.value, 6),
        )
        for row in estimates
    ]
    data: Any = ModelCardData(
        license=licence or None,
        base_model=base,
        library_name="peft" if adapter else "transformers",
        pipeline_tag=TASK,
        tags=["groundtune", str(method["type"])],
        model_name=name,
        eval_results=evaluated or None,
    )
    forbidding = tuple(each for each in licences if forbids_commercial_use(each))
    lines = [
        f"# {name}\n",
        f"{base}, trained with Groundtune {record.versions.get('groundtune', '')} on preference "
        f"pairs ({method['type']}).\n",
        "## Training\n",
        "| setting | value |",
        "|---|---|",
        *(f"| method.{key} | {value} |" for key, value in method.items()),
        *(f"| tune.{key} | {value} |" for key, value in recipe["tune"].items()),
        *(f"| {key} | {recipe[key]} |" for key in ("epochs", "batch_size", "dtype", "seed")),
        f"| optim.lr | {recipe['optim']['lr']} |",
        f"| licences of the pairs | {', '.join(licences) or 'not stated'} |",
        "",
        *([_warning(forbidding)] if forbidding else []),
        "## Results\n",
        *_results(estimates),
        "## Limits\n",
        "Training on preference pairs lowers hallucinations on what was measured. It does not "
        "remove them. Check answers on your own images with `groundtune check`.\n",
    ]
    return Card("model", folder, f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines), forbidding)


def _dataset_card(run: Path, name: str, licence: str) -> Card:
    from huggingface_hub import DatasetCardData

    target = RunFolder(run)
    pairs = read_some(target.pairs)
    licences = _licences(run)
    forbidding = tuple(each for each in licences if forbids_commercial_use(each))
    sets = Counter(prompt.source.dataset or "own" for prompt in target.prompts.read())
    data: Any = DatasetCardData(
        license=licence or (licences[0] if len(licences) == 1 else None),
        task_categories=[TASK],
        tags=["groundtune", "preference"],
        pretty_name=name,
        size_categories=[_size(len(pairs))],
    )
    lines = [
        f"# {name}\n",
        f"{len(pairs)} preference pairs with {sum(sets.values())} prompts and their images, "
        "written by Groundtune. Each pair has a chosen and a rejected answer to one prompt, and "
        "the changed spans of both.\n",
        "| prompts from | prompts |",
        "|---|---|",
        *(f"| {source} | {count} |" for source, count in sets.most_common()),
        "",
        f"Licences of the rows: {', '.join(licences) or 'not stated'}.\n",
        *([_warning(forbidding)] if forbidding else []),
        "`pairs/` and `prompts/` are Parquet; `images/` has each image once, named by its sha256. "
        "`groundtune schema pair` prints the fields.\n",
    ]
    return Card("dataset", run, f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines), forbidding)


def _results(estimates: Sequence[Estimate]) -> list[str]:
    if not estimates:
        return ["Nothing was measured. Run `groundtune bench run`, and give its folder.\n"]
    rows = [
        f"| {row.benchmark} | {row.metric} | {row.value:.4g} | {row.low:.4g} to {row.high:.4g} | "
        f"{row.n} |"
        for row in estimates
    ]
    notes = (
        ["World numbers do not predict real benchmarks.\n"]
        if any(row.benchmark.startswith("world") for row in estimates)
        else []
    )
    heads = ["| benchmark | metric | value | 95% CI | n |", "|---|---|---|---|---|"]
    return [*heads, *rows, "", *notes]


def _estimates(scores: Path) -> list[Estimate]:
    """Return the rows of a benchmark run's summary."""
    path = scores / "summary.json"
    if not path.exists():
        raise UserError(
            "There are no results.", str(path), "Give a folder that groundtune bench run wrote."
        )
    rows: Any = json_file(path)
    try:
        return [Estimate.model_validate(row) for row in rows]
    except (ValidationError, TypeError) as error:
        raise UserError(
            "The file is not a summary.", str(path), "Run groundtune bench run again."
        ) from error


def _licences(run: Path) -> list[str]:
    """Return the licences that the prompts of a folder name."""
    prompts = RunFolder(run).prompts.read() if run.is_dir() else []
    return sorted({prompt.source.licence for prompt in prompts} - {""})


def _warning(forbidding: Sequence[str]) -> str:
    return f"**Not for commercial use**: the data's licence ({', '.join(forbidding)}) forbids it.\n"


def _size(rows: int) -> str:
    """Return the hub's name for a number of rows."""
    for bound, name in ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")):
        if rows < bound:
            return name
    return "100K<n<1M"
