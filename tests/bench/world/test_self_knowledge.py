"""Does a model know better than it says, and does it invent what tends to be there?"""

from pathlib import Path

import numpy as np
import pytest
from bench_writers import machine, truthful, writer

from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.summary import all_estimates
from groundtune.bench.world.captions import load, score_caption
from groundtune.bench.world.images import find_scene
from groundtune.bench.world.self_knowledge import NAME, knowledge, rates_by_prior
from groundtune.cli.progress import SilentProgress
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.records import Estimate, Prompt, Score
from groundtune.store.images import ImageStore
from groundtune.world.captions import MACHINE


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    images = ImageStore(tmp_path_factory.mktemp("images"))
    return [
        item for item in load(ItemSelection(n=150), images) if item.benchmark == "world-captions"
    ]


def captions(items: list[Item], model: ScriptedGenerator) -> list[Score]:
    return [
        score_caption(
            find_scene(item.image),
            item,
            ItemAnswer(text=model.answer(item.prompt, 1), model=model.name),
        )
        for item in items
    ]


def ask(items: list[Item], model: ScriptedGenerator) -> list[Score]:
    return knowledge(captions(items, model), items, model, SilentProgress())


def found(scores: list[Score]) -> dict[str, Estimate]:
    return {made.metric: made for made in all_estimates(scores)}


def test_one_who_sees_but_talks_too_freely_denies_all_that_it_invents(items: list[Item]):
    made = found(ask(items, machine()))
    assert made["knows_better"].value == 1
    assert 0.9 < made["knows_better"].low < 1
    assert made["control"].value == 1
    assert made["in_context"].value > 0.85
    assert made["knows_better"].benchmark == f"{NAME}/greedy"


def test_one_who_says_yes_to_everything_denies_nothing(items: list[Item]):
    made = found(ask(items, writer(MACHINE, name="yes", yes=0.9)))
    assert (made["knows_better"].value, made["control"].value) == (0, 1)


def test_one_who_says_no_to_everything_is_found_out_by_the_control(items: list[Item]):
    made = found(ask(items, writer(MACHINE, name="no", yes=0.1)))
    assert (made["knows_better"].value, made["control"].value) == (1, 0)


def test_a_tie_of_yes_and_no_is_no_affirmation(items: list[Item]):
    made = found(ask(items, writer(MACHINE, name="tie", yes=0.5)))
    assert made["control"].value == 0


def test_a_machine_writers_inventions_grow_with_the_prior(items: list[Item]):
    made = found(ask(items, machine()))
    assert made["prior_slope"].low > 0.3
    assert made["prior_logit"].low > 1
    rates = rates_by_prior(captions(items, machine()))
    assert [rate.prior for rate in rates] == sorted(rate.prior for rate in rates)
    assert rates[0].value < 0.1 < rates[-1].value
    assert all(0 <= rate.low <= rate.value <= rate.high <= 1 for rate in rates)


def test_one_who_invents_nothing_has_nothing_to_know_better(items: list[Item]):
    made = found(ask(items, truthful()))
    assert "knows_better" not in made
    assert "prior_logit" not in made
    assert made["prior_slope"].value == 0


def test_slopes_are_those_of_a_fit_by_another_hand(items: list[Item]):
    scores = ask(items, machine())
    rates = rates_by_prior(scores)
    prior = np.repeat([rate.prior for rate in rates], [rate.n for rate in rates])
    hit = np.concatenate([np.arange(rate.n) < round(rate.value * rate.n) for rate in rates])
    slope = np.polyfit(prior, hit.astype(float), 1)[0]
    made = found(scores)
    assert made["prior_slope"].value == pytest.approx(slope)
    from scipy.optimize import minimize

    def loss(theta: np.ndarray) -> float:
        logit = theta[0] + theta[1] * prior
        return float(np.sum(np.logaddexp(0, logit) - hit * logit))

    assert made["prior_logit"].value == pytest.approx(minimize(loss, [0, 0]).x[1], abs=1e-2)


def test_questions_are_about_the_captions_own_images(items: list[Item], tmp_path: Path):
    asked = []

    def p_yes(prompt: object) -> float:
        asked.append(prompt)
        return 1.0

    model = machine()
    model.p_yes = p_yes
    knowledge(captions(items[:3], model), items, model, SilentProgress())
    assert {p.images for p in asked} == {item.prompt.images for item in items[:3]}
    assert len({p.key for p in asked}) == len(asked)


@pytest.mark.parametrize("broken", [float("nan"), 2.0, -1.0])
def test_a_reply_that_is_no_probability_is_neither_a_yes_nor_a_no(items: list[Item], broken: float):
    model = machine()
    yes = model.p_yes
    asked: list[str] = []

    def every_other(prompt: Prompt) -> float:
        asked.append(prompt.key)
        return broken if len(asked) % 2 else yes(prompt)

    model.p_yes = every_other
    made = found(ask(items, model))
    assert made["unanswered"].value == pytest.approx(0.5, abs=0.01)
    assert (made["knows_better"].value, made["control"].value) == (1, 1)
    model.p_yes = lambda prompt: broken
    made = found(ask(items, model))
    assert made["unanswered"].value == 1
    assert not {"knows_better", "control"} & made.keys()
