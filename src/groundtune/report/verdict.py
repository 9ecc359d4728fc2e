"""The verdict: the result in sentences that claim no more than the intervals allow."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from groundtune.bench.metric import Metric
from groundtune.bench.stats.paired import HeadlineTest
from groundtune.bench.stats.significance import LEVEL
from groundtune.records import Difference
from groundtune.report.figures import (
    amount_text,
    change_text,
    in_sentence,
    interval_text,
    listed,
    p_text,
    percent_text,
    quantity,
    range_text,
    signed_interval,
    value_text,
)
from groundtune.report.model import (
    Headline,
    LengthControl,
    MetricRef,
    MetricSpec,
    ReportInput,
    TradeOff,
)

ONE_SEED = (
    "One seed of sampling and training: another seed changes the values by more than the intervals "
    "say, because they only cover the choice of images."
)
"""A limit of every page about one training run."""
Tone = Literal["better", "worse", "changed", "unclear", "unchecked"]


class Verdict(NamedTuple):
    """The report's first words: a title, and sentences with the numbers."""

    title: str
    sentences: tuple[str, ...]
    tone: Tone


def tone_of(difference: Difference | HeadlineTest | None, spec: Metric) -> Tone:
    """Whether a difference is an improvement; "unclear" if it may be chance (`clear`)."""
    if difference is None:
        return "unchecked"
    if not difference.clear:
        return "unclear"
    if spec.better == "neutral":
        return "changed"
    return "better" if (difference.value < 0) == (spec.better == "lower") else "worse"


def verdict_text(report: ReportInput) -> str:
    """The report's verdict as one paragraph, which a command prints."""
    return " ".join(verdict(report).sentences)


def verdict(report: ReportInput) -> Verdict:
    """The report's first words: a caveat if there is one, then the result."""
    caveat = report.caveat
    if caveat is not None and caveat.is_verdict:
        return Verdict(caveat.title, (caveat.text,), "unchecked")
    result = _of_figures(report)
    if caveat is None:
        return result
    return Verdict(caveat.title, (caveat.text, *result.sentences), "unchecked")


def _of_figures(report: ReportInput) -> Verdict:
    if (finding := report.finding) is not None:
        return Verdict(finding.title, (finding.text,), "unchecked")
    if not report.estimates:
        return _nothing_was_checked(report)
    headline = report.headline
    if headline is None:
        return Verdict(
            report.title, ("No headline metric was chosen: read the tables.",), "unchecked"
        )
    difference = report.difference(headline.model, headline)
    if difference is None:
        return _nothing_to_compare(report, headline)
    spec = named_spec(report, headline)
    tone = tone_of(difference, spec)
    first = _headline_sentence(report, headline, difference)
    others = _others_sentence(report, headline)
    companion_part = _companion_sentence(report, headline)
    length = _length_sentence(report, headline, tone)
    looked_at = comparisons_text(report.differences)
    parts = (first, companion_part, length, others, looked_at)
    sentences = tuple(sentence for sentence in parts if sentence)
    return Verdict(_title(report, headline, difference, tone), sentences, tone)


def named_spec(report: ReportInput, ref: MetricRef) -> MetricSpec:
    """A metric's spec; its label has the benchmark's name if several share the metric's name."""
    spec = report.metric(ref)
    if not spec.benchmark:
        return spec
    benchmark_label = report.benchmark(ref.benchmark).label.partition(",")[0]
    return spec.model_copy(update={"label": f"{spec.label} on {benchmark_label}"})


def change_clause(difference: Difference, spec: MetricSpec) -> str:
    """State that a metric fell or rose, with its interval, or did not clearly change."""
    name = in_sentence(spec.label)
    if not difference.clear:
        interval = signed_interval(difference, spec)
        change = change_text(difference, spec)
        doubt = _doubt(difference)
        behind = f"95% interval {interval}, {_n(difference)}{doubt}"
        return f"{name} did not clearly change ({change}, {behind})"
    size = amount_text(difference.value, spec)
    interval = f"95% interval {_size_range(difference, spec)}, {_n(difference)}"
    if spec.unit == "words":
        return f"answers are {size} {'shorter' if difference.value < 0 else 'longer'} ({interval})"
    return f"{name} {_verb(difference)} by {size} ({interval})"


def _n(difference: Difference) -> str:
    return f"n = {difference.n:,}"


def finding(report: ReportInput, ref: MetricRef) -> str:
    """A chart's title: which models clearly differ from the one with which they are compared."""
    spec = report.metric(ref)
    groups: dict[str, list[str]] = {"lower": [], "higher": [], "no clear change": []}
    for model in report.models:
        difference = report.difference(model.name, ref)
        if difference is not None:
            lower_or_higher = "lower" if difference.value < 0 else "higher"
            groups[lower_or_higher if difference.clear else "no clear change"].append(model.label)
    parts = [f"{direction} with {listed(labels)}" for direction, labels in groups.items() if labels]
    return f"{spec.label}: {'; '.join(parts)}" if parts else spec.label


