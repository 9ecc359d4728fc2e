from report_sample import difference, sample, unchecked

from groundtune.records import Difference
from groundtune.report.model import MetricRef, MetricSpec, ReportInput, TradeOff
from groundtune.report.verdict import (
    change_clause,
    finding,
    tone_of,
    trade_off_finding,
    verdict,
)

MINUS = "\u2212"
GREEDY = "captions/greedy"


def with_headline(value: float, half: float, before: float = 0.323) -> ReportInput:
    """The sample with another difference of the headline, and without the rest."""
    report = sample()
    headline = difference("ddpo", GREEDY, "chair_s", value, half, before)
    estimates = [e for e in report.estimates if e.metric != "chair_s" or e.model != "ddpo"]
    after = report.estimates[0].model_copy(
        update={"model": "ddpo", "value": before + value, "n": 500}
    )
    return report.model_copy(
        update={
            "differences": (headline,),
            "estimates": (*estimates, after),
            "length_control": None,
        }
    )


def test_a_clear_fall_is_reported_with_points_relative_change_interval_and_n() -> None:
    told = verdict(with_headline(-0.221, 0.039))
    assert told.tone == "better"
    assert told.title == "Answers with an invented object fell from 32.3% to 10.2% with DDPO"
    assert told.sentences == (
        "Answers with an invented object fell by 22.1 points (68% relative) against Base, "
        "95% interval 18.2 to 26.0, n = 500.",
    )


def test_a_clear_rise_of_what_should_fall_is_called_worse() -> None:
    told = verdict(with_headline(0.041, 0.03))
    assert told.tone == "worse"
    assert told.title == (
        "Answers with an invented object rose from 32.3% to 36.4% with DDPO: worse, not better"
    )
    assert told.sentences == (
        "Answers with an invented object rose by 4.1 points (13% relative) against Base, "
        "95% interval 1.1 to 7.1, n = 500.",
    )


def test_an_interval_that_includes_zero_shows_no_change_and_gives_no_relative_figure() -> None:
    told = verdict(with_headline(-0.02, 0.031))
    assert told.tone == "unclear"
    assert told.title == "No clear change in answers with an invented object with DDPO"
    assert told.sentences == (
        f"Answers with an invented object: DDPO differs from Base by {MINUS}2.0 points, but the "
        f"95% interval, {MINUS}5.1 to +1.1, includes zero (n = 500): this run does not show a "
        "change.",
    )


def test_an_interval_that_ends_at_zero_still_includes_it() -> None:
    at_zero = difference("ddpo", GREEDY, "chair_s", -0.5, 0.5)
    assert at_zero.high == 0
    assert not at_zero.clear
    assert tone_of(at_zero, sample().metric(at_zero)) == "unclear"


def test_the_verdict_names_the_cost_equal_length_and_the_other_models() -> None:
    assert verdict(sample()).sentences[1:] == (
        f"Recall did not clearly change ({MINUS}1.6 points, 95% interval {MINUS}3.4 to +0.2, "
        "n = 500); answers are 1.2 words shorter (95% interval 0.7 to 1.7, n = 500); yes/no "
        f"accuracy did not clearly change (+0.5 points, 95% interval {MINUS}0.7 to +1.7, "
        "n = 3,000).",
        "At equal length the difference is 20.7 points (95% interval 16.7 to 24.7, n = 500).",
        f"For comparison: DPO {MINUS}20.5 points (95% interval {MINUS}24.4 to {MINUS}16.6, "
        "n = 500).",
    )


def test_a_fall_that_vanishes_at_equal_length_is_reported_as_such() -> None:
    report = sample()
    assert report.length_control is not None
    equal = difference("ddpo", GREEDY, "chair_s", -0.01, 0.04)
    control = report.length_control.model_copy(update={"differences": (equal,)})
    told = verdict(report.model_copy(update={"length_control": control}))
    assert told.sentences[2] == (
        f"At equal length no clear improvement remains ({MINUS}1.0 points, 95% interval "
        f"{MINUS}5.0 to +3.0, n = 500)."
    )


