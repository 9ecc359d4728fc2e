"""Ask a labeler which different replacements of two people claim the same.

Each replacement is divided into claims within its answer, and the labeler is asked about them. What
it says goes into the project, a batch at a time: a command that was stopped resumes, and the page
of the work's quality follows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.feedback.agreement.same_claims import ReplacedPlace, claim_the_same
from groundtune.feedback.annotating import AnnotationState
from groundtune.feedback.claims import by_answer, claims_of
from groundtune.feedback.conquer import conquer
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.quality.item_sums import replacements
from groundtune.pipeline.annotate.results import all_work
from groundtune.pipeline.feedback.claim_settings import (
    SELF,
    ClaimSettings,
    base_settings,
    open_labelling,
)
from groundtune.pipeline.feedback.claims import Labelling, labeler_producer
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress
from groundtune.recipe_loading import load
from groundtune.records import Answer, Claim, Producer, Prompt, Record
from groundtune.store.annotations.same_claims import (
    ReplacementCheck,
    add_judged,
    claim_check,
    judged_by,
    set_claim_check,
)
from groundtune.store.keys import key_of

_AT_ONCE = 32
"""Places judged between two writes: what a kill loses at the most."""
_BY = Producer(kind="person", name="people")


class ClaimCheckResult(Record):
    """What became of the places that two people replaced."""

    labeler: str
    divider: str
    equal_texts: int
    """Places where both wrote the same: nothing to ask."""
    same: int
    """Places where they wrote different things that claim the same,"""
    different: int
    """and where they don't."""
    unclear: int
    """Places that can't be judged."""
    asked_now: int
    """Places that this run asked about."""


class _Place(NamedTuple):
    """A place with its prompt."""

    prompt: Prompt
    place: ReplacedPlace

    @property
    def answers(self) -> tuple[Answer, Answer]:
        """Both texts as answers to the prompt."""
        first, second = (
            Answer(
                key=key_of("replaced", self.prompt.key, text),
                prompt=self.prompt.key,
                text=text,
                producer=_BY,
            )
            for text in self.place.texts
        )
        return first, second


def check_replacements(
    project: Project,
    overrides: Sequence[str],
    progress: Progress,
    *,
    options: Mapping[str, object] | None = None,
) -> ClaimCheckResult:
    """Judge the replacements of two people that weren't judged yet, and keep who judges.

    `overrides` are key=value settings of `ClaimSettings`, `options` the same as data; without any,
    those of the project's last check hold.

    Raises:
        UserError: no labeler is named, or it can't be loaded or reached; or people's replacements
            differ nowhere.
    """
    equal, places = _places(project)
    if not places:
        raise UserError(
            "No two people replaced the same place by different texts: there is nothing to ask.",
            project.where,
            "Look again when several people have corrected the same answers (overlap=0.2).",
        )
    project.bring_images(each.prompt for each in places.values())
    with TemporaryDirectory(prefix="groundtune-claims-") as temporary:
        folder = _folder(Path(temporary), project, list(places.values()))
        settings = _settings(project, folder, overrides, options or {})
        progress.start(f"load {settings.labeler}")
        with open_labelling(settings, folder) as labelling:
            check = _check_of(settings, labelling)
            verdict_of, questions = _judge_missing(project, check, places, labelling, progress)
    verdicts = [verdict_of[key] for key in places]
    return ClaimCheckResult(
        labeler=settings.labeler,
        divider=settings.divider,
        equal_texts=equal,
        same=verdicts.count(True),
        different=verdicts.count(False),
        unclear=verdicts.count(None),
        asked_now=questions,
    )