def trade_off_finding(report: ReportInput, pair: TradeOff) -> str:
    """A scatter's title: gains and losses of the headline's model, or the axes' names."""
    model = report.headline.model if report.headline else report.models[-1].name
    clauses: list[str] = []
    for ref in (pair.y, pair.x):
        difference = report.difference(model, ref)
        if difference is None:
            return (
                f"{report.metric(pair.y).label} against {in_sentence(report.metric(pair.x).label)}"
            )
        spec = report.metric(ref)
        change = f"{_verb(difference)} by {amount_text(difference.value, spec)}"
        clauses.append(
            f"{in_sentence(spec.label)} {change if difference.clear else 'did not clearly change'}"
        )
    return f"With {report.model(model).label}, {'; '.join(clauses)}"


def _verb(difference: Difference) -> str:
    return "fell" if difference.value < 0 else "rose"


def _size_range(difference: Difference, spec: MetricSpec) -> str:
    """The interval of a clear difference's size, small end first."""
    low, high = sorted((abs(difference.low), abs(difference.high)))
    return range_text(low, high, spec)


def _title(report: ReportInput, headline: Headline, difference: Difference, tone: Tone) -> str:
    spec = named_spec(report, headline)
    label = report.model(headline.model).label
    if tone == "unclear":
        return f"No clear change in {in_sentence(spec.label)} with {label}"
    before = report.estimate(headline.against, headline)
    after = report.estimate(headline.model, headline)
    title = (
        f"{spec.label} {_verb(difference)} by {amount_text(difference.value, spec)} with {label}"
    )
    if before is not None and after is not None:
        ends = f"from {value_text(before.value, spec)} to {value_text(after.value, spec)}"
        title = f"{spec.label} {_verb(difference)} {ends} with {label}"
    return f"{title}: worse, not better" if tone == "worse" else title


def _headline_sentence(report: ReportInput, headline: Headline, difference: Difference) -> str:
    spec = named_spec(report, headline)
    against = report.model(headline.against).label
    model = report.model(headline.model).label
    if not difference.clear:
        change = change_text(difference, spec)
        interval = signed_interval(difference, spec)
        start = f"{spec.label}: {model} differs from {against} by {change}"
        end = f"(n = {difference.n:,}): this run does not show a change."
        if _excludes_zero(difference):
            return f"{start} (95% interval {interval}), but {_p_clause(difference)} {end}"
        chance = (difference.p_holm or 0) > LEVEL
        comma = f", {_p_clause(difference)}" if chance else ""
        return f"{start}, but the 95% interval, {interval}, includes zero{comma} {end}"
    relative = ""
    if difference.relative is not None:
        relative = f" ({percent_text(difference.relative)} relative)"
    return (
        f"{spec.label} {_verb(difference)} by {amount_text(difference.value, spec)}{relative} "
        f"against {against}, 95% interval {_size_range(difference, spec)}"
        f"{', ' if difference.p_holm is not None else ''}{_p_clause(difference)}, "
        f"n = {difference.n:,}."
    )


def _excludes_zero(difference: Difference) -> bool:
    return difference.low > 0 or difference.high < 0


def _p_clause(difference: Difference) -> str:
    """A difference's p as used by the verdict; "" if it was not tested."""
    if difference.p is None or difference.p_holm is None:
        return ""
    text = f"p {_with_sign(difference.p_holm)}"
    if difference.family == 1:
        return text
    alone = (
        "" if difference.p_holm <= LEVEL else f" ({_with_sign(difference.p).lstrip('= ')} alone)"
    )
    return f"{text} corrected for {difference.family:,} comparisons{alone}"


