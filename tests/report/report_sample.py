"""A made-up report of realistic size: three models, twenty metrics, a dozen images."""

import io
import random

from PIL import Image

from groundtune.records import Difference, Estimate, Span
from groundtune.report import ReportInput
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.examples import Example, ExampleAnswer, Examples
from groundtune.report.model import (
    AnswerCount,
    BenchmarkSpec,
    Headline,
    LengthControl,
    Licence,
    MetricRef,
    MetricSpec,
    ModelSpec,
    Note,
    Provenance,
    StratumEstimate,
    Subject,
    TradeOff,
)
from groundtune.world.render import render_large
from groundtune.world.scenes import scene

MODELS = (
    ModelSpec(name="base", label="Base", note="as shipped, 3.4 million parameters"),
    ModelSpec(name="dpo", label="DPO", note="the same 1,400 corrections, beta 0.1"),
    ModelSpec(name="ddpo", label="DDPO", note="1,400 corrections, gamma 5, beta 0.5"),
)

METRICS = (
    MetricSpec(
        name="chair_s",
        label="Answers with an invented object",
        better="lower",
        explanation="Captions that name an object that isn't in the image (CHAIR, sentences).",
    ),
    MetricSpec(
        name="chair_i",
        label="Invented mentions",
        better="lower",
        explanation="Of all objects named, those that aren't there (CHAIR, instances).",
    ),
    MetricSpec(
        name="any_wrong",
        label="Answers with anything wrong",
        better="lower",
        explanation="An object, a number, a colour or a place.",
    ),
    MetricSpec(name="wrong_number", label="Wrong numbers", better="lower"),
    MetricSpec(name="wrong_colour", label="Wrong colours", better="lower"),
    MetricSpec(name="wrong_place", label="Wrong places", better="lower"),
    MetricSpec(name="accuracy", label="Yes/no accuracy", better="higher"),
    MetricSpec(name="f1", label="Yes/no F1", better="higher", explanation="Of the answer yes."),
    MetricSpec(
        name="recall",
        label="Recall",
        better="higher",
        role="cost",
        explanation="Kinds of object that are in the image and are named.",
    ),
    MetricSpec(
        name="words", label="Words per answer", role="cost", unit="words", scale=1, decimals=1
    ),
    MetricSpec(
        name="mentions",
        label="Objects named",
        role="cost",
        better="higher",
        unit="mentions",
        scale=1,
    ),
    MetricSpec(
        name="yes_rate", label="Yes-rate", role="cost", explanation="Half of the answers are yes."
    ),
    MetricSpec(name="refusals", label="Refusals", role="cost", better="lower"),
    MetricSpec(name="unparsed", label="Unparsed answers", role="cost", better="lower"),
)

CAPTIONS = {
    "prompt": "Describe the image in detail.",
    "images": "500 of the development split",
}
BENCHMARKS = (
    BenchmarkSpec(
        name="captions/greedy",
        label="Captions, greedy",
        protocol={
            **CAPTIONS,
            "decoding": "greedy, at most 96 tokens",
            "parser": "the world's own grammar",
        },
    ),
    BenchmarkSpec(
        name="captions/t1",
        label="Captions, temperature 1",
        protocol={**CAPTIONS, "decoding": "temperature 1, seed 11, at most 96 tokens"},
    ),
    BenchmarkSpec(
        name="yesno/adversarial",
        label="Yes/no questions, adversarial",
        protocol={"questions": "3,000, as POPE draws them", "parser": "first word"},
    ),
)

SUBJECT = Subject(
    metrics=METRICS,
    benchmarks=BENCHMARKS,
    notes=(
        Note(
            text="The embedded world is drawn, small and known to the last pixel. It shows "
            "that the software works and how methods compare there; its numbers do not "
            "predict real benchmarks.",
            kind="warning",
        ),
    ),
    limits=(
        "One base model and one seed of sampling and training: another seed moves the figures "
        "by more than the intervals say, because they only know about the images.",
        "The annotator is simulated and never tired.",
    ),
    licences=(
        Licence(what="Glyphs", terms="OFL-1.1", note="Noto Color Emoji"),
        Licence(what="Groundtune", terms="Apache-2.0"),
    ),
)

