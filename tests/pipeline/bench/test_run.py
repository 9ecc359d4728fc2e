"""Benchmarks as a stage: a folder of answers, scores and a summary; answers that exist."""

import json
from pathlib import Path

import numpy as np
import pytest

from groundtune.bench.item import ItemSelection, Mode
from groundtune.bench.run.opening import opening_of
from groundtune.bench.run.run import read_scores
from groundtune.bench.world.captions import load
from groundtune.bench.world.images import find_scene
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.bench.kept import results_in
from groundtune.pipeline.bench.result import Measurement
from groundtune.pipeline.bench.run import BenchSettings, run_bench
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.records import Estimate, Prompt
from groundtune.store.images import ImageStore
from groundtune.world.captions import EVALUATION_INSTRUCTIONS, MACHINE, caption
from scripted_endpoint import ScriptedEndpoint, running


def machine(prompt: Prompt, seed: int) -> str:
    scene = find_scene(prompt.source.row)
    if prompt.question in EVALUATION_INSTRUCTIONS:
        return caption(scene, np.random.default_rng([seed % 2**32, scene.seed]), MACHINE)
    return "Yes."


def do(
    out: Path, *, final: bool = False, notebook: Path | None = None, **settings: object
) -> list[Estimate]:
    params = BenchSettings.model_validate({"model": "machine", "n": 10, **settings})
    model = ScriptedGenerator(machine, lambda prompt: 0.2, name="machine")
    return run_bench(
        params,
        out,
        SilentProgress(),
        generator=model,
        final=final,
        notebook=notebook,
        command=("groundtune", "bench", "run", "--final"),
    ).estimates


def measure(
    path: Path, out: Path, n: int = 10, name: str = "world", mode: Mode | None = None
) -> Measurement:
    params = ScoreSettings(name=name, answers=path, selection=ItemSelection(n=n), mode=mode)
    return score_bench(params, out, SilentProgress())


def score(path: Path, out: Path, n: int = 10) -> list[Estimate]:
    return measure(path, out, n).estimates


def test_a_run_writes_a_summary_of_all_metrics_with_intervals(tmp_path: Path):
    estimates = do(tmp_path, self_knowledge=True)
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert [Estimate.model_validate(row) for row in rows] == estimates
    found = {(row["benchmark"], row["metric"]): row for row in rows}
    for place in (
        ("world-captions/greedy", "chair_sentence"),
        ("world-captions/t1", "recall"),
        ("world-captions/missing/greedy", "overgeneral_delta"),
        ("world-questions/adversarial/greedy", "f1"),
        ("world-questions/place/t1", "unparsed"),
        ("world-self-knowledge/greedy", "prior_slope"),
    ):
        assert found[place]["low"] <= found[place]["value"] <= found[place]["high"]
    assert found["world-self-knowledge/greedy", "knows_better"]["value"] == 1


def test_what_a_model_knows_of_hard_scenes_has_a_name_of_its_own(tmp_path: Path):
    estimates = do(tmp_path, self_knowledge=True, benchmarks=("world-hard-captions",))
    knowledge = {
        e.metric: e for e in estimates if e.benchmark == "world-hard-self-knowledge/greedy"
    }
    assert knowledge["knows_better"].value == 1
    assert "prior_slope" in knowledge
    assert not [e for e in estimates if e.benchmark.startswith("world-self-knowledge")]


def test_self_knowledge_without_captions_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="what it knows"):
        do(tmp_path, self_knowledge=True, benchmarks=("world-questions",))
    assert not list(tmp_path.iterdir())


def test_a_runs_folder_can_be_scored_again_without_a_model(tmp_path: Path):
    first = {(e.benchmark, e.metric): e for e in do(tmp_path / "run")}
    for out in (tmp_path / "again", tmp_path / "run"):
        again = score(tmp_path / "run", out)
        assert {(e.benchmark, e.metric): e for e in again} == first
        assert len(again) == len(first)