def _with_sign(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _doubt(difference: Difference) -> str:
    """Why an interval that excludes zero shows no change; "" if it includes zero."""
    doubtful = _excludes_zero(difference) and not difference.clear
    return f", {_p_clause(difference)}" if doubtful else ""


def comparisons_text(differences: Sequence[Difference]) -> str:
    """The number of comparisons, and for how many p is corrected; "" without tests."""
    counts = {d.headline: d.family for d in differences if d.p_holm is not None}
    if not counts:
        return ""
    total = sum(counts.values())
    if total == 1:
        return "One comparison was looked at."
    groups = [
        quantity(counts[kind], word)
        for kind, word in ((True, "headline"), (False, "other metric"))
        if kind in counts
    ]
    return (
        f"{total:,} comparisons were looked at: {listed(groups)}. A change is called one only if "
        f"its p, corrected for {'its group' if len(groups) > 1 else 'all of them'} (Holm), is at "
        f"most {LEVEL}."
    )


def _companion_sentence(report: ReportInput, headline: Headline) -> str:
    clauses: list[str] = []
    for ref in headline.companions:
        difference = report.difference(headline.model, ref)
        if difference is not None:
            clauses.append(change_clause(difference, named_spec(report, ref)))
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _length_sentence(report: ReportInput, headline: Headline, tone: Tone) -> str:
    """The difference at equal length; without one, that saying less alone lowers the rate."""
    if tone != "better":
        return ""
    control = report.length_control
    equal = _at_equal_length(control, headline.model, headline.metric) if control else None
    spec = report.metric(headline)
    if equal is not None and equal.clear and tone_of(equal, spec) == "better":
        size, interval = amount_text(equal.value, spec), _size_range(equal, spec)
        cost = _cost_at_equal_length(report, control, headline) if control else ""
        behind = f"95% interval {interval}, {_n(equal)}"
        return f"At equal length the difference is {size} ({behind}){cost}."
    if equal is not None:
        change = change_text(equal, spec)
        interval = signed_interval(equal, spec)
        behind = f"95% interval {interval}, {_n(equal)}"
        return f"At equal length no clear improvement remains ({change}, {behind})."
    if _says_less(report, headline):
        return "Its answers also say less, which alone lowers this rate: read the cost metrics too."
    return ""


def _at_equal_length(control: LengthControl, model: str, metric: str) -> Difference | None:
    """A metric's difference at equal length, under any benchmark name."""
    differences = (d for d in control.differences if (d.model, d.metric) == (model, metric))
    return next(differences, None)


def _cost_at_equal_length(report: ReportInput, control: LengthControl, headline: Headline) -> str:
    """What is clearly worse at equal length: truncation also removes right statements."""
    clauses: list[str] = []
    for ref in headline.companions:
        difference = _at_equal_length(control, headline.model, ref.metric)
        spec = report.metric(ref)
        if difference and difference.clear and tone_of(difference, spec) == "worse":
            clauses.append(change_clause(difference, spec))
    return f"; there, {'; '.join(clauses)}" if clauses else ""


def _says_less(report: ReportInput, headline: Headline) -> bool:
    """Whether a metric that shorter answers lower (words, recall, mentions) clearly fell."""
    for difference in report.differences:
        spec = report.metric(difference)
        about = difference.model == headline.model and difference.benchmark == headline.benchmark
        shrinks = spec.role == "cost" and (spec.better == "higher" or spec.unit == "words")
        if about and shrinks and difference.high < 0:
            return True
    return False


def _others_sentence(report: ReportInput, headline: Headline) -> str:
    """The same metric for the other tuned models, in one sentence."""
    spec = report.metric(headline)
    clauses: list[str] = []
    for model in report.models:
        difference = report.difference(model.name, headline)
        if difference is None or model.name == headline.model:
            continue
        change = change_text(difference, spec)
        interval = signed_interval(difference, spec)
        includes = "" if difference.clear else ", which includes zero"
        clear = _doubt(difference) if _excludes_zero(difference) else includes
        behind = f"95% interval {interval}, {_n(difference)}{clear}"
        clauses.append(f"{model.label} {change} ({behind})")
    return f"For comparison: {'; '.join(clauses)}." if clauses else ""


def _nothing_to_compare(report: ReportInput, headline: Headline) -> Verdict:
    spec = named_spec(report, headline)
    headline_estimate = report.estimate(headline.model, headline)
    if headline_estimate is None:
        return Verdict(
            report.title, ("The headline metric was not measured: read the tables.",), "unchecked"
        )
    label = report.model(headline.model).label
    value = value_text(headline_estimate.value, spec)
    interval = interval_text(headline_estimate, spec)
    unit = f" {spec.unit}" if spec.unit not in ("", "%") else ""
    sentences = (
        f"{spec.label}: {value}{unit}, 95% interval {interval}, n = {headline_estimate.n:,}.",
        "This is a single measurement without a comparison, so it shows no change.",
    )
    return Verdict(f"{label}: {in_sentence(spec.label)}, {value}", sentences, "unchecked")


def _nothing_was_checked(report: ReportInput) -> Verdict:
    answers = sum(count.answers for count in report.counts)
    answers = answers or sum(len(example.answers) for example in report.examples.shown)
    names = listed([model.label for model in report.models])
    title = f"{quantity(answers, 'answer')} by {names}; nothing was checked"
    sentence = (
        "These images have no ground truth and no judge was used: this page shows the "
        "answers, not whether they are correct."
    )
    return Verdict(title, (sentence,), "unchecked")
