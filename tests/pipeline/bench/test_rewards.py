"""Rewards on VL-RewardBench: the higher reward is the better answer, in both orders."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from example_packages import install_example, installed
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.reward.model import load_reward_model
from groundtune.pipeline.reward.rewarders import REWARDS
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Score
from groundtune.store.dataset import RecordSet
from reward_folder import fill_compared, settings_for
from training_folder import image_bytes

PAIRS = {
    # id: the two answers; the first has fewer words except where both have as many
    "RLAIF-1": ("A cat.", "A cat on a mat."),
    "RLHF-V_2": ("A dog.", "A dog and a cat."),
    "mmmu_3": ("Two.", "It is two."),
    "mathverse_4": ("Three.", "Four."),
    "wildvision-5": ("Yes.", "Yes, it is."),
}
WORSE = {"RLAIF-1": 1, "RLHF-V_2": 0, "mmmu_3": 1, "mathverse_4": 0, "wildvision-5": 1}


def write(path: Path, *, inside: bool = True) -> Path:
    rows: list[dict[str, Any]] = []
    for number, (name, answers) in enumerate(PAIRS.items()):
        image = image_bytes("red", 40 + number)
        row = {
            "id": name,
            "query": "<image>\nWhat is it?",
            "response": list(answers),
            "human_ranking": [int(WORSE[name] == place) for place in (0, 1)],
        }
        if inside:
            row["image"] = {"bytes": image, "path": None}
        else:
            (path.parent / f"{name}.png").write_bytes(image)
        rows.append(row)
    if inside:
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def metrics(out: Path) -> dict[str, float]:
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    return {row["metric"]: row["value"] for row in summary}


@pytest.mark.parametrize("mode", ["official", "strict"])
def test_an_installed_reward_prefers_the_answers_it_should(mode: str, tmp_path: Path):
    data = write(tmp_path / "pairs.parquet")
    command = ["bench", "run", "reward:few-words", "vl_rewardbench", "--data", str(data)]
    with installed(install_example("own_reward", tmp_path / "site"), REWARDS):
        assert run([*command, "--mode", mode, "--out", str(tmp_path / "out")]) == EXIT_DONE
    found = metrics(tmp_path / "out")
    tie = 1 if mode == "official" else 0.5
    assert found["accuracy_general"] == 1
    assert found["accuracy_hallucination"] == 0.5
    assert found["accuracy_reasoning"] == tie
    assert found["macro_accuracy"] == pytest.approx((1 + 0.5 + tie) / 3)
    assert found["unread_pairs"] == pytest.approx(1 / 5)
    texts = [answer.text for answer in RunFolder(tmp_path / "out").answers.read()]
    assert "The scores are -2.0 and -5.0. Overall Judgment: Answer 1 is better." in texts
    assert "The scores are -5.0 and -2.0. Overall Judgment: Answer 2 is better." in texts


def test_a_trained_reward_model_is_judged_by_its_own_rewards(
    tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = fill_compared(tmp_path / "compared")
    settings = settings_for(tiny_llava, folder.path)
    model = train_reward(settings, tmp_path / "trained", SilentProgress()).model
    data = write(tmp_path / "pairs.jsonl", inside=False)
    command = ["bench", "run", str(model), "vl_rewardbench", "--data", str(data)]
    assert run([*command, "--images", str(tmp_path), "--out", str(tmp_path / "out")]) == EXIT_DONE
    out = RunFolder(tmp_path / "out")
    loaded = load_reward_model(model, out.images)
    scores = RecordSet(tmp_path / "out" / "scores", Score).read()
    assert len(scores) == 2 * len(PAIRS)
    for prompt in out.prompts.read():
        name, _, order = prompt.source.row.partition("/")
        question = prompt.model_copy(
            update={"messages": (_asked(prompt.messages[0], "What is it?"),), "key": f"q {name}"}
        )
        first, second = loaded.reward([question] * 2, list(PAIRS[name]))
        better = 1 if (first > second) == (order == "1") else 2
        [score] = [each for each in scores if each.item == prompt.source.row]
        assert score.extracted == (str(better),)
    assert run(["bench", "run", str(model), "world-captions", "--out", str(tmp_path / "no")]) == 2
    assert "gives none, but world-captions asks for some" in capsys.readouterr().err
    command = ["sample", "--model", str(model), "--prompts", "world:2", "--out"]
    assert run([*command, str(tmp_path / "sampled")]) == EXIT_INPUT
    what, where, fix = capsys.readouterr().err.splitlines()[-3:]
    assert "The folder has a reward model" in what
    assert str(model) in where
    assert "groundtune reward score" in fix


def _asked(message: Any, text: str) -> Any:
    image, question = message.content
    return message.model_copy(
        update={"content": (image, question.model_copy(update={"text": text}))}
    )


def test_an_answer_without_a_reward_is_unread(tmp_path: Path):
    from groundtune.bench.tasks.vl_rewardbench.judgements import rewarded, verdict
    from groundtune.bench.tasks.vl_rewardbench.pairs import items, read_data
    from groundtune.store.images import ImageStore

    class Half:
        def reward(self, prompts: Any, answers: Any) -> list[float]:
            return [float("nan") if "cat" in text else 1.0 for text in answers]

    data = read_data([write(tmp_path / "pairs.parquet")])
    asked = items(data, tmp_path, ImageStore(tmp_path / "images"))
    replies = rewarded(data, asked, Half())([item.prompt for item in asked])
    assert [verdict(text) for text in replies] == [None] * 10
    assert replies[0] == "An answer has no reward."
    assert "both answers are as good" in replies[-1]