def test_json_lines_are_matched_by_scene_and_question(tmp_path: Path):
    images = ImageStore(tmp_path / "images")
    file = tmp_path / "theirs.jsonl"
    rows = [
        {
            "scene": item.image,
            "question": item.prompt.question,
            "answer": f"There is a {find_scene(item.image).things[0].category}.",
        }
        for item in load(ItemSelection(n=10), images)
        if item.benchmark == "world-captions"
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    estimates = score(file, tmp_path / "out")
    found = {(made.benchmark, made.metric): made for made in estimates}
    assert found["world-captions/greedy", "chair_sentence"].value == 0
    assert found["world-captions/greedy", "mentions"].value == 1
    assert {made.model for made in estimates} == {"theirs"}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    with pytest.raises(UserError, match="Only 9 of 10 items of world-captions"):
        score(file, tmp_path / "less")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\n", "not JSON"),
        ('{"scene": "development/0", "answer": "x"}\n', '"question" is missing'),
        ('["a"]\n', "not a JSON object"),
        ('{"scene": "development/0", "question": "Who?", "answer": "x"}\n', "None of the answers"),
        ("", "None of the answers"),
    ],
)
def test_answers_that_are_none_are_the_users_error(tmp_path: Path, text: str, message: str):
    file = tmp_path / "answers.jsonl"
    file.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        score(file, tmp_path / "out", n=2)
    assert "answers.jsonl" in error.value.where
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_file_that_is_not_there_is_the_users_error(tmp_path: Path):
    with pytest.raises(UserError, match="doesn't exist"):
        score(tmp_path / "none.jsonl", tmp_path / "out")


def test_results_and_items_are_reported_as_those_of_any_other_benchmark(tmp_path: Path):
    do(tmp_path / "run")
    score(tmp_path / "run", tmp_path / "again")
    found = {(e["benchmark"], e["decoding"]): e for e in results_in(tmp_path / "again")}
    assert set(found) == {
        (name, decoding)
        for name in ("world-captions", "world-questions")
        for decoding in ("greedy", "t1")
    }
    told = found["world-captions", "greedy"]
    assert told["mode"] == "strict"
    assert told["metrics"]["chair_sentence"] is not None
    rows = Path(str(told["items"])).read_text().splitlines()
    assert len(rows) == told["n"]
    assert set(json.loads(rows[0])) >= {"item", "answer", "extracted", "values", "status", "why"}


def test_a_model_behind_an_endpoint_is_measured_like_any_other(tmp_path: Path):
    endpoint = ScriptedEndpoint(lambda body, index: "Yes.")
    with running(endpoint):
        params = BenchSettings(model=f"openai:tiny@{endpoint.url}", benchmarks=("world",), n=2)
        estimates = run_bench(params, tmp_path, SilentProgress()).estimates
    found = {(each.benchmark, each.metric): each.value for each in estimates}
    assert found["world-questions/random/greedy", "yes_rate"] == 1
    assert found["world-captions/greedy", "recall"] == 0
    run = json.loads((tmp_path / "scores/run.json").read_text())
    assert "tiny" in run["inputs"]["model"]
    assert any("image_url" in str(body) for body in endpoint.bodies)


