from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_sample import sample

from groundtune.report.charts import forests, headline_panel, panels, strata_charts
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.model import MetricSpec
from groundtune.report.plots import CURVE_PX, LABEL_PX, SCATTER_PX, curve, scatter
from groundtune.report.scales import EDGE, Scale, labels, scale_of, ticks


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 38, 4) == [0, 10, 20, 30]
    assert ticks(90.1, 93.4, 4) == pytest.approx([91, 92, 93])
    assert ticks(-7, 2, 4) == [-5, -2.5, 0]


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_never_leave_the_scale(low: float, width: float) -> None:
    found = ticks(low, low + width)
    slack = width * 1e-6
    assert 1 <= len(found) <= 9
    assert all(low - slack <= tick <= low + width + slack for tick in found)


def test_a_scale_puts_its_ends_at_the_edges() -> None:
    scale = Scale(10, 20)
    assert scale.at(10) == EDGE
    assert scale.at(20) == 100 - EDGE
    assert scale.at(15) == 50


def test_shares_begin_at_zero_unless_they_all_lie_far_from_it() -> None:
    assert scale_of([0.1, 0.3], from_zero=False).low == 0
    assert scale_of([0.9, 0.93], from_zero=False).low > 0.85
    assert scale_of([0.9, 0.93]).low == 0


def test_a_scale_of_equal_values_has_a_width() -> None:
    assert scale_of([0.0, 0.0]).high > 0
    assert scale_of([5.0], from_zero=False).high > 5


def test_labels_have_just_enough_decimals() -> None:
    spec = MetricSpec(name="x", label="x", unit="", scale=1)
    assert [text for _, text in labels(Scale(0, 1), spec)] == [
        "0.00",
        "0.25",
        "0.50",
        "0.75",
        "1.00",
    ]
    assert [text for _, text in labels(Scale(0, 10), spec)] == ["0.0", "2.5", "5.0", "7.5", "10.0"]
    assert [text for _, text in labels(Scale(0, 40), spec)] == ["0", "10", "20", "30", "40"]


def test_a_panel_has_a_track_a_model_with_the_interval_around_the_point() -> None:
    chart = headline_panel(sample())
    assert chart is not None
    assert [track.label for track in chart.tracks] == ["Base", "DPO", "DDPO"]
    for track in chart.tracks:
        dot = track.dots[0]
        assert EDGE <= dot.low <= dot.x <= dot.high <= 100 - EDGE
    assert chart.tracks[0].dots[0].x > chart.tracks[2].dots[0].x


def test_a_truncated_axis_is_marked() -> None:
    cut = {chart.title.split(":")[0]: chart.cut for chart in panels(sample(), "quality")}
    assert cut["Yes/no accuracy"]
    assert not cut["Invented mentions"]


def test_forests_keep_what_should_fall_apart_from_what_should_rise() -> None:
    fall, rise = forests(sample())
    assert fall.title == "What should fall: 14 of 22 differences clearly did, 1 clearly rose"
    assert rise.title == "What should rise: 0 of 8 differences clearly did, 1 clearly fell"
    assert fall.zero is not None
    first = fall.tracks[0].dots[0]
    assert first.high < fall.zero
    assert first.text == "\u221220.5"


def test_strata_say_in_how_many_parts_the_model_is_lower() -> None:
    (chart,) = strata_charts(sample())
    assert chart.title == (
        "Answers with an invented object: DDPO is lower in 3 of 3 parts, by what tends to be there"
    )
    assert chart.tracks[0].label == "usual scenes (n = 200)"


def test_a_scatter_puts_more_recall_to_the_right_and_fewer_inventions_lower() -> None:
    report = sample()
    drawn = scatter(report, report.trade_offs[0])
    assert drawn is not None
    base, dpo, ddpo = drawn.crosses
    assert dpo.x < ddpo.x < base.x
    assert base.y < dpo.y < ddpo.y <= SCATTER_PX


def test_of_two_near_points_the_lower_ones_label_is_below() -> None:
    report = sample()
    close = {"value": 0.5, "low": 0.45, "high": 0.55}
    moved = [e.model_copy(update=close) if e.model != "base" else e for e in report.estimates]
    report = report.model_copy(update={"estimates": tuple(moved)})
    pair = report.trade_offs[0]
    at_one = scatter(report, pair)
    assert at_one is not None
    at_one_place = [cross.below for cross in at_one.crosses if cross.label != "Base"]
    assert at_one_place == [0, 1]  # one above, the other below it
    lower = [
        e.model_copy(update={"value": 0.48})
        if (e.model, e.metric) == ("ddpo", pair.y.metric)
        else e
        for e in moved
    ]
    drawn = scatter(report.model_copy(update={"estimates": tuple(lower)}), pair)
    assert drawn is not None
    assert [(cross.label, cross.below) for cross in drawn.crosses if cross.below] == [("DDPO", 1)]


def test_what_is_counted_has_whole_numbers_on_its_axis() -> None:
    points = tuple(CurvePoint(x=x, y=x / 3) for x in (0, 1, 2))
    series = (CurveSeries(label="a", points=points),)
    drawn = curve(sample(), Curve(title="t", x_label="round", y_label="y", series=series))
    assert drawn is not None
    assert [tick.label for tick in drawn.x_ticks] == ["0", "1", "2"]


def test_labels_of_lines_that_end_together_are_pushed_apart() -> None:
    flat = tuple(
        CurveSeries(label=f"line {i}", points=(CurvePoint(x=0, y=1), CurvePoint(x=1, y=0.001 * i)))
        for i in range(5)
    )
    drawn = curve(sample(), Curve(title="t", x_label="x", y_label="y", series=flat))
    assert drawn is not None
    places = sorted(line.label_y for line in drawn.lines)
    assert all(b - a >= LABEL_PX - 1e-6 for a, b in pairwise(places))
    assert places[-1] <= CURVE_PX


def test_a_curve_without_points_is_not_drawn() -> None:
    empty = Curve(title="t", x_label="x", y_label="y", series=(CurveSeries(label="a", points=()),))
    assert curve(sample(), empty) is None