VALUES: dict[tuple[str, str], tuple[float, float, float, float]] = {
    ("captions/greedy", "chair_s"): (0.323, 0.118, 0.102, 0.02),
    ("captions/greedy", "chair_i"): (0.132, 0.049, 0.041, 0.011),
    ("captions/greedy", "any_wrong"): (0.471, 0.262, 0.233, 0.022),
    ("captions/greedy", "wrong_number"): (0.112, 0.094, 0.083, 0.012),
    ("captions/greedy", "wrong_colour"): (0.024, 0.026, 0.021, 0.006),
    ("captions/greedy", "wrong_place"): (0.141, 0.12, 0.108, 0.014),
    ("captions/greedy", "recall"): (0.784, 0.741, 0.768, 0.009),
    ("captions/greedy", "words"): (26.8, 23.1, 25.6, 0.25),
    ("captions/greedy", "mentions"): (3.9, 3.3, 3.6, 0.05),
    ("captions/greedy", "refusals"): (0.0, 0.0, 0.0, 0.0),
    ("captions/greedy", "unparsed"): (0.002, 0.006, 0.002, 0.002),
    ("captions/t1", "chair_s"): (0.58, 0.36, 0.341, 0.022),
    ("captions/t1", "chair_i"): (0.28, 0.188, 0.171, 0.014),
    ("captions/t1", "any_wrong"): (0.702, 0.533, 0.498, 0.021),
    ("captions/t1", "recall"): (0.644, 0.624, 0.63, 0.011),
    ("captions/t1", "words"): (27.3, 23.8, 26.0, 0.3),
    ("yesno/adversarial", "accuracy"): (0.914, 0.911, 0.919, 0.006),
    ("yesno/adversarial", "f1"): (0.913, 0.909, 0.918, 0.006),
    ("yesno/adversarial", "yes_rate"): (0.512, 0.498, 0.506, 0.008),
}


def _estimates() -> tuple[Estimate, ...]:
    rows: list[Estimate] = []
    for (benchmark, metric), (*values, half) in VALUES.items():
        n = 3000 if benchmark.startswith("yesno") else 500
        for model, value in zip(MODELS, values, strict=True):
            low, high = max(0.0, value - 1.96 * half), value + 1.96 * half
            rows.append(
                Estimate(
                    model=model.name,
                    benchmark=benchmark,
                    metric=metric,
                    value=value,
                    low=low,
                    high=high,
                    n=n,
                )
            )
    return tuple(rows)


def difference(
    model: str,
    benchmark: str,
    metric: str,
    value: float,
    half: float,
    before: float = 0.0,
    n: int = 500,
) -> Difference:
    return Difference(
        model=model,
        against="base",
        benchmark=benchmark,
        metric=metric,
        value=value,
        low=value - half,
        high=value + half,
        n=n,
        relative=value / before if before else None,
    )


def _differences() -> tuple[Difference, ...]:
    rows: list[Difference] = []
    for (benchmark, metric), (base, dpo, ddpo, half) in VALUES.items():
        n = 3000 if benchmark.startswith("yesno") else 500
        for model, value in (("dpo", dpo), ("ddpo", ddpo)):
            rows.append(difference(model, benchmark, metric, value - base, 1.96 * half, base, n))
    return tuple(rows)


def _strata() -> tuple[StratumEstimate, ...]:
    table = {
        "usual scenes": (0.30, 0.11, 0.09),
        "the usual object is missing": (0.52, 0.21, 0.18),
        "an unusual one in its place": (0.55, 0.24, 0.19),
    }
    return tuple(
        StratumEstimate(
            model=model.name,
            benchmark="captions/greedy",
            metric="chair_s",
            value=value,
            low=value - 0.05,
            high=value + 0.05,
            n=200,
            by="What tends to be there",
            stratum=stratum,
        )
        for stratum, values in table.items()
        for model, value in zip(MODELS, values, strict=True)
    )


