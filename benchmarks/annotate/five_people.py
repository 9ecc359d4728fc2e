"""Five simulated people correct 1,400 answers: do the app's figures contain the truth?

    python -m benchmarks.annotate.five_people                     one project, through the app
    python -m benchmarks.annotate.five_people --draws 40          and 40 more without a database

A fifth of the answers is for two people, a twentieth of each one's work has a known result. The
truth of a figure is its value over many other answers that all five correct, all pairs of them; it
has an interval too, which must be narrow next to the app's. Each line is a figure: the app's value
and interval, the truth, and in how many of all draws the app's interval contained it.
"""

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from groundtune.feedback.agreement.alpha import Sums, added
from groundtune.feedback.annotating import AnnotationState, replay
from groundtune.pipeline.annotate.project import open_project
from groundtune.pipeline.annotate.quality.estimates import QualityFigure, figures
from groundtune.pipeline.annotate.quality.item_sums import item_sums
from groundtune.pipeline.annotate.quality.live import LiveQuality
from groundtune.pipeline.annotate.quality.summary import AGREEMENT, GOLD, SECONDS, TaskQuality
from groundtune.pipeline.annotate.quality.table import SumRows
from groundtune.pipeline.annotate.quality.wrong import wrong_answers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, Correction, Message, Producer, Prompt, Source, TextPart
from groundtune.store.annotations.records import AnnotationItem, Event, KnownResult, PutSpan, Submit
from groundtune.store.keys import key_of
from groundtune.world import DATASET
from groundtune.world.captions import MACHINE, caption
from groundtune.world.scenes import scenes
from groundtune.world.simulated_people import Mistakes, SimulatedAnnotator

RATES = (0.05, 0.1, 0.15, 0.25, 0.4)
"""Each person's share of errors that they miss or fix wrongly."""
CORRECTIONS, OVERLAP, GOLD_SHARE, KNOWN = 1400, 0.2, 0.05, 80
PEOPLE = {
    f"p{number}": SimulatedAnnotator(Mistakes.of_rate(rate), seed=number)
    for number, rate in enumerate(RATES)
}
EXPERT = SimulatedAnnotator()
FIRST_SCENE = 500_000


class Asked(NamedTuple):
    """An answer about a scene."""

    prompt: Prompt
    answer: Answer


def asked(start: int, number: int) -> list[Asked]:
    """Captions of scenes by a writer who invents; nobody needs the images here."""
    made: list[Asked] = []
    for scene in scenes("train", number, start=FIRST_SCENE + start):
        text = caption(scene, np.random.default_rng([scene.seed, 7]), MACHINE)
        messages = (Message(role="user", content=(TextPart(text="Describe the image."),)),)
        prompt = Prompt(
            key=key_of("five people", scene.key),
            messages=messages,
            source=Source(dataset=DATASET, row=scene.key),
        )
        key = key_of("answer", prompt.key, text)
        by = Producer(kind="model", name="writer")
        made.append(Asked(prompt, Answer(key=key, prompt=prompt.key, text=text, producer=by)))
    return made


def events_of(item: str, found: Correction, prefix: str) -> list[Event]:
    """What the page would send."""
    bodies: list[PutSpan | Submit] = [
        PutSpan(
            id=f"span-{number:05d}",
            start=span.start,
            end=span.end,
            text=found.text[span.start : span.end],
            kind=span.kind,
            label=span.kind,
            replacement=span.replacement,
        )
        for number, span in enumerate(found.spans)
    ]
    last = len(bodies)
    return [
        Event(
            id=f"{prefix}-{number}",
            item=item,
            body=body,
            at=0.0,
            active_s=(found.seconds or 0.0) if number == last else 0.0,
        )
        for number, body in enumerate([*bodies, Submit()])
    ]


def item_of(each: Asked, known: Correction | None = None) -> AnnotationItem:
    """An item, with the expert's result where it is known."""
    spans = None if known is None else KnownResult(spans=known.spans)
    return AnnotationItem(
        key=f"item-{each.answer.key}", prompt=each.prompt, answers=(each.answer,), known=spans
    )


def state_of(person: str, each: Asked) -> AnnotationState:
    """A person's finished correction."""
    return replay(events_of("item", PEOPLE[person].correct(each.prompt, each.answer), "event-00"))


class Tables:
    """The rows that the app keeps, without a database."""

    def __init__(self) -> None:
        self.agreement, self.items = SumRows(), SumRows()
        self.people: dict[str, SumRows] = defaultdict(SumRows)

    def put(self, item: AnnotationItem, states: Mapping[str, AnnotationState]) -> None:
        """Take the work on an item."""
        sums = item_sums(item, states)
        self.agreement.put(item.key, sums.agreement)
        self.items.put(item.key, added(list(sums.people.values())))
        for person, own in sums.people.items():
            self.people[person].put(item.key, own)

    def figures(self) -> dict[str, QualityFigure]:
        """The figures of all, and of each person."""
        found = [*figures(AGREEMENT, self.agreement.columns())]
        found += figures((*GOLD, SECONDS), self.items.columns())
        wrong = wrong_answers(self.items, {})
        named = {each.name: each for each in [*found, *([wrong] if wrong else [])]}
        for person, rows in self.people.items():
            own = figures((*GOLD, SECONDS), rows.columns())
            named |= {f"{person} {each.name}": each for each in own}
        return named


