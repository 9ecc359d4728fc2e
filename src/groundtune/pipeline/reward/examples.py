"""A reward model's examples as tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.pipeline.reward.data import AnswerPair, Example, RewardData
from groundtune.pipeline.reward.judging import RewardRequests, encode_judged
from groundtune.pipeline.reward.settings import RewardSettings
from groundtune.protocols import Images, Progress

if TYPE_CHECKING:
    from groundtune.train.judged import ComparisonExamples, Judged, Marks
    from groundtune.vlm.load import Vlm


def encode_examples(
    settings: RewardSettings,
    vlm: "Vlm",
    data: RewardData,
    judging: RewardRequests,
    progress: Progress,
) -> "ComparisonExamples | Marks":
    """Return the learnt examples as tokens.

    Raises:
        UserError: an example can't be used, unless skip_bad; or none can.
    """
    from groundtune.train.judged import ComparisonExamples, Marks
    from groundtune.train.prompt_encoder import PromptEncoder

    judged = {key: judging.prompt(prompt) for key, prompt in data.prompts.items()}
    encoder = PromptEncoder(vlm, judged, shown_images(settings, data))
    lengths: dict[str, int] = {}
    usable: list[Judged] = []
    progress.start("encode examples", total=len(data.training))
    for example in data.training:
        try:
            if example.prompt not in lengths:
                lengths[example.prompt] = len(encoder(example.prompt).ids)
            encoded = _encode(vlm, example, data, judging)
            _check_fits(encoded, lengths[example.prompt], settings, vlm.max_tokens)
            usable.append(encoded)
        except UserError as error:
            if not settings.skip_bad:
                raise UserError(
                    error.what, f"example {example.key}, {error.where}", error.fix
                ) from error
            data.left_out[error.what] = data.left_out.get(error.what, 0) + 1
        progress.advance()
    if not usable:
        raise UserError(
            f"None of the {len(data.training)} examples can be used.",
            str(settings.feedback),
            f"The first problem: {next(iter(data.left_out), '')}",
        )
    if settings.learn == "words":
        return Marks(usable, encoder, lengths.__getitem__)
    examples = ComparisonExamples(usable, encoder, lengths.__getitem__)
    examples.readout = settings.readout
    return examples


def shown_images(settings: RewardSettings, data: RewardData) -> Images:
    """Return the images that the reward model sees."""
    if not settings.judging.hide_image:
        return data.folder.images
    from groundtune.methods.pairwise import View
    from groundtune.train.views import ViewedImages

    return ViewedImages(data.folder.images, View("blank", "blank"), 0)


def _encode(vlm: "Vlm", example: Example, data: RewardData, judging: RewardRequests) -> "Judged":
    from groundtune.engine.changed_tokens import changed_tokens
    from groundtune.train.judged import ComparedAnswers, MarkedAnswer

    prompt, twice = data.prompts[example.prompt], judging.settings.read_twice
    if isinstance(example, AnswerPair):
        better, worse = (
            encode_judged(vlm, text, judging.request(prompt, text), twice=twice)
            for text in (example.better, example.worse)
        )
        return ComparedAnswers(example.key, example.prompt, better, worse, example.tie)
    request = judging.request(prompt, example.text)
    answer = encode_judged(vlm, example.text, request, twice=twice)
    wrong = changed_tokens(answer.encoded.offsets, example.wrong)
    return MarkedAnswer(example.key, example.prompt, answer, wrong)


def _check_fits(judged: "Judged", prompt: int, settings: RewardSettings, most: int) -> None:
    longest = prompt + max(len(answer.encoded.ids) for answer in judged.answers)
    limits: Sequence[tuple[str, int]] = (
        ("max_length", settings.max_length),
        ("the model's maximum", most),
    )
    for name, limit in limits:
        if 0 < limit < longest:
            raise UserError(
                f"The example has {longest} tokens, over {name} {limit}.",
                "its prompt and answer",
                "Remove it, or leave such examples out with skip_bad=true.",
            )
    together = prompt + sum(len(answer.encoded.ids) for answer in judged.answers)
    if together > settings.micro_tokens:
        raise UserError(
            f"The example needs {together} tokens in one forward pass, over micro_tokens "
            f"{settings.micro_tokens}.",
            "its prompt and answers",
            "Raise micro_tokens, or leave such examples out with skip_bad=true.",
        )