def _judge_missing(
    project: Project,
    check: ReplacementCheck,
    places: Mapping[str, _Place],
    labelling: Labelling,
    progress: Progress,
) -> tuple[dict[str, bool | None], int]:
    """Return what the check says of the places, by key, and about how many it had to be asked."""
    with project.database.writing() as connection:
        set_claim_check(connection, check)
        verdicts = judged_by(connection, check.by)
    missing = [key for key in places if key not in verdicts]
    progress.start("check replacements", total=len(missing))
    for start in range(0, len(missing), _AT_ONCE):
        some = {key: places[key] for key in missing[start : start + _AT_ONCE]}
        judged = judge(some, labelling)
        with project.database.writing() as connection:
            add_judged(connection, check.by, judged)
        verdicts |= judged
        progress.advance(len(some))
    return verdicts, len(missing)


def judge(places: Mapping[str, _Place], labelling: Labelling) -> dict[str, bool | None]:
    """Return whether the two replacements of each place claim the same, by the places' keys."""
    answers = {
        each.key: (place.prompt, each) for place in places.values() for each in place.answers
    }
    prompts = [prompt for prompt, _ in answers.values()]
    texts = [answer for _, answer in answers.values()]
    divider, by = labelling.divider, labeler_producer(labelling)
    statements = divider.divide(prompts, texts)
    divided = [
        claim
        for answer, answer_statements in zip(texts, statements, strict=True)
        for claim in claims_of(answer, answer_statements, divider.producer())
    ]
    about = {key: prompt for key, (prompt, _) in answers.items()}
    claims = by_answer(conquer(divided, about, labelling.labeler, by, labelling.asking).claims)
    return {key: _same(each, claims) for key, each in places.items()}


def _same(each: _Place, claims: Mapping[str, Sequence[Claim]]) -> bool | None:
    first, second = (claims[answer.key] for answer in each.answers)
    return claim_the_same(each.place, first, second)


def _places(project: Project) -> tuple[int, dict[str, _Place]]:
    """How often two people wrote the same, and the places where they didn't, by key."""
    work = all_work(project)
    states: dict[str, list[AnnotationState]] = {}
    for (key, person), state in work.states.items():
        if state.progress == "done" and work.settled.get(key) != person:
            states.setdefault(key, []).append(state)
    equal, places = 0, dict[str, _Place]()
    for key, states_of_item in states.items():
        item = work.items[key]
        for place in replacements(item, states_of_item):
            if place is None:
                equal += 1
            else:
                places[place.key(item.prompt.key)] = _Place(item.prompt, place)
    return equal, places


def _folder(path: Path, project: Project, places: Sequence[_Place]) -> RunFolder:
    """A folder of the texts, for the divider and the labeler to be opened over."""
    folder = RunFolder(path)
    prompts = {each.prompt.key: each.prompt for each in places}
    folder.take_prompts(RunFolder(project.path), prompts.values())
    answers = {answer.key: answer for each in places for answer in each.answers}
    folder.answers.append(list(answers.values()))
    return folder


def _settings(
    project: Project, folder: RunFolder, overrides: Sequence[str], options: Mapping[str, object]
) -> ClaimSettings:
    with project.database.reading() as connection:
        before = claim_check(connection)
    stored = {} if before is None else before.settings
    chosen = load(None, overrides, ClaimSettings, command=stored, options=options)
    if chosen.labeler == SELF:
        raise UserError(
            "No labeler is named, and people's texts are no model's.",
            project.where,
            "Add --labeler MODEL: a folder, a hub name, or openai:MODEL@URL.",
        )
    usual = {"divider": chosen.labeler, **base_settings(folder, chosen.labeler)}
    if stored.get("labeler") == chosen.labeler:
        usual |= stored
    return load(None, overrides, ClaimSettings, command=usual, options=options)


def _check_of(settings: ClaimSettings, labelling: Labelling) -> ReplacementCheck:
    by = key_of(labelling.divider.producer(), labeler_producer(labelling))
    dumped = settings.model_dump(mode="json", exclude_defaults=True)
    return ReplacementCheck(
        labeler=settings.labeler, divider=settings.divider, settings=dumped, by=by
    )
