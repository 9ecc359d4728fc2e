"""Definitions of the embedded world's benchmarks, for the registry."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol as Interface

from groundtune.bench.benchmark import Benchmark, Protocol
from groundtune.bench.item import Item, ItemSelection
from groundtune.bench.world import captions, overgeneral, questions, self_knowledge
from groundtune.bench.world.answers import LAYOUT, read_answers
from groundtune.store.images import ImageStore
from groundtune.world.scenes import Difficulty

CAVEAT = (
    "The embedded world is drawn, small and known to the last pixel, and its model is tiny. "
    "It shows that the software works and how methods compare there; its numbers do not "
    "predict real benchmarks."
)
DECODINGS = ("greedy", "t1")

WORLD_CAPTIONS: Benchmark[Sequence[Item]] = Benchmark(
    name=captions.NAME,
    protocol=captions.PROTOCOL,
    revision=captions.RULES,
    metrics=captions.METRICS,
    headline="chair_sentence",
    companions=(
        (f"{captions.NAME}/greedy", "recall"),
        (f"{captions.NAME}/greedy", "words"),
        (f"{questions.NAME}/adversarial/greedy", "accuracy"),
    ),
    labels=(
        ("", "Captions"),
        ("missing", "Captions where the most usual object is missing"),
        ("replaced", "Captions where something unusual stands in its place"),
    ),
    has_total=False,
    modes=("strict",),
    decodings=DECODINGS,
    caveat=CAVEAT,
    load=captions.load,
    read_answers=read_answers,
    score=captions.score,
    layouts=LAYOUT,
    further_metrics=overgeneral.METRICS,
    further=overgeneral.of_all_strata,
    follow_up=self_knowledge.knowledge,
)

WORLD_QUESTIONS: Benchmark[Sequence[Item]] = Benchmark(
    name=questions.NAME,
    protocol=questions.PROTOCOL,
    revision=questions.RULES,
    metrics=questions.METRICS,
    headline="accuracy",
    labels=(
        ("random", "Is it there? (random absent objects)"),
        ("popular", "Is it there? (popular absent objects)"),
        ("adversarial", "Is it there? (adversarial absent objects)"),
        ("attribute", "Is its number, colour or place so?"),
        ("number", "How many?"),
        ("colour", "Which colour?"),
        ("place", "Where?"),
    ),
    has_total=False,
    modes=("strict", "official"),
    decodings=DECODINGS,
    caveat=CAVEAT,
    load=questions.load,
    read_answers=read_answers,
    score=questions.score,
    layouts=LAYOUT,
)

WORLD_SELF_KNOWLEDGE: Benchmark[Sequence[Item]] = Benchmark(
    name=self_knowledge.NAME,
    protocol=Protocol(
        label="What it knows of what it says",
        prompt="whether an object is there, for each that the model's greedy captions name",
        parser="the larger of p(yes) and p(no)",
        counted="objects that captions invent and the model denies, or name rightly and it affirms",
        source="Groundtune",
        max_new_tokens=0,
        items="made of the captions, with --self-knowledge",
    ),
    revision=self_knowledge.NAME,
    metrics=self_knowledge.METRICS,
    further_metrics=self_knowledge.SLOPES,
    further=self_knowledge.slopes,
    headline="knows_better",
    has_total=False,
    modes=("strict",),
    caveat=CAVEAT,
)
"""Scores are made by `self_knowledge.knowledge`, from captions that were scored."""


class _Load(Interface):
    def __call__(
        self, selection: ItemSelection, images: ImageStore, difficulty: Difficulty
    ) -> list[Item]: ...


def _of_hard(benchmark: Benchmark[Sequence[Item]], load: _Load) -> Benchmark[Sequence[Item]]:
    """Return the same benchmark about hard scenes."""
    name = benchmark.name.replace("world-", "world-hard-")

    def load_hard(selection: ItemSelection, images: ImageStore) -> list[Item]:
        items = load(selection, images, "hard")
        names = (item.benchmark.replace(benchmark.name, name, 1) for item in items)
        return [
            item.model_copy(update={"benchmark": part})
            for item, part in zip(items, names, strict=True)
        ]

    label = benchmark.protocol.label.replace("the embedded world", "hard scenes")
    return replace(
        benchmark,
        name=name,
        protocol=benchmark.protocol.model_copy(update={"label": label}),
        labels=tuple((part, f"{text} (hard scenes)") for part, text in benchmark.labels),
        companions=tuple(
            (part.replace("world-", "world-hard-"), metric) for part, metric in benchmark.companions
        ),
        load=load_hard,
        further_metrics=(),
        further=None,
    )


WORLD_HARD_CAPTIONS = _of_hard(WORLD_CAPTIONS, captions.load)
WORLD_HARD_QUESTIONS = _of_hard(WORLD_QUESTIONS, questions.load)
WORLD_HARD_SELF_KNOWLEDGE = replace(
    WORLD_SELF_KNOWLEDGE,
    name=self_knowledge.HARD_NAME,
    protocol=WORLD_SELF_KNOWLEDGE.protocol.model_copy(
        update={"label": "What it knows of what it says (hard scenes)"}
    ),
)
CAPTIONS_AND_QUESTIONS: dict[Difficulty, tuple[Benchmark[Sequence[Item]], ...]] = {
    "clear": (WORLD_CAPTIONS, WORLD_QUESTIONS),
    "hard": (WORLD_HARD_CAPTIONS, WORLD_HARD_QUESTIONS),
}
