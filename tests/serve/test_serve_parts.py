import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from groundtune.errors import UserError
from groundtune.serve.images import LentImages, RequestImage
from groundtune.serve.metrics import Metrics
from groundtune.serve.telling import TextStream, until_stop


def test_a_image_of_two_requests_stays_until_both_are_done():
    lent = LentImages()
    image = RequestImage("a", Image.new("RGB", (1, 1), "red"))
    with lent.lend([image]):
        with lent.lend([image, image]):
            assert len(lent) == 1
        assert lent.open("a").getpixel((0, 0)) == (255, 0, 0)
    assert len(lent) == 0
    with pytest.raises(UserError, match="no longer available"):
        lent.open("a")


@given(
    text=st.text("ab\n\u2615", max_size=30),
    stops=st.lists(st.text("ab\n\u2615", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 30), max_size=6),
)
def test_the_pieces_of_a_text_are_the_text_up_to_its_first_stop(
    text: str, stops: list[str], cuts: list[int]
):
    said: list[str] = []
    telling = TextStream(1, stops, lambda index, piece: said.append(piece))
    whole = until_stop(text, stops)
    for cut in sorted(cuts):
        ended = telling.grow([text[:cut]])
        assert whole.startswith("".join(said))
        assert ended == (set() if until_stop(text[:cut], stops) == text[:cut] else {0})
    telling.end([whole])
    assert "".join(said) == whole
    assert not any(stop in whole for stop in stops)


def test_half_a_character_is_not_streamed():
    said: list[str] = []
    telling = TextStream(1, (), lambda index, piece: said.append(piece))
    for text in ("A \ufffd", "A \ufffd\ufffd", "A \u2615", "A \u2615 cup"):
        telling.grow([text])
    assert said == ["A ", "\u2615", " cup"]


def test_metrics_add_up_and_their_buckets_too():
    metrics = Metrics({"requests_running": lambda: 2, "requests_waiting": lambda: 0})
    metrics.count("claims_total", verdict='odd "one"\n')
    metrics.count("claims_total", 2, verdict="rejected")
    for seconds in (0.05, 0.06, 400):
        metrics.record_duration(seconds)
    lines = metrics.text().splitlines()
    assert 'groundtune_claims_total{verdict="odd \\"one\\"\\n"} 1' in lines
    assert 'groundtune_claims_total{verdict="rejected"} 2' in lines
    assert "groundtune_requests_running 2" in lines
    found = [line.split()[-1] for line in lines if "_bucket" in line]
    assert found == ["1", *["2"] * 11, "3"]
    assert "groundtune_request_seconds_sum 400.11" in lines