def test_what_gets_worse_at_equal_length_is_reported_next_to_the_gain() -> None:
    report = sample()
    assert report.length_control is not None
    cut = difference("ddpo", GREEDY, "recall", -0.11, 0.02)
    both = (*report.length_control.differences, cut)
    control = report.length_control.model_copy(update={"differences": both})
    told = verdict(report.model_copy(update={"length_control": control})).sentences
    equal = next(sentence for sentence in told if sentence.startswith("At equal length"))
    assert "there, recall fell by 11.0 points (95% interval 9.0 to 13.0, n = 500)." in equal


def test_a_fall_with_fewer_words_and_no_length_control_warns_of_itself() -> None:
    told = verdict(sample().model_copy(update={"length_control": None}))
    assert told.sentences[2] == (
        "Its answers also say less, which alone lowers this rate: read the cost metrics too."
    )


def test_one_model_alone_is_a_measurement_and_no_comparison() -> None:
    report = sample().model_copy(update={"differences": ()})
    told = verdict(report)
    assert told.title == "DDPO: answers with an invented object, 10.2%"
    assert told.sentences[1] == (
        "This is a single measurement without a comparison, so it shows no change."
    )


def test_without_estimates_the_report_says_that_nothing_was_checked() -> None:
    told = verdict(unchecked(6))
    assert told.title == "6 answers by Tiny random LLaVA; nothing was checked"
    assert told.tone == "unchecked"


def test_a_neutral_metric_changes_and_is_neither_better_nor_worse() -> None:
    spec = MetricSpec(name="yes_rate", label="Yes-rate")
    assert tone_of(difference("dpo", GREEDY, "yes_rate", -0.2, 0.1), spec) == "changed"


def test_longer_answers_are_called_longer() -> None:
    spec = MetricSpec(name="words", label="Words per answer", unit="words", scale=1)
    longer = difference("dpo", GREEDY, "words", 2.5, 1.0)
    said = change_clause(longer, spec)
    assert said == "answers are 2.5 words longer (95% interval 1.5 to 3.5, n = 500)"


def test_a_chart_title_sorts_the_models_by_what_is_clear() -> None:
    report = sample()
    assert finding(report, MetricRef(benchmark=GREEDY, metric="wrong_number")) == (
        "Wrong numbers: lower with DDPO; no clear change with DPO"
    )


def test_a_scatter_title_says_what_was_gained_and_what_was_given_up() -> None:
    kept = MetricRef(benchmark=GREEDY, metric="recall")
    pair = TradeOff(x=kept, y=MetricRef(benchmark=GREEDY, metric="chair_s"))
    assert trade_off_finding(sample(), pair) == (
        "With DDPO, answers with an invented object fell by 22.1 points; "
        "recall did not clearly change"
    )


def test_a_relative_figure_is_left_out_where_the_base_is_zero() -> None:
    from_nothing = Difference(
        model="ddpo", against="base", benchmark=GREEDY, metric="chair_s",
        value=0.1, low=0.05, high=0.15, n=500,
    )  # fmt: skip
    report = with_headline(0.1, 0.05, 0.0).model_copy(update={"differences": (from_nothing,)})
    assert "relative" not in verdict(report).sentences[0]


def test_a_verdict_states_p_and_the_number_of_comparisons_and_contradicts_neither() -> None:
    report = with_headline(-0.02, 0.015)
    tested = {"p": 0.02, "p_holm": 0.06, "family": 3, "headline": True}
    row = report.differences[0].model_copy(update=tested)
    told = verdict(report.model_copy(update={"differences": (row,)}))
    assert told.tone == "unclear"
    assert told.title == "No clear change in answers with an invented object with DDPO"
    assert told.sentences == (
        f"Answers with an invented object: DDPO differs from Base by {MINUS}2.0 points (95% "
        f"interval {MINUS}3.5 to {MINUS}0.5), but p = 0.060 corrected for 3 comparisons (0.020 "
        "alone) (n = 500): this run does not show a change.",
        "3 comparisons were looked at: 3 headlines. A change is called one only if its p, "
        "corrected for all of them (Holm), is at most 0.05.",
    )
    row = row.model_copy(update={"p": 0.0001, "p_holm": 0.0003})
    told = verdict(report.model_copy(update={"differences": (row,)}))
    assert told.tone == "better"
    assert (
        "95% interval 0.5 to 3.5, p < 0.001 corrected for 3 comparisons, n = 500."
        in (told.sentences[0])
    )
