"""Large files of POPE answers give the numbers that small ones give; memory stays flat."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# Reason: pyarrow ships no types.

import json
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from groundtune.bench.benchmark import LargeScores, Scoring
from groundtune.bench.files import columns
from groundtune.bench.files.columns import pieces
from groundtune.bench.item import MODES, Mode
from groundtune.bench.results import results_of, values_of_table
from groundtune.bench.tasks.pope import pope
from groundtune.bench.tasks.pope.columns import score_large
from groundtune.errors import UserError

GOLDEN = Path(__file__).parent / "golden" / "pope"
SAID = ("Yes.", "no", "NO", "", "not sure", 'Yes, there is a "sign".', "n\u00f6\n no", "No, it\\s")


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def files(folder: Path, said: list[str]) -> tuple[Path, Path]:
    asked = (
        {
            "question_id": i + 1,
            "image": f"p{i // 6}.jpg",
            "text": f"Is there {i}?",
            "label": ("yes", "no")[i % 2],
        }
        for i in range(len(said))
    )
    told = ({"question": f"Is there {i}?", "answer": text} for i, text in enumerate(said))
    return write(folder / "q.json", asked), write(folder / "a.json", told)


def large(questions: Path, answers: Path, mode: Mode, out: Path) -> LargeScores:
    made = score_large([questions], answers, mode, out / "items.jsonl")
    assert made is not None
    return made


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tidy", [True, False])
def test_both_ways_give_the_same_numbers_and_items(tmp_path: Path, mode: Mode, tidy: bool):
    said = [random.Random(i).choice(SAID[:5] if tidy else SAID) for i in range(300)]
    questions, answers = files(tmp_path, said)
    data = pope.read_data([questions])
    scores = pope.score(data, pope.read_answers(answers, data), Scoring(mode=mode))
    made = large(questions, answers, mode, tmp_path)
    small = results_of(pope.POPE, scores)
    assert made.n == small.n
    assert made.unparsed[mode] == small.unparsed
    assert values_of_table(made.tables[mode], pope.METRICS) == small.metrics
    for name, table in made.strata.items():
        assert values_of_table(table, pope.METRICS) == small.strata[name]
    rows = pq.read_table(made.items).to_pylist()
    assert [row["answer"] for row in rows] == said
    assert [row["item"] for row in rows] == list(range(1, 301))
    read = [score.extracted[0] if score.extracted else "unread" for score in scores]
    assert [row["extracted"] for row in rows] == read


def test_official_numbers_are_those_of_the_official_script(tmp_path: Path):
    official = json.loads((GOLDEN / "official.json").read_text())["random_600"]
    made = large(
        GOLDEN / "random_600_questions.json",
        GOLDEN / "random_600_answers.json",
        "official",
        tmp_path,
    )
    values = values_of_table(made.tables["official"], pope.METRICS)
    assert values["f1"] == official["printed"]["F1 score"]
    assert values["accuracy"] == official["printed"]["Accuracy"]


@pytest.mark.parametrize(("more", "message"), [(1, "61 answers to 60"), (-1, "59 answers to 60")])
def test_another_number_of_answers_is_refused(tmp_path: Path, more: int, message: str):
    questions, answers = files(tmp_path, ["yes"] * 60)
    lines = answers.read_text().splitlines()
    answers.write_text("\n".join((lines * 2)[: 60 + more]))
    with pytest.raises(UserError, match=message):
        large(questions, answers, "official", tmp_path)


def asked_with(path: Path, change: Callable[[int, str], str]) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    write(path, [row | {"question": change(i, row["question"])} for i, row in enumerate(rows, 1)])


def test_answers_in_another_order_are_refused_with_the_first_ones_row(tmp_path: Path):
    questions, answers = files(tmp_path, ["yes"] * 60)
    lines = answers.read_text().splitlines()
    lines[40], lines[50] = lines[50], lines[40]
    answers.write_text("\n".join(lines))
    with pytest.raises(
        UserError, match=r"'Is there 50\?', question 41 is 'Is there 40\?'"
    ) as error:
        large(questions, answers, "official", tmp_path)
    assert error.value.where == f"{answers}, answer 41"


@pytest.mark.parametrize("n", [60, 60_000])
def test_the_last_of_many_answers_is_held_against_its_question(tmp_path: Path, n: int):
    questions, answers = files(tmp_path, ["yes"] * n)
    asked_with(answers, lambda i, text: "Is there a dog?" if i == n else f"{text} Yes or no?")
    with pytest.raises(UserError, match=f"question {n:,} is 'Is there {n - 1}") as error:
        large(questions, answers, "official", tmp_path)
    assert error.value.where == f"{answers}, answer {n:,}"


def test_words_around_the_questions_do_not_matter(tmp_path: Path):
    questions, answers = files(tmp_path, ["yes"] * 600)
    asked_with(answers, lambda i, text: f'<image>\n{text} "Yes" or "no"?' if i % 7 else "")
    assert large(questions, answers, "official", tmp_path).n == 600


def test_answers_without_questions_go_by_order(tmp_path: Path):
    questions, answers = files(tmp_path, ["yes"] * 60)
    write(answers, [{"answer": "yes"}] * 60)
    assert large(questions, answers, "official", tmp_path).n == 60


def test_a_line_that_is_no_json_is_refused_with_its_row(tmp_path: Path):
    questions, answers = files(tmp_path, ["yes"] * 60)
    lines = answers.read_text().splitlines()
    answers.write_text("\n".join([*lines[:40], lines[40][:-4], *lines[41:]]))
    with pytest.raises(UserError, match=r"not JSON[\s\S]*a.json:41"):
        large(questions, answers, "official", tmp_path)


def test_of_a_key_that_a_line_has_twice_the_last_counts_as_for_json(tmp_path: Path):
    path = write(tmp_path / "a.json", [{"answer": "a", "id": "x"}] * 5)
    with path.open("a") as file:
        file.write('{"answer": "first", "answer": "last"}\n')
    texts = [text for piece in pieces(path, ["answer"]) for text in piece["answer"].texts]
    assert texts == ["a", "last"]


def test_lines_of_other_keys_are_read_one_by_one(tmp_path: Path):
    rows: list[Mapping[str, object]] = [{"id": i, "answer": f"a{i % 3}"} for i in range(50)]
    rows.append({"answer": "other", "why": "x", "id": "y"})
    path = write(tmp_path / "a.json", rows)
    read = [
        column.texts[code]
        for piece in pieces(path, ["answer"])
        for column in [piece["answer"]]
        for code in column.codes_N
    ]
    assert read == [row["answer"] for row in rows]


@pytest.mark.parametrize(
    "odd",
    [
        '{"answer": "other", "id": "y"}',
        '{"id": "y", "answer" : "other"}',
        '{"answer": "x", "answer": "other"}',
        '{"id": "y", "answer": "x", "answer": "other"}',
    ],
)
def test_a_line_of_as_many_texts_in_another_place_is_read_with_care(tmp_path: Path, odd: str):
    path = write(tmp_path / "a.json", [{"id": "x", "answer": f"a{i % 3}"} for i in range(50)])
    with path.open("a") as file:
        file.write(odd + "\n")
    read = [
        piece["answer"].texts[code]
        for piece in pieces(path, ["answer"])
        for code in piece["answer"].codes_N
    ]
    assert read == [*(f"a{i % 3}" for i in range(50)), "other"]


@pytest.mark.parametrize("text", ['a "b" c', 'ends in "quotes"', "a\\", "a \u00fc\n b"])
def test_escapes_that_all_lines_share_are_read(tmp_path: Path, text: str):
    path = write(tmp_path / "a.json", [{"id": i, "answer": text} for i in range(5)])
    (piece,) = pieces(path, ["answer"])
    assert piece["answer"].texts == [text]
    assert len(piece["answer"].codes_N) == 5


def test_other_tools_layouts_are_left_to_the_usual_way(tmp_path: Path):
    questions, _ = files(tmp_path, ["yes"])
    samples = write(tmp_path / "s.jsonl", [{"doc": {}, "target": "yes", "resps": [["yes"]]}])
    assert score_large([questions], samples, "official", tmp_path / "x.jsonl") is None


@pytest.mark.parametrize(("n", "is_large"), [(3000, False), (30_000, True)])
def test_one_split_gets_scores_and_many_more_questions_are_read_in_chunks(
    tmp_path: Path, n: int, is_large: bool
):
    questions, answers = files(tmp_path, ["yes"] * n)
    made = pope.large([questions], answers, "official", tmp_path / "items.jsonl")
    assert (made is not None) == is_large


def test_chunks_are_scored_without_pandas(tmp_path: Path):
    questions, answers = files(tmp_path, ["yes"] * 60)
    code = (
        "import sys; from pathlib import Path\n"
        "from groundtune.bench.tasks.pope.columns import score_large\n"
        "questions, answers, items = map(Path, sys.argv[1:])\n"
        "assert score_large([questions], answers, 'official', items).n == 60\n"
        "print('pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(questions), str(answers), str(tmp_path / "items")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.bench
def test_memory_stays_flat_and_answers_fast(tmp_path: Path):
    # the files are written line by line: a child's peak begins at its parent's
    peaks: list[int] = []
    for number in (400_000, 1_600_000):
        rng = random.Random(0)
        questions, answers = files(tmp_path, rng.choices(SAID[:5], k=number))
        code = (
            "import resource, sys; from groundtune.cli.app import run; run(sys.argv[1:]);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = ["bench", "score", "pope", str(answers), "--data", str(questions), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.splitlines()[-1]) // 1024)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"peak {peaks} MiB for 400,000 and 1,600,000 answers; {used.ru_utime:.1f} s in all")
    assert peaks[1] < 1.3 * peaks[0]


ESCAPED = (
    'The sign says "no".',
    'No, it says "a"',
    '"',
    "\\",
    '\\\\"',
    "ends with \\",
    "caf\u00e9 \U0001f600",
    "No\n\tand \u0001 more",
    "",
)


def test_answers_with_escapes_are_read_as_a_table_wherever_a_piece_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [random.Random(i).choice(ESCAPED) for i in range(400)]
    path = write(tmp_path / "a.json", ({"answer": text, "n": i} for i, text in enumerate(said)))
    for size in (997, 4001, columns.PIECE):
        monkeypatch.setattr(columns, "PIECE", size)
        monkeypatch.setattr(columns, "_by_lines", None)  # never called
        read = [
            col.texts[code]
            for piece in pieces(path, ["answer"])
            for col in [piece["answer"]]
            for code in col.codes_N
        ]
        assert read == said


@pytest.mark.parametrize("last", ['{"answer": "no", "n": 5}', "", '{"answer": "a\tb", "n": 6}'])
def test_lines_of_windows_are_a_table_and_a_line_with_a_tab_is_refused_by_its_number(
    tmp_path: Path, last: str
) -> None:
    path = tmp_path / "a.json"
    rows = [f'{{"answer": "no {i} \\"x\\"", "n": {i}}}' for i in range(5)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*rows, last]).encode())
    if "\t" in last:
        with pytest.raises(UserError) as error:
            list(pieces(path, ["answer"]))
        assert error.value.where == f"{path}:6"
        return
    texts = [
        col.texts[code]
        for piece in pieces(path, ["answer"])
        for col in [piece["answer"]]
        for code in col.codes_N
    ]
    assert texts == [f'no {i} "x"' for i in range(5)] + ["no"] * bool(last)


def test_half_a_character_that_is_escaped_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"answer": "\\ud83d\\ude00"}\n{"answer": "a \\ud83d"}\n')
    with pytest.raises(UserError, match="half a character") as error:
        list(pieces(path, ["answer"]))
    assert error.value.where == f"{path}:2"
