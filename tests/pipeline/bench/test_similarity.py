"""Similarity of nouns from a file of word vectors."""

from pathlib import Path

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.pipeline.bench.similarity import WordVectors


@pytest.mark.parametrize("head", ["", "3 2\n"])
def test_it_is_the_cosine_of_two_words_vectors(tmp_path: Path, head: str):
    path = tmp_path / "vectors.txt"
    path.write_text(f"{head}sea 1 0\nocean 3 4\nn\u00f6tig 0 -2.5e0\n", encoding="utf-8")
    similar = WordVectors(path)
    assert similar("sea", "ocean") == pytest.approx(0.6)
    assert similar("ocean", "n\u00f6tig") == pytest.approx(-0.8)
    assert similar("sea", "lake") == 0
    assert similar.__name__ == "cosine of vectors.txt"


def test_a_line_that_is_no_vector_is_refused_with_its_row(tmp_path: Path):
    path = tmp_path / "vectors.txt"
    path.write_text("sea 1 0\nocean 1 x\nlake 1\n")
    with pytest.raises(UserError, match=r"number can't be read[\s\S]*vectors.txt:2"):
        WordVectors(path)("sea", "ocean")
    with pytest.raises(UserError, match="'sea' has 2 numbers, 'lake' 1"):
        WordVectors(path)("sea", "lake")


def test_word_vectors_for_a_benchmark_that_compares_no_nouns_are_refused(tmp_path: Path) -> None:
    params = ScoreSettings(name="pope", answers=tmp_path / "a.jsonl", data=(tmp_path / "q.json",))
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("dog 1 0\ncat 0 1\n")
    scoring = Scoring(similarity=WordVectors(vectors))
    with pytest.raises(UserError, match="compares no nouns"):
        score_bench(params, tmp_path / "out", SilentProgress(), scoring=scoring)