def lines(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of_captions(folder: Path, text: str) -> list[dict[str, str]]:
    return [
        {"scene": item.image, "question": item.prompt.question, "answer": text}
        for item in load(ItemSelection(n=10), ImageStore(folder / "images"))
        if item.benchmark == "world-captions"
    ]


def test_a_second_answer_to_a_scene_and_question_is_refused_with_its_row(tmp_path: Path):
    rows = rows_of_captions(tmp_path, "A cup.")
    file = lines(tmp_path / "twice.jsonl", [*rows, {**rows[3], "answer": "A dog."}])
    with pytest.raises(UserError, match=r"Row 11 answers 'development/3: .* again: row 4") as error:
        score(file, tmp_path / "out")
    assert error.value.where == f"{file}:11"


def test_answers_may_be_a_table_and_are_scored_again_in_place_of_the_first(tmp_path: Path):
    rows = rows_of_captions(tmp_path, "A cup.")
    for text in ("A cup.", "A dog."):
        cells = "".join(f"{row['scene']}\t{row['question']}\t{text}\n" for row in rows)
        table = f"scene\tquestion\tanswer\n{cells}"
        (tmp_path / "said.tsv").write_text(table, encoding="utf-8")
        score(tmp_path / "said.tsv", tmp_path / "out")
    kept = read_scores(tmp_path / "out")
    assert [each.answer for each in kept] == ["A dog."] * 10


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("listed", [False, True])
def test_answers_are_lines_or_a_list_with_any_line_break_of_unicode_in_a_text(
    tmp_path: Path, listed: bool, mark: str
):
    rows = rows_of_captions(tmp_path, "A farm.\u2028Two\x85 cows.")
    texts = [json.dumps(row, ensure_ascii=False) for row in rows]
    whole = f"[{','.join(texts)}]" if listed else "\r\n".join(texts)
    (tmp_path / "said.json").write_bytes((mark + whole).encode())
    score(tmp_path / "said.json", tmp_path / "out")
    kept = read_scores(tmp_path / "out")
    assert [each.answer for each in kept] == ["A farm.\u2028Two\x85 cows."] * 10


def test_questions_are_read_by_popes_own_rule_in_mode_official(tmp_path: Path):
    do(tmp_path / "run", benchmarks=("world-questions",))
    made = measure(tmp_path / "run", tmp_path / "again", name="world-questions", mode="official")
    assert {each.benchmark.partition("/")[0] for each in made.estimates} == {
        "world-questions:official"
    }
    with pytest.raises(UserError, match="world-captions has no mode official"):
        measure(tmp_path / "run", tmp_path / "other", mode="official")


def test_the_worlds_benchmarks_read_no_data_and_self_knowledge_is_none_by_itself(tmp_path: Path):
    file = lines(tmp_path / "a.jsonl", rows_of_captions(tmp_path, "A cup."))
    params = ScoreSettings(name="world-captions", answers=file, data=(file,))
    with pytest.raises(UserError, match="world-captions has no data in files"):
        score_bench(params, tmp_path / "out", SilentProgress())
    with pytest.raises(UserError, match="can't be run or scored by itself"):
        measure(file, tmp_path / "out", name="world-self-knowledge")


def test_the_test_split_stays_closed_for_answers_too(tmp_path: Path):
    with pytest.raises(UserError, match="closed"):
        do(tmp_path / "run", split="test")
    assert not (tmp_path / "run").exists()
    params = ScoreSettings(name="world", answers=tmp_path, selection=ItemSelection(split="test"))
    with pytest.raises(UserError, match="closed"):
        score_bench(params, tmp_path / "out", SilentProgress())


def test_each_opening_of_the_test_split_is_one_dated_line(tmp_path: Path):
    notebook = tmp_path / "notebook.md"
    notebook.write_text("# Notebook\n\n", encoding="utf-8")
    opened = {"benchmarks": ("world-captions",), "split": "test", "n": 5}

    def written() -> list[str]:
        return notebook.read_text(encoding="utf-8").splitlines()

    for _ in range(2):
        do(tmp_path / "out", final=True, notebook=notebook, **opened)
    (line,) = [row for row in written() if row.startswith("- ")]
    assert "machine, chair_sentence: world-captions/greedy" in line
    assert "world-captions/t1" in line
    assert "n 5" in line
    assert "`groundtune bench run --final`" in line
    assert line[2:12].replace("-", "").isdigit()
    params = ScoreSettings(
        name="world-captions",
        answers=tmp_path / "out",
        label="other",
        selection=ItemSelection(split="test", n=5),
    )
    opening = opening_of(tmp_path, True, notebook, ())
    score_bench(params, tmp_path / "again", SilentProgress(), opening=opening)
    assert len(written()) == 4
