"""Folders of finished runs of align, without models."""

from collections.abc import Sequence
from pathlib import Path

from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.check.scores import BENCHMARK
from groundtune.records import Score
from groundtune.store.dataset import RecordSet
from groundtune.store.run_json import write_run


def finished(folder: Path, wrong: Sequence[float], items: int = 40, **settings: object) -> Path:
    """A run's folder: of the base and each round this share of answers has a rejected claim."""
    own = AlignSettings.model_validate(
        {"model": "m", "images": "images", "rounds": len(wrong) - 1, **settings}
    )
    write_run(folder, own.model_dump(mode="json"), {}, {"align": own.seed}, ["groundtune"])
    for number, share in enumerate(wrong):
        name = f"round-{number}" if number else "base"
        scores = [
            Score(
                key=f"{name}{i}",
                benchmark=BENCHMARK,
                item=f"p{i}",
                image=f"i{i}",
                model=name,
                values={
                    "claims": 4,
                    "rejected_claims": float(i < share * items),
                    "rejected": float(i < share * items),
                    "supported_claims": 4 - float(i < share * items),
                    "silent": 0,
                    "words": 30,
                },
            )
            for i in range(items)
        ]
        RecordSet(folder / "evaluation" / name / "scores", Score).append(scores)
    return folder
