"""What a run trains on: pairs or examples of one folder, or of several mixed by weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.pipeline.runs.overlap import evaluations_of, images_of, refuse_common
from groundtune.pipeline.train.inputs import hashes_of_data
from groundtune.pipeline.train.settings import MixedSource, TrainSettings
from groundtune.protocols import Images
from groundtune.records import Answer, Pair, Prompt
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of, seed_of
from groundtune.train.data import check_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Pairs with the prompts and images they reference."""

    pairs: list[Pair]
    prompts: Mapping[str, Prompt]
    images: Images
    hashes: Mapping[str, str]
    """Hashes of the columns of pairs and prompts, by name, and of those of the captions."""
    anchor: "TrainingData | None" = None
    """The captions of the anchor, as pairs of equal sides."""


@dataclass(frozen=True, slots=True)
class SeveralStores:
    """`Images` of several folders."""

    stores: Sequence[ImageStore]

    def open(self, sha256: str) -> Image.Image:
        """Return the image. Raises UserError if no folder has it, or it is damaged."""
        there = (store for store in self.stores if store.path(sha256).is_file())
        return next(there, self.stores[0]).open(sha256)


def read_pairs(settings: TrainSettings) -> TrainingData:
    """Return the pairs with their prompts and images, checked as far as possible without a model.

    Raises:
        UserError: there are no pairs, a pair can't be used, the method needs more data, or images
            of an evaluation are among those of the pairs.
    """
    sources = (MixedSource(folder=settings.pairs), *settings.mix)
    folders = [RunFolder(source.folder) for source in sources]
    pairs: list[Pair] = []
    prompts: dict[str, Prompt] = {}
    for source, folder in zip(sources, folders, strict=True):
        folder_pairs = _pairs_in(folder, settings)
        folder_prompts = folder.prompts_by_key()
        _refuse_other_prompts(prompts, folder_prompts, folder)
        prompts |= folder_prompts
        pairs += (
            weighted(folder_pairs, source.weight, settings.seed) if settings.mix else folder_pairs
        )
    method = settings.method
    if not settings.data.skip_bad:
        for pair in pairs:
            check_pair(pair, prompts, method.needs, compares=method.compares)
    has_spans = any(pair.chosen_spans or pair.rejected_spans for pair in pairs)
    if "changed_spans" in method.needs and not has_spans:
        raise UserError(
            f"The method {method.type} needs changed spans, but no pair has any.",
            str(folders[0].pairs.path),
            "Make pairs from corrections, or train with method.type=dpo.",
        )
    for folder in folders:
        _refuse_evaluated(settings, folder, pairs, prompts)
    stores = [folder.images for folder in folders]
    anchor = _read_captions(settings, RunFolder(settings.anchor)) if settings.anchor else None
    hashes = {f"anchor {name}": each for name, each in anchor.hashes.items()} if anchor else {}
    return TrainingData(
        pairs=pairs,
        prompts=prompts,
        images=SeveralStores(stores) if len(stores) > 1 else stores[0],
        hashes=hashes_of_data(pairs, prompts) | hashes,
        anchor=anchor,
    )


def _read_captions(settings: TrainSettings, folder: RunFolder) -> TrainingData:
    """Return a folder's answers as captions."""
    pairs = _answers_in(folder)
    prompts = folder.prompts_by_key()
    if not settings.data.skip_bad:
        for pair in pairs:
            check_pair(pair, prompts, compares=False)
    _refuse_evaluated(settings, folder, pairs, prompts)
    hashes = hashes_of_data(pairs, prompts)
    return TrainingData(pairs=pairs, prompts=prompts, images=folder.images, hashes=hashes)


def weighted(pairs: Sequence[Pair], weight: float, seed: int) -> list[Pair]:
    """Return pairs so that each counts `weight` times in an epoch.

    With 2.5 each is there twice, and half of them, by the seed, once more. Copies have keys of
    their own.
    """
    whole, part = int(weight), weight - int(weight)
    order = sorted(pairs, key=lambda pair: seed_of("mix", seed, pair.key))
    more = {pair.key for pair in order[: round(part * len(order))]}
    return [
        pair if copy == 0 else pair.model_copy(update={"key": f"{pair.key}+{copy}"})
        for pair in pairs
        for copy in range(whole + (pair.key in more))
    ]


def example_pair(answer: Answer, prompt: Prompt | None) -> Pair:
    """Return an answer to learn as a pair: both sides are this answer."""
    pair = Pair(
        key=key_of("example pair", answer.key),
        prompt=answer.prompt,
        chosen=answer.text,
        rejected=answer.text,
        origin="dataset",
        parents=(answer.key,),
    )
    return pair.model_copy(update={"source": prompt.source}) if prompt else pair


def _pairs_in(folder: RunFolder, settings: TrainSettings) -> list[Pair]:
    """Return a folder's pairs; if it has none and the method compares none, its answers."""
    if settings.method.compares or folder.pairs.parts():
        return read_some(folder.pairs)
    return _answers_in(folder)


def _answers_in(folder: RunFolder) -> list[Pair]:
    """Return a folder's answers as pairs of equal sides."""
    answers = folder.answers.read()
    if not answers:
        raise UserError(
            "The folder holds no answers to learn.",
            str(folder.path),
            "Give a folder that groundtune import, groundtune sample or groundtune pairs wrote.",
        )
    prompts = {prompt.key: prompt for prompt in folder.prompts.read()}
    return [example_pair(answer, prompts.get(answer.prompt)) for answer in answers]


def _refuse_other_prompts(
    prompts: Mapping[str, Prompt], folder_prompts: Mapping[str, Prompt], folder: RunFolder
) -> None:
    """Refuse two prompts of one key: the model would see the wrong one."""
    other = [
        key
        for key in folder_prompts.keys() & prompts.keys()
        if folder_prompts[key].messages != prompts[key].messages
    ]
    if other:
        raise UserError(
            f"The prompt {min(other)} is another one in an earlier folder of the mix.",
            str(folder.prompts.path),
            "Make the prompts of one of the folders again.",
        )


def _refuse_evaluated(
    settings: TrainSettings, folder: RunFolder, pairs: Sequence[Pair], prompts: Mapping[str, Prompt]
) -> None:
    """Refuse images of the evaluations that are named, or are in the folder, among the pairs'."""
    own_keys = {prompt.key for prompt in folder.prompts.read()}
    pair_prompts = (
        prompts[pair.prompt] for pair in pairs if pair.prompt in own_keys & prompts.keys()
    )
    training = images_of(pair_prompts, folder.images)
    for evaluation in evaluations_of(folder.path, settings.evaluations):
        refuse_common(
            training,
            evaluation,
            where=str(folder.path),
            setting="allow_evaluation_images=true",
            allowed=settings.allow_evaluation_images,
        )