def truths(number: int) -> dict[str, QualityFigure]:
    """Each figure over answers that all five correct, with the expert's result known."""
    tables, agreement = Tables(), SumRows()
    for each in asked(0, number):
        states = {person: state_of(person, each) for person in PEOPLE}
        known = EXPERT.correct(each.prompt, each.answer)
        plain = item_of(each)
        tables.put(item_of(each, known), states)
        pairs: list[Sums] = []
        for pair in combinations(PEOPLE, 2):
            pairs.append(item_sums(plain, {person: states[person] for person in pair}).agreement)
        agreement.put(plain.key, added(pairs))
        tables.items.put(
            f"{plain.key} plain", added(list(item_sums(plain, states).people.values()))
        )
    found = {each.name: each for each in figures(AGREEMENT, agreement.columns())}
    return tables.figures() | found


def drawn(seed: int) -> dict[str, QualityFigure]:
    """One project without a database: the same work, and the same figures."""
    rng = random.Random(seed)
    known = [(each, EXPERT.correct(*each)) for each in asked(1_000_000 + seed * 10_000, KNOWN)]
    golds: dict[str, dict[str, AnnotationState]] = defaultdict(dict)
    tables, done = Tables(), 0
    number = round(CORRECTIONS * (1 - GOLD_SHARE) / (1 + OVERLAP))
    for each in asked(1_000_000 + seed * 10_000 + 5_000, number):
        chosen = rng.sample(list(PEOPLE), 1 + (rng.random() < OVERLAP))
        tables.put(item_of(each), {person: state_of(person, each) for person in chosen})
        done += len(chosen)
        for person in chosen:
            if rng.random() < GOLD_SHARE / (1 - GOLD_SHARE):
                left = [n for n in range(KNOWN) if person not in golds[str(n)]]
                place = rng.choice(left)
                golds[str(place)][person] = state_of(person, known[place][0])
    for place, states in golds.items():
        tables.put(item_of(*known[int(place)]), states)
    return tables.figures()


def through_the_app(seed: int, folder: Path) -> dict[str, QualityFigure]:
    """One project with its database, leases, gold and overlap."""
    number = round(CORRECTIONS * (1 - GOLD_SHARE) / (1 + OVERLAP))
    _write(folder / "run", asked(2_000_000 + seed * 10_000, number))
    _write(folder / "known", asked(2_000_000 + seed * 10_000 + 5_000, KNOWN), known=True)
    settings = {"overlap": OVERLAP, "gold": GOLD_SHARE, "order": "random", "seed": seed}
    project = open_project(folder / "project", settings)
    project.add_run(folder / "run")
    project.add_gold(folder / "known")
    for person in PEOPLE:
        project.join(person, person, "annotator")
    rng, done, began = random.Random(seed), 0, time.perf_counter()
    while done < CORRECTIONS:
        person = rng.choice(list(PEOPLE))
        work = project.next_work(person, "correct")
        if work is None:
            break
        found = PEOPLE[person].correct(work.item.prompt, work.item.answers[0])
        made = events_of(work.item.key, found, f"event-{done:06d}")
        assert not project.record(person, made).refused
        done += 1
    print(f"{done} corrections in {time.perf_counter() - began:.0f} s")
    (task,) = LiveQuality(project).now().tasks
    project.close()
    print(f"items {task.items}, by two {task.overlapping}, conflicts {task.conflicts}")
    return dict(_named(task))


def _named(task: TaskQuality) -> Iterator[tuple[str, QualityFigure]]:
    for each in (*task.agreement, *task.known, *task.effort, *([task.wrong] if task.wrong else [])):
        yield each.name, each
    for person in task.people:
        for each in person.figures:
            yield f"{person.person} {each.name}", each


def _write(path: Path, found: Sequence[Asked], *, known: bool = False) -> None:
    folder = RunFolder(path)
    folder.prompts.append([each.prompt for each in found])
    folder.answers.append([each.answer for each in found])
    if known:
        folder.corrections.append([EXPERT.correct(*each) for each in found])


def main() -> None:
    """Print a line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--truth", type=int, default=6000, help="answers that the truth is of")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    true = truths(options.truth)
    with tempfile.TemporaryDirectory() as folder:
        app = through_the_app(options.seed, Path(folder))
    draws = [app, *(drawn(options.seed + number) for number in range(options.draws))]
    for name, figure in app.items():
        if name not in true or figure.low is None or figure.high is None:
            continue
        found = [draw[name] for draw in draws if name in draw]
        right = true[name]
        inside = sum((f.low or 0) <= right.value <= (f.high or 0) for f in found)
        print(
            f"{name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, n={figure.n}), "
            f"truth {right.value:.3f} ({right.low or 0:.3f} to {right.high or 0:.3f}), "
            f"contained {inside} of {len(found)}"
        )


if __name__ == "__main__":
    main()
