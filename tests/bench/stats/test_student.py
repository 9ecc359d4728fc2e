import pytest

from groundtune.bench.stats.student import SERIES_FROM, student_quantile


@pytest.mark.parametrize("share", [0.9, 0.975, 0.995])
@pytest.mark.parametrize(
    "freedom", [1, 2, 3, 4, 9, 10, 50, 199, SERIES_FROM - 1, SERIES_FROM, 1023, 10**6]
)
def test_quantiles_are_scipys(freedom: int, share: float):
    from scipy.special import stdtrit  # pyright: ignore

    assert student_quantile(freedom, share) == pytest.approx(
        float(stdtrit(freedom, share)), rel=1e-11
    )


def test_one_and_two_degrees_of_freedom_have_closed_forms():
    assert student_quantile(1, 0.75) == pytest.approx(1)
    assert student_quantile(2, 0.975) == pytest.approx(0.95 * (2 / (1 - 0.95**2)) ** 0.5)
