"""Scripted models of the world: writers who see the scene, with or without bad habits."""

import numpy as np

from groundtune.bench.world.images import find_scene
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.records import Prompt
from groundtune.world.captions import CLEAN, EVALUATION_INSTRUCTIONS, MACHINE, Habits, caption
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.grammar import NounPhrase, phrase


def writer(habits: Habits, *, name: str, yes: float | None = None) -> ScriptedGenerator:
    """Captions by a writer with these habits; yes/no by the truth, or always with p(yes) = yes."""

    def answer(prompt: Prompt, seed: int) -> str:
        scene = find_scene(prompt.source.row)
        if prompt.question in EVALUATION_INSTRUCTIONS:
            return caption(scene, np.random.default_rng([seed % 2**32, scene.seed]), habits)
        return "Yes." if p_yes(prompt) > 0.5 else "No."

    def p_yes(prompt: Prompt) -> float:
        if yes is not None:
            return yes
        scene = find_scene(prompt.source.row)
        asked = [
            category
            for category in CATEGORIES
            if f" {phrase(NounPhrase(category=category))} " in prompt.question.replace("?", " ")
        ]
        return float(any(category in scene.categories for category in asked))

    return ScriptedGenerator(answer, p_yes, name=name)


def truthful() -> ScriptedGenerator:
    return writer(CLEAN, name="truthful")


def machine() -> ScriptedGenerator:
    return writer(MACHINE, name="machine")
