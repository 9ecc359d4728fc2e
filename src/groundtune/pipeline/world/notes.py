"""What the report says in words about the world's benchmarks, models and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.pipeline.models.measure import BASE
from groundtune.pipeline.world.learning import WorldLearning
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.figures import quantity
from groundtune.report.model import Licence, ModelSpec
from groundtune.report.specs import model_label, model_spec
from groundtune.report.verdict import ONE_SEED

SIMULATED = (
    "The annotator is simulated: it knows the whole truth, never tires, and errs only as set."
)
TUNED_ON = "The images are of the development split, on which settings were tuned."


LICENCES = (
    Licence(what="Groundtune and its world", terms="Apache-2.0"),
    Licence(what="Glyphs in the images", terms="OFL-1.1", note="Noto Color Emoji"),
)


def limits_of(split: str, seeds: int) -> tuple[str, ...]:
    """The limits of a page about a number of trainings from simulated corrections."""
    one = () if seeds > 1 else (f"{ONE_SEED} groundtune study runs several.",)
    return (*one, SIMULATED, *(() if split == "test" else (TUNED_ON,)))


def learnt_models(
    base: str, learn: Mapping[str, WorldLearning], pairs: int, seeds: int = 1
) -> tuple[ModelSpec, ...]:
    """The base, and the models of each way of learning over a number of seeds."""
    pooled = f"{seeds} seeds, pooled: " if seeds > 1 else ""
    return (
        model_spec(BASE, f"{base}, as it is"),
        *(
            model_spec(
                name,
                (pooled + learning_note(way, pairs)).removeprefix(f"{model_label(name)} "),
            )
            for name, way in learn.items()
        ),
    )


def learning_note(learning: WorldLearning, pairs: int) -> str:
    """One line on how a model was made."""
    method = learning.method.model_dump()
    kind = str(method.pop("type")).upper()
    settings = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in method.items()
        if value
    )
    weights = (
        "a LoRA"
        if learning.tune.type == "lora"
        else " and ".join(part.replace("_", " ") for part in learning.tune.parts)
    )
    counted = "" if learning.data.edits == "all" else f", edits {learning.data.edits}"
    return (
        f"{kind} ({settings}{counted}) on {quantity(pairs, 'pair')}, "
        f"{quantity(learning.epochs, 'epoch')}, "
        f"learning rate {learning.optim.lr:g}, {weights} trained"
    )


def training_curves(folders: Sequence[tuple[str, str, Path]]) -> tuple[Curve, ...]:
    """Loss and accuracy over the steps of trainings: (model, label, folder of the training)."""
    from groundtune.train.log import read_log

    logs = [(name, label, read_log(folder / "log.jsonl")) for name, label, folder in folders]
    specs = (
        ("loss", "Loss while training", "loss", 1.0),
        ("accuracy", "Pairs whose chosen answer is preferred", "share of pairs, %", 100.0),
    )
    curves = [
        Curve(
            title=title,
            x_label="step",
            y_label=y_label,
            scale=scale,
            series=tuple(
                CurveSeries(label=label, model=name, points=points)
                for name, label, log in logs
                if (points := _points(log, metric))
            ),
        )
        for metric, title, y_label, scale in specs
    ]
    return tuple(curve for curve in curves if curve.series)


def _points(log: Sequence[dict[str, float]], metric: str, most: int = 60) -> tuple[CurvePoint, ...]:
    """At most `most` points, each the mean over as many steps."""
    rows = [line for line in log if metric in line]
    width = max(1, -(-len(rows) // most))
    groups = [rows[i : i + width] for i in range(0, len(rows), width)]
    return tuple(
        CurvePoint(x=group[-1]["step"], y=sum(row[metric] for row in group) / len(group))
        for group in groups
    )
