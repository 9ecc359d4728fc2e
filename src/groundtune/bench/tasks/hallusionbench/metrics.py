"""HallusionBench's metrics, of the columns that `hallusionbench.py` gives its scores."""

from collections.abc import Iterable, Mapping

from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric


def _mean_acc(sums: Mapping[str, Floats]) -> Floats:
    parts = (("correct", "questions"), ("figures_right", "figures"), ("pairs_right", "pairs"))
    a, f, q = (ratio(sums[right], sums[whole]) for right, whole in parts)
    return (a + f + q) / 3


def _yes_bias(sums: Mapping[str, Floats]) -> Floats:
    yes, true = ratio(sums["yes"], sums["questions"]), ratio(sums["true_yes"], sums["questions"])
    return yes - true


def _share(name: str, label: str, right: str, whole: Iterable[str], **more: str) -> Metric:
    return Metric(
        name=name,
        label=label,
        numerator={right: 1},
        denominator=dict.fromkeys(whole, 1.0),
        better="neutral" if "neutral" in more else "higher",
        explanation=more.get("explanation", ""),
    )


_CAUSES = ("lh", "vi", "mixed")
METRICS: tuple[Metric, ...] = (
    _share("a_acc", "Right answers to questions", "correct", ["questions"]),
    _share("f_acc", "Figures with all questions right", "figures_right", ["figures"]),
    _share("q_acc", "Questions right about all figures", "pairs_right", ["pairs"]),
    Metric(
        name="mean_acc",
        label="Mean of the three",
        formula=_mean_acc,
        better="higher",
        explanation="VLMEvalKit's headline; not a figure of the official code.",
    ),
    _share("easy_acc", "Questions right about all unedited figures", "easy_right", ["easy"]),
    _share("hard_acc", "Questions right about all edited figures", "hard_right", ["hard"]),
    _share("f_inconsistent", "Figures with some right", "figures_mixed", ["figures"], neutral="1"),
    _share("f_wrong", "Figures with none right", "figures_wrong", ["figures"], neutral="1"),
    _share("f_score", "Share right in a figure, mean", "figures_score", ["figures"]),
    _share("lh", "Of wrong answers: language hallucination", "lh", _CAUSES, neutral="1"),
    _share("vi", "Of wrong answers: visual illusion", "vi", _CAUSES, neutral="1"),
    _share("mixed", "Of wrong answers: both", "mixed", _CAUSES, neutral="1"),
    Metric(
        name="yes_bias",
        label="Yes said, less yes true",
        formula=_yes_bias,
        unit="difference",
        scale=1,
        decimals=3,
        range=(-1, 1),
    ),
    Metric(
        name="fp_ratio",
        label="Of wrong answers: to be answered no",
        formula=lambda sums: ratio(sums["wrong_no"], sums["questions"] - sums["correct"]),
    ),
    unparsed_metric(),
)
