"""Labelers that are no vision-language models, by their names in settings.

world:truth          the truth of a prompt source
annotations:PATH     people's annotations, read by rules or by a model
detector:MODEL       an object detector
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.feedback.annotation_labeler import GREEDY, AnnotationLabeler, images_of
from groundtune.pipeline.models.prompt_sources import named_in, truth_scorer
from groundtune.protocols import Generator, NamedYesNo
from groundtune.records import Producer, Prompt, Sampling

if TYPE_CHECKING:
    from groundtune.store.images import ImageStore

TRUTH = "truth"
ANNOTATIONS, DETECTOR = "annotations:", "detector:"


def is_oracle(name: str) -> bool:
    """Whether a labeler's name is none of a model."""
    if name.startswith((ANNOTATIONS, DETECTOR)):
        return True
    source = named_in(name)
    return source is not None and name == f"{source.name}:{TRUTH}"


def open_oracle(
    name: str,
    images: "ImageStore",
    prompts: Sequence[Prompt],
    *,
    device: str = "auto",
    reader: Callable[[], Generator | None] = lambda: None,
    reading: Sampling = GREEDY,
) -> NamedYesNo:
    """Return the labeler of a name for which `is_oracle` holds.

    `reader` opens the model that reads annotations, if one does; `reading` is how it replies.

    Raises:
        UserError: the source does not know the truth, or not of these prompts; annotations or a
            detector that can't be used.
    """
    kind, _, rest = name.partition(":")
    if name.startswith(DETECTOR):
        from groundtune.pipeline.feedback.detector import open_detector

        return open_detector(rest, images, device)
    if name.startswith(ANNOTATIONS):
        return _annotated(Path(rest), prompts, images, reader(), reading)
    source = named_in(name)
    assert source is not None
    if source.oracle is None:
        raise UserError(
            f"The prompt source {kind} doesn't answer questions by its truth.",
            name,
            "Name a model as the labeler.",
        )
    if any(prompt.source.dataset != source.dataset for prompt in prompts):
        truth_scorer(None, name, "Name a model as the labeler")
    return source.oracle(images, prompts)


def _annotated(
    path: Path,
    prompts: Sequence[Prompt],
    images: "ImageStore",
    reader: Generator | None,
    reading: Sampling,
) -> NamedYesNo:
    from groundtune.interchange.annotations import read_annotations
    from groundtune.store.keys import key_of

    annotations = read_annotations(path)
    by_sha256 = images_of(annotations, prompts, images, str(path))
    contents = {
        sha: [[*each] for each in (*annotation.regions, *annotation.objects)]
        + [annotation.captions]
        for sha, annotation in by_sha256.items()
    }
    by = Producer(kind="rule", name=f"{ANNOTATIONS}{path.name}", revision=key_of(contents)[:12])
    return AnnotationLabeler(by_sha256, frozenset(annotations.classes), by, reader, reading)