def image(index: int) -> bytes:
    buffer = io.BytesIO()
    render_large(scene("development", index), 3).save(buffer, "PNG")
    return buffer.getvalue()


def marked(model: str, text: str, note: str = "") -> ExampleAnswer:
    """An answer from "a {object:vase} on the left": what stands in braces is marked."""
    plain, spans, rest = "", [], text
    while "{" in rest:
        before, rest = rest.split("{", 1)
        inside, rest = rest.split("}", 1)
        kind, words = inside.split(":", 1)
        words, _, better = words.partition("=")
        plain += before
        spans.append(
            Span(start=len(plain), end=len(plain + words), kind=kind, replacement=better or None)  # type: ignore[arg-type]
        )
        plain += words
    return ExampleAnswer(model=model, text=plain + rest, spans=tuple(spans), note=note)


GROUPS = ("Most improved", "Still wrong", "Got worse", "Both right")


def _example(index: int) -> Example:
    shown = scene("development", index)
    draw = random.Random(index)
    things = [f"{t.number} {t.colour} {t.category}".replace("  ", " ") for t in shown.things]
    named = ", ".join(f"a {t.category}" for t in shown.things[:3])
    place = shown.context
    group = GROUPS[index % 4]
    lie = draw.choice(["vase", "teddy bear", "umbrella", "clock"])
    opening = f"This is a {place} with a {shown.background} background. There is {named}"
    wrong = f"{opening} and {{object:a {lie}}} {{position:on the left=on the right}}."
    less = f"This is a {place}. I can see {named}, and {{number:two=three}} more of them."
    right = f"{opening}, and nothing else stands out."
    texts = {
        "Most improved": (wrong, less, right),
        "Still wrong": (
            wrong,
            wrong,
            f"A {place}. There is {named}, beside {{attribute:a purple {lie}}}.",
        ),
        "Got worse": (right, right, less),
        "Both right": (right, right, right),
    }[group]
    return Example(
        images=(image(index),),
        prompt="Describe the image in detail.",
        truth=f"{place}; {'; '.join(things)}",
        group=group,
        item=shown.key,
        answers=tuple(marked(m.name, text) for m, text in zip(MODELS, texts, strict=True)),
    )


def _curves() -> tuple[Curve, ...]:
    def series(model: str, ends: tuple[float, float], noise: float) -> CurveSeries:
        draw = random.Random(model)
        points = tuple(
            CurvePoint(
                x=step, y=ends[0] + (ends[1] - ends[0]) * (1 - 0.97**step) + draw.gauss(0, noise)
            )
            for step in range(0, 176, 5)
        )
        return CurveSeries(label=dict(dpo="DPO", ddpo="DDPO")[model], model=model, points=points)

    corrections = (50, 200, 700, 1400)
    return (
        Curve(
            title="The loss falls and stays down",
            x_label="optimiser step",
            y_label="loss",
            series=(series("dpo", (0.693, 0.42), 0.012), series("ddpo", (0.693, 0.36), 0.012)),
        ),
        Curve(
            title="More corrections, fewer inventions",
            x_label="corrections",
            y_label="answers with an invented object, %",
            scale=100,
            log_x=True,
            note="Development split, greedy; bands are 95% intervals.",
            series=(
                CurveSeries(
                    label="DDPO",
                    model="ddpo",
                    points=tuple(
                        CurvePoint(x=x, y=y, low=y - 0.03, high=y + 0.03)
                        for x, y in zip(corrections, (0.29, 0.21, 0.14, 0.102), strict=True)
                    ),
                ),
            ),
        ),
    )


