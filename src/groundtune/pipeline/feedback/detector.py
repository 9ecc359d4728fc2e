"""A labeler that asks an object detector: any model of AutoModelForObjectDetection.

It knows its classes and nothing else. A question about a class that it is sure not to find is
answered no, whatever else the question says; one that asks only for the class, or for its number,
is answered by what it finds. Everything else has no answer.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.errors import UserError
from groundtune.feedback.object_words import question_of, verdict_of
from groundtune.interchange.annotations import ImageAnnotations, Region
from groundtune.protocols import NO_ANSWER, Images, YesNoReply
from groundtune.records import Producer, Prompt

SURE = 0.7
"""Score from which on an object is there."""
ABSENT = 0.2
"""Score below which it is not; between both nobody knows."""


class Detections(NamedTuple):
    """What a detector finds in an image."""

    size: tuple[int, int]
    """Width and height."""
    objects: tuple[tuple[float, Region], ...]
    """Scores, and classes with boxes in pixels."""


class Detector:
    """An object detector as a labeler."""

    def __init__(
        self, model: Any, processor: Any, images: Images, name: str, revision: str
    ) -> None:
        self.model = model
        self._processor = processor
        self._images = images
        self._name = name
        self._revision = revision
        labels = cast("dict[int, str]", model.config.id2label)
        self._labels = {int(i): str(label) for i, label in labels.items()}
        self._classes = frozenset(self._labels.values())
        self._detections_of: dict[str, Detections] = {}

    def producer(self) -> Producer:
        """The model, and the scores that decide."""
        settings = f"{self._revision}, {ABSENT:g} to {SURE:g}"
        return Producer(kind="model", name=self._name, revision=settings)

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """The detector's answers, by the score of what it finds; neither where it can't tell."""
        return [self._reply(prompt) for prompt in prompts]

    def _reply(self, prompt: Prompt) -> YesNoReply:
        question = question_of(prompt.question, self._classes)
        if question is None or not prompt.images:
            return NO_ANSWER
        objects = self._detections(prompt.images[0]).objects
        scores = [score for score, region in objects if region.phrase == question.name]
        best = max(scores, default=0.0)
        if ABSENT <= best < SURE:
            return NO_ANSWER
        so = verdict_of(question, sum(score >= SURE for score in scores))
        sure = best if best >= SURE else 1 - best
        return (
            NO_ANSWER if so is None else YesNoReply(*((sure, 1 - sure) if so else (1 - sure, sure)))
        )

    def detected(self, sha256: str) -> ImageAnnotations:
        """What is surely in an image, with boxes in pixels, the surest first."""
        size, scored = self._detections(sha256)
        ordered = sorted(scored, key=lambda each: -each[0])
        objects = [region for score, region in ordered if score >= SURE]
        return ImageAnnotations(objects=objects, size=size)

    def _detections(self, sha256: str) -> "Detections":
        """Everything found in an image, with its scores."""
        if sha256 not in self._detections_of:
            import torch

            image = self._images.open(sha256)
            inputs = self._processor(images=image, return_tensors="pt").to(self.model.device)
            with torch.inference_mode():
                output = self.model(**inputs)
            [detections] = self._processor.post_process_object_detection(
                output, threshold=0.0, target_sizes=[(image.height, image.width)]
            )
            columns = (detections[name].tolist() for name in ("scores", "labels", "boxes"))
            objects = tuple(
                (float(score), Region(self._labels[int(label)], *box))
                for score, label, box in zip(*columns, strict=True)
            )
            self._detections_of[sha256] = Detections((image.width, image.height), objects)
        return self._detections_of[sha256]


def open_detector(name: str, images: Images, device: str) -> Detector:
    """Load a detector: a folder, a name on the Hugging Face hub, or world:detector.

    Raises:
        UserError: it can't be loaded, or is none.
    """
    from groundtune.pipeline.models.names import resolve

    folder = resolve(name)
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    from groundtune.vlm.device import choose_device

    with _is_detector(name):
        processor = cast("Any", AutoImageProcessor).from_pretrained(folder)
        model = cast("Any", AutoModelForObjectDetection).from_pretrained(folder)
    model = model.eval().to(choose_device(device))
    return Detector(model, processor, images, name, _revision(folder))


def outline_detector(name: str) -> Any:
    """Return a detector's model without weights, on torch's meta device.

    Raises:
        UserError: it is none.
    """
    from groundtune.pipeline.models.names import resolve

    folder = resolve(name)
    import torch
    from transformers import AutoConfig, AutoModelForObjectDetection

    with _is_detector(name), torch.device("meta"):
        config = cast("Any", AutoConfig).from_pretrained(folder)
        return cast("Any", AutoModelForObjectDetection).from_config(config)


@contextmanager
def _is_detector(name: str) -> Generator[None]:
    """Turn transformers' errors into one that says that a name's model is no detector."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"The object detector can't be loaded: {str(error).splitlines()[0]}",
            name,
            "Give a folder or a hub name of a model for object detection, such as DETR or YOLOS.",
        ) from error


def _revision(name: str) -> str:
    from groundtune.pipeline.models.names import fingerprint
    from groundtune.vlm.revision import MAIN, commit_of

    if Path(name).is_dir():
        return fingerprint(name)
    return commit_of(name, MAIN)
