"""Does a model use facts: yes/no answers by facts alone, by the image, by both, by false facts.

The questions are about the scene, half of them answered by yes: objects that are there, as many
that are not (random, popular and adversarial ones in turn), and one number, colour or place. The
true answer is always the scene's, also with another scene's facts. Intervals resample scenes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from groundtune.bench.stats.means import mean_interval
from groundtune.bench.world.images import add_image, sets_of, split_scenes
from groundtune.bench.world.questions import existence_question
from groundtune.bench.world.sampling import SETTINGS, draw
from groundtune.pipeline.feedback.splitter import Share
from groundtune.pipeline.models.generators import close, open_generator
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress, YesNo, YesNoReply
from groundtune.records import ImagePart, Message, Part, Prompt, Record, TextPart
from groundtune.store.keys import key_of, seed_of
from groundtune.store.lock import one_writer
from groundtune.world.lessons import stated
from groundtune.world.questions import SUFFIX, Question, ask_attribute, facts
from groundtune.world.scenes import Difficulty, Scene

Shown = Literal["facts", "image", "both", "another scene's facts"]
SHOWN: tuple[Shown, ...] = ("facts", "image", "both", "another scene's facts")
"""What a question comes with; another scene's facts come with the image."""


class FactStudy(ModelSettings):
    """Settings of the study."""

    scenes: int = Field(default=100, ge=2)
    difficulty: Difficulty = "clear"
    seed: int = 0


class FactAnswers(Record):
    """A model's yes/no answers to the same questions, by what came with them."""

    shown: Shown
    questions: int
    scenes: int
    right: Share
    """Share of right answers; no answer is a wrong one."""
    objects: Share
    """The same of questions on whether an object is there."""
    attributes: Share
    """The same of questions on a number, a colour or a place."""
    yes: float
    """Share of answers that are yes."""
    unanswered: int
    """Questions to which yes and no together have less than half of the probability."""


class FactQuestion(NamedTuple):
    """A question about a scene."""

    scene: Scene
    question: Question

    @property
    def says_yes(self) -> bool:
        """Whether the true answer is yes."""
        return self.question.answer == "yes"


@one_writer()
def study(settings: FactStudy, out: Path, progress: Progress) -> list[FactAnswers]:
    """Ask the model every question four times; its images are kept in `out`.

    Raises:
        UserError: the model can't be loaded or reached, or gives no probabilities.
    """
    images = RunFolder(out).images
    some_scenes = split_scenes("development", settings.scenes, difficulty=settings.difficulty)
    hashes = {scene.key: add_image(scene, images) for scene in some_scenes}
    fact_questions = questions(some_scenes, settings.seed)
    facts_of = facts_shown(some_scenes, settings.seed)
    model = open_generator(settings, images)
    rows: list[FactAnswers] = []
    try:
        for kind in SHOWN:
            lines = facts_of if kind != "another scene's facts" else another(facts_of)
            prompts = [
                _prompt(each, kind, hashes, lines[each.scene.key]) for each in fact_questions
            ]
            rows.append(_answered(kind, fact_questions, _replies(model, prompts, kind, progress)))
    finally:
        close([model])
    return rows


def questions(scenes: Sequence[Scene], seed: int) -> list[FactQuestion]:
    """Objects of each scene, as many absent ones of POPE's three kinds, and one attribute."""
    samples = draw(sets_of(scenes), seed=seed)
    rows: list[FactQuestion] = []
    for scene in scenes:
        present, absent = samples[scene.key]
        chosen: list[str] = []
        for place in range(len(present)):
            kind = SETTINGS[place % len(SETTINGS)]
            chosen += [name for name in absent[kind] if name not in chosen][:1]
        names = [*present, *chosen]
        rows += [FactQuestion(scene, existence_question(scene, name, seed)) for name in names]
        rng = np.random.default_rng(seed_of("facts", seed, scene.key))
        attribute = ask_attribute(scene, rng)
        rows.append(
            FactQuestion(scene, attribute.model_copy(update={"text": attribute.text + SUFFIX}))
        )
    return rows


def facts_shown(scenes: Sequence[Scene], seed: int) -> dict[str, str]:
    """The facts of each scene as the beginning of an instruction, in an order of its own."""
    facts_of: dict[str, str] = {}
    for scene in scenes:
        lines = facts(scene)
        order = np.random.default_rng(seed_of("order", seed, scene.key)).permutation(len(lines))
        facts_of[scene.key] = stated([lines[int(i)] for i in order])
    return facts_of


def another(facts_of: dict[str, str]) -> dict[str, str]:
    """The facts of the next scene for each scene."""
    keys = list(facts_of)
    return {key: facts_of[keys[(i + 1) % len(keys)]] for i, key in enumerate(keys)}


def _prompt(question: FactQuestion, kind: Shown, hashes: dict[str, str], lines: str) -> Prompt:
    image: tuple[Part, ...] = (ImagePart(image=hashes[question.scene.key]),)
    text = question.question.text if kind == "image" else lines + question.question.text
    content = (*(() if kind == "facts" else image), TextPart(text=text))
    messages = (Message(role="user", content=content),)
    return Prompt(key=key_of("world-facts", messages), messages=messages)


def _replies(
    model: YesNo, prompts: Sequence[Prompt], kind: Shown, progress: Progress
) -> list[YesNoReply]:
    """Ask in batches, so that the progress moves."""
    progress.start(f"questions with {kind}" if kind != "facts" else "questions by facts")
    replies: list[YesNoReply] = []
    for start in range(0, len(prompts), 64):
        replies += model.yes_no(prompts[start : start + 64])
        progress.advance(len(replies) - start)
    return replies


def _answered(
    kind: Shown, fact_questions: Sequence[FactQuestion], replies: Sequence[YesNoReply]
) -> FactAnswers:
    right = [
        reply.is_answer() and (reply.p_yes > reply.p_no) == each.says_yes
        for each, reply in zip(fact_questions, replies, strict=True)
    ]
    of_objects = [each.question.kind == "existence" for each in fact_questions]
    groups = [each.scene.key for each in fact_questions]
    yes = [reply.p_yes > reply.p_no for reply in replies if reply.is_answer()]
    return FactAnswers(
        shown=kind,
        questions=len(fact_questions),
        scenes=len(set(groups)),
        right=share(right, groups),
        objects=_part(right, groups, of_objects, objects=True),
        attributes=_part(right, groups, of_objects, objects=False),
        yes=round(float(np.mean(yes)), 4) if yes else 0.0,
        unanswered=len(replies) - len(yes),
    )


def share(hits: Sequence[bool], groups: Sequence[str]) -> Share:
    """A share with its 95% interval; a group's are drawn together."""
    mean = mean_interval([float(hit) for hit in hits], groups, share=True)
    return Share(*(round(value, 4) for value in mean))


def _part(
    right: Sequence[bool], groups: Sequence[str], of_objects: Sequence[bool], *, objects: bool
) -> Share:
    places = [i for i, is_object in enumerate(of_objects) if is_object == objects]
    return share([right[i] for i in places], [groups[i] for i in places])