def sample() -> ReportInput:
    ref = MetricRef
    headline = Headline(
        benchmark="captions/greedy",
        metric="chair_s",
        model="ddpo",
        against="base",
        companions=(
            ref(benchmark="captions/greedy", metric="recall"),
            ref(benchmark="captions/greedy", metric="words"),
            ref(benchmark="yesno/adversarial", metric="accuracy"),
        ),
        fixed="Answers with an invented object, greedy decoding: fixed before anything was tuned.",
    )
    return ReportInput(
        title="Demo on the embedded world",
        summary="1,400 answers of the base were corrected segment by segment by a simulated "
        "annotator, made into pairs, and learnt from in two ways. All three models then described "
        "the same 500 images.",
        models=MODELS,
        subject=SUBJECT,
        headline=headline,
        estimates=_estimates(),
        differences=_differences(),
        length_control=LengthControl(
            how="Both models' answers to an item were cut to the same number of whole sentences "
            "and scored again.",
            estimates=tuple(
                Estimate(
                    model=model,
                    benchmark="captions/greedy",
                    metric="chair_s",
                    value=value,
                    low=value - 0.03,
                    high=value + 0.03,
                    n=500,
                )
                for model, value in (("base", 0.308), ("dpo", 0.117), ("ddpo", 0.101))
            ),
            differences=(
                difference("dpo", "captions/greedy", "chair_s", -0.191, 0.04, 0.308),
                difference("ddpo", "captions/greedy", "chair_s", -0.207, 0.04, 0.308),
            ),
        ),
        trade_offs=(TradeOff(x=headline.companions[0], y=headline),),
        strata=_strata(),
        counts=tuple(
            AnswerCount(
                model=m.name,
                answers=4000,
                words=words,
                words_low=6,
                words_high=71,
                cut=cut,
                unparsed=4,
            )
            for m, words, cut in zip(MODELS, (26.8, 23.1, 25.6), (3, 0, 1), strict=True)
        ),
        examples=Examples(
            shown=tuple(_example(i) for i in range(12)),
            how="Chosen by rule, not by hand: three each of the most improved, of those still "
            "wrong, of those that got worse and of those that were right before and after. Of 500 "
            "images DDPO has fewer mistakes on 187, more on 31 and the same number on 282.",
        ),
        curves=_curves(),
        provenance=Provenance(
            command="groundtune demo --out demo --seed 7",
            created="21 November 2026, 14:05",
            settings={
                "seed": 7,
                "method": {"type": "ddpo", "beta": 0.5, "gamma": 5, "reduce": "mean"},
                "optim": {"lr": 6e-5, "epochs": 2, "batch": 16, "warmup": 0.05},
                "sampling": {"temperature": 1.0, "n": 1},
                "lora": {"rank": 32, "targets": ["q_proj", "v_proj"], "enabled": False},
            },
            versions={
                "groundtune": "0.1.0",
                "python": "3.11.9",
                "torch": "2.13.0",
                "transformers": "5.23.0",
            },
            seeds={"sampling": 7, "annotator": 8, "training": 9, "bootstrap": 10},
            inputs={"world:base": "9f2c4b1e" * 8, "corrections": "5a17d0e3" * 8},
            seconds={
                "sampling": 21.4,
                "corrections": 1.2,
                "reference": 17.8,
                "training": 74.0,
                "evaluation": 118.3,
            },
            machine={"cores": "2", "memory": "8 GB", "accelerator": "none"},
        ),
    )


def photograph(size: tuple[int, int] = (1600, 1200)) -> bytes:
    """An image with detail all over, as a camera's JPEG."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def unchecked(examples: int = 6) -> ReportInput:
    """A run that only sampled: one model, no truth, no estimate."""
    model = ModelSpec(name="small", label="Tiny random LLaVA")
    text = "the a of of an image image man the on red the the with. a a"
    return ReportInput(
        title="Answers to real photographs",
        models=(model,),
        counts=(
            AnswerCount(
                model="small", answers=examples, words=15, words_low=15, words_high=15, cut=2
            ),
        ),
        examples=Examples(
            shown=tuple(
                Example(
                    images=(photograph(),),
                    prompt="What is the man in the image doing?",
                    item=f"row {i}",
                    answers=(ExampleAnswer(model="small", text=text),),
                )
                for i in range(examples)
            )
        ),
        provenance=Provenance(command="groundtune sample photographs.yaml"),
    )
