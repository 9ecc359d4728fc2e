"""What a run needs before its first step: prompts, held-out prompts, and the reference's answers.

The reference is the policy before training. Its greedy answer to a prompt says how long an answer
should be and what can be said; all that is kept in the run's folder and done once.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer
from groundtune.feedback.find_task import find_prompts as find_tasks
from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.feedback.claims import Labelling, label_claims
from groundtune.pipeline.feedback.verdicts import require_verdicts
from groundtune.pipeline.models.prompt_sources import named_in, requested
from groundtune.pipeline.rl.claims import FirstAnswer, reference_of
from groundtune.pipeline.rl.metrics import scores_of
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.pipeline.runs.overlap import evaluations_of, images_of, refuse_common
from groundtune.pipeline.runs.resume import has_answers
from groundtune.pipeline.sample.run import SampleSettings, draw_answers, find_prompts
from groundtune.protocols import Progress
from groundtune.recipe_loading import load
from groundtune.records import Prompt
from groundtune.store.dataset import RecordSet
from groundtune.store.files import remove_folder
from groundtune.store.keys import key_of

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

LARGEST_SHARE = 0.25
"""Of the prompts of a file, the largest share that is held out."""


def with_claims_of_source(settings: RLSettings) -> RLSettings:
    """Return the settings with how claims about a source's prompts are checked, where not set.

    The source is the prompts' (world:96), or the labeler's (world:labeler), which understands no
    other questions.
    """
    source = named_in(settings.prompts) or named_in(settings.feedback.labeler)
    if source is None:
        return settings
    explicit = settings.feedback.model_dump(exclude_unset=True)
    feedback = load(None, (), ClaimSettings, command=source.claim_settings, options=explicit)
    return settings.model_copy(update={"feedback": feedback})


def prepare_prompts(settings: RLSettings, out: Path, progress: Progress) -> None:
    """Put the prompts to learn from and those that are held out into `out`.

    They are read again until a model has answered: the settings may have been corrected.

    Raises:
        UserError: the prompts can't be read, or none is left.
    """
    folder, held_out = RunFolder(out), held_out_prompts(out)
    if folder.prompts.parts() and has_answers(out):
        return
    for path in (folder.prompts.path, held_out.path, out / "asked", scores_of(out).path):
        remove_folder(path)
    request = None if settings.task == "find" else requested(settings.prompts)
    if request is not None:
        if settings.held_out:
            held_out.add(
                request.source.prompts(
                    folder.images, settings.held_out, progress, part="choosing", seed=0
                )
            )
        learning = request.source.prompts(
            folder.images, request.number, progress, part="learning", seed=settings.seed
        )
        folder.prompts.add(learning)
        return
    source_folder = RunFolder(out / "asked")
    if settings.task == "find":
        source = RunFolder(Path(settings.prompts))
        prompts = find_tasks(read_some(source.corrections), source.prompts_by_key())
        source_folder.take_prompts(source, prompts)
    else:
        prompts = find_prompts(settings.part(SampleSettings), source_folder, progress).prompts
    kept_back = _held_back(settings, prompts)
    learning = [prompt for prompt in prompts if prompt.key not in kept_back]
    if not learning:
        raise UserError(
            f"Of {len(prompts)} prompts none is left to learn from.",
            settings.prompts or settings.images,
            "Give more prompts (task=find: corrections with replaced words), or set held_out=0.",
        )
    held_prompts = [prompt for prompt in prompts if prompt.key in kept_back]
    for sha256 in dict.fromkeys(image for prompt in held_prompts for image in prompt.images):
        folder.images.add(source_folder.images.path(sha256))
    held_out.add(held_prompts)
    folder.take_prompts(source_folder, learning)


def refuse_evaluation_images(settings: RLSettings, out: Path) -> None:
    """Refuse images to learn from that are held out or of an evaluation, or that look like one.

    Raises:
        UserError: there are such images, and `allow_evaluation_images` is false.
    """
    folder = RunFolder(out)
    training = images_of(folder.prompts.read(), folder.images)
    held_out = images_of(held_out_prompts(out).read(), folder.images)
    for evaluation in (held_out, *evaluations_of(out, settings.evaluations)):
        refuse_common(
            training,
            evaluation,
            where=settings.prompts or settings.images,
            setting="allow_evaluation_images=true",
            allowed=settings.allow_evaluation_images,
        )


def held_out_prompts(out: Path) -> RecordSet[Prompt]:
    """Return the prompts of a run that are never learnt from; their images are in OUT/images."""
    return RecordSet(out / "held-out", Prompt)


def _held_back(settings: RLSettings, prompts: list[Prompt]) -> set[str]:
    """Return the keys of the prompts that are held out: all prompts of an image, or none."""
    most = min(settings.held_out, int(len(prompts) * LARGEST_SHARE))
    groups: dict[tuple[str, ...], list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.images, []).append(prompt)
    keys: set[str] = set()
    for images in sorted(groups, key=lambda images: key_of("held out", settings.seed, images)):
        if len(keys) + len(groups[images]) <= most:
            keys |= {prompt.key for prompt in groups[images]}
    return keys


def ask_reference(settings: RLSettings, vlm: "Vlm", out: Path, progress: Progress) -> None:
    """Draw the greedy answers of the model before training to the prompts to learn from.

    Answers that are refused are removed: the run can then be corrected in the same folder.

    Raises:
        UserError: an image is unreadable, or no answer ends by itself.
    """
    from groundtune.generate.hf import HfGenerator

    folder = RunFolder(out)
    greedy = settings.sampling.model_copy(update={"temperature": 0.0})
    sampling = settings.part(SampleSettings, n=1, sampling=greedy)
    generator = HfGenerator(vlm, folder.images, settings.batch_size, name=settings.model)
    draw_answers(generator, read_some(folder.prompts), folder, progress, sampling)
    answers = read_some(folder.answers)
    if all(answer.finish == "length" for answer in answers):
        remove_folder(folder.answers.path)
        raise UserError(
            f"None of {len(answers)} answers ends within {greedy.max_new_tokens} tokens.",
            settings.model,
            "Raise sampling.max_new_tokens, or use a model that was taught to end its answers.",
        )
    if all(not answer.text for answer in answers):
        remove_folder(folder.answers.path)
        raise UserError(
            f"All of {len(answers)} answers are empty.",
            settings.model,
            "Use a model that answers these prompts: groundtune sample shows what it says.",
        )


def check_reference(
    settings: RLSettings, folder: RunFolder, labelling: Labelling, progress: Progress
) -> None:
    """Check the claims of the reference's answers.

    Raises:
        UserError: none could be checked.
    """
    feedback = settings.feedback
    summary = label_claims(folder.path, folder.path, labelling, progress)
    require_verdicts(summary, feedback.labeler, feedback.divider, folder.path)


def references_of(settings: RLSettings, folder: RunFolder) -> dict[str, FirstAnswer]:
    """Return what the reference says to each prompt, once that is checked."""
    claims = by_answer(folder.claims.read())
    return {
        answer.prompt: reference_of(answer.text, claims.get(answer.key, ()), settings.rewards.kinds)
        for answer in folder.answers.read()
    }
