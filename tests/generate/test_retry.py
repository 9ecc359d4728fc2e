import time
from email.utils import formatdate

import pytest

from groundtune.generate.retry import may_pass, retry_after_s


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("0", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
    ],
)
def test_a_server_says_when_to_come_back_in_seconds(header: str, seconds: float | None):
    assert retry_after_s(header) == seconds


def test_or_it_says_so_as_a_date():
    assert retry_after_s(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=5)
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("Wed, 99 Oct 2015 07:28:00 GMT") is None


@pytest.mark.parametrize(
    ("status", "passing"),
    [(200, False), (400, False), (401, False), (404, False), (408, True), (429, True), (500, True)],
)
def test_statuses_that_may_pass(status: int, passing: bool):
    assert may_pass(status) == passing
