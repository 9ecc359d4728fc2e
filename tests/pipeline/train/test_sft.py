"""Supervised tuning: answers alone count, rejected ones don't run, folders are mixed by weight."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from groundtune.cli.app import EXIT_DONE, run
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.methods.sft import SFT
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.overlap import training_images
from groundtune.pipeline.train.data import read_pairs, weighted
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Message, Pair, Producer, Prompt, TextPart
from groundtune.train.data import DataRules, EncodedPairs, encode_pairs
from groundtune.train.log import read_log
from groundtune.train.rows import TrainingPairs
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import Vlm, load
from training_folder import COLOURS, ask, fill_folder, image_bytes

ROUNDS = ("A red cup.", "Is it big?", "No.", "How many?")


def examples(path: Path, number: int = 6, rounds: tuple[str, ...] = ()) -> RunFolder:
    """Prompts with an answer to learn each; with `rounds`, earlier answers and questions."""
    folder = RunFolder(path)
    prompts: list[Prompt] = []
    for i in range(number):
        image = folder.images.add(image_bytes(COLOURS[i % len(COLOURS)]))
        prompt = ask(f"{path.name}{i}", f"What is it, {i}?", [image])
        roles = ("assistant", "user")
        said = [
            Message(role=roles[n % 2], content=(TextPart(text=text),))
            for n, text in enumerate(rounds)
        ]
        prompts.append(prompt.model_copy(update={"messages": (*prompt.messages, *said)}))
    folder.prompts.append(prompts)
    by = Producer(kind="dataset", name="tests")
    folder.answers.append(
        [
            Answer(key=f"a{p.key}", prompt=p.key, text=f"Two cups, {i}.", producer=by)
            for i, p in enumerate(prompts)
        ]
    )
    return folder


def settings(model: Path, pairs: Path, **changes: object) -> TrainSettings:
    given = {
        "model": str(model),
        "pairs": pairs,
        "method": {"type": "sft"},
        "tune": {"type": "lora", "r": 2},
        "optim": {"lr": 1e-2},
        "batch_size": 3,
        "dtype": "float32",
        "epochs": 2,
    }
    return TrainSettings.model_validate({**given, **changes})


def encoded(vlm: Vlm, chosen: TrainSettings) -> EncodedPairs:
    data = read_pairs(chosen)
    return encode_pairs(
        vlm,
        data.pairs,
        data.prompts,
        data.images,
        chosen.data,
        SilentProgress(),
        compares=chosen.method.compares,
    )


def test_a_run_learns_imported_answers_and_logs_no_comparison(tiny_llava: Path, tmp_path: Path):
    folder = examples(tmp_path / "data")
    out = tmp_path / "out"
    train(settings(tiny_llava, folder.path, epochs=6), out, SilentProgress())
    log = read_log(out / "log.jsonl")
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    assert not {"margin", "accuracy", "logp_rejected"} & log[0].keys()
    assert (out / "model" / "adapter_config.json").exists()


def test_the_loss_is_the_mean_over_the_answers_tokens_of_all_rounds(
    tiny_llava: Path, tmp_path: Path
):
    vlm = load(str(tiny_llava), dtype="float32", device="cpu")
    folder = examples(tmp_path / "data", 2, ROUNDS)
    chosen = settings(tiny_llava, folder.path, data={"rounds": "all"})
    pairs = encoded(vlm, chosen)
    ready = TrainingPairs(encoded=pairs, references=None)
    rows = [ready.row(group) for group in pairs.groups]
    assert [len(row.rows[0].answers) for row in rows] == [1, 1]  # no rejected answer is run
    with torch.no_grad():
        logp = separate(vlm, [each for row in rows for each in row.rows])
        loss_B = SFT().loss(ready.collate(rows, logp)).value_B
        for value, prompt, answer in zip(
            loss_B, folder.prompts.read(), folder.answers.read(), strict=True
        ):
            told: list[torch.Tensor] = []
            for place in (1, 3, 5):  # each answer after the rounds before it
                text = (
                    answer.text
                    if place == 5
                    else "".join(part.text for part in prompt.messages[place].content)  # pyright: ignore
                )
                upto = prompt.model_copy(update={"messages": prompt.messages[:place]})
                row = PromptRow(
                    encode_prompt(vlm, upto, folder.images), (encode_answer(vlm, text),)
                )
                told += list(separate(vlm, [row])[0])
            assert float(value) == pytest.approx(-float(torch.cat(told).mean()), abs=1e-5)


def test_only_the_last_answer_is_learnt_by_default(tiny_llava: Path, tmp_path: Path):
    vlm = load(str(tiny_llava), dtype="float32", device="cpu")
    folder = examples(tmp_path / "data", 1, ROUNDS)
    last = encoded(vlm, settings(tiny_llava, folder.path)).pair(0)
    every = encoded(vlm, settings(tiny_llava, folder.path, data={"rounds": "all"})).pair(0)
    assert sum(last.chosen_counted) == len(encode_answer(vlm, "Two cups, 0.").ids)
    assert sum(every.chosen_counted) > sum(last.chosen_counted)
    assert len(every.prompt_ids) < len(last.prompt_ids)
    with pytest.raises(ValidationError, match=r"use method\.type=sft"):
        settings(tiny_llava, folder.path, data={"rounds": "all"}, method={"type": "dpo"})


def test_of_pairs_the_rejected_answers_are_not_run(tiny_llava: Path, tmp_path: Path):
    vlm = load(str(tiny_llava), dtype="float32", device="cpu")
    folder = fill_folder(tmp_path / "pairs", 4)
    pairs = encoded(vlm, settings(tiny_llava, folder.path))
    dpo = encoded(vlm, settings(tiny_llava, folder.path, method={"type": "dpo"}))
    assert pairs.row_tokens([0]) < dpo.row_tokens([0])
    assert pairs.answers(0) == (dpo.answers(0)[0], dpo.answers(0)[0])
    plan = plan_training(settings(tiny_llava, folder.path), SilentProgress())
    assert plan.answer_tokens == sum(len(pairs.answers(i)[0].ids) for i in range(4))


def keys(pairs: list[Pair]) -> list[str]:
    return [pair.key for pair in pairs]


def test_a_weight_says_how_often_a_pair_counts(tmp_path: Path):
    pairs = fill_folder(tmp_path / "a", 10).pairs.read()
    assert keys(weighted(pairs, 1, 0)) == keys(pairs)
    assert len(weighted(pairs, 0.3, 0)) == 3
    assert keys(weighted(pairs, 0.3, 0)) == keys(weighted(pairs, 0.3, 0))
    assert keys(weighted(pairs, 0.3, 0)) != keys(weighted(pairs, 0.3, 1))
    more = weighted(pairs, 2.5, 0)
    assert len(more) == len(set(keys(more))) == 25
    assert {pair.key.partition("+")[0] for pair in more} == set(keys(pairs))


def test_folders_are_mixed_with_their_images_and_the_result_resumes(
    tiny_llava: Path, tmp_path: Path
):
    first, second = examples(tmp_path / "a", 4), examples(tmp_path / "b", 4, ROUNDS)
    third = fill_folder(tmp_path / "c", 3)
    mix = [{"folder": second.path, "weight": 0.5}, {"folder": third.path, "weight": 2}]
    chosen = settings(tiny_llava, first.path, mix=mix, data={"rounds": "all"}, epochs=1)
    data = read_pairs(chosen)
    assert len(data.pairs) == 4 + 2 + 6
    train(chosen, tmp_path / "out", SilentProgress())
    assert len(read_log(tmp_path / "out/log.jsonl")) == 4
    before = (tmp_path / "out/log.jsonl").read_bytes()
    train(chosen, tmp_path / "out", SilentProgress())
    assert (tmp_path / "out/log.jsonl").read_bytes() == before
    heavier = chosen.model_copy(update={"mix": chosen.mix[:1]})
    with pytest.raises(UserError, match="other settings, data or another model"):
        train(heavier, tmp_path / "out", SilentProgress())
    used = {sha for each in training_images([str(tmp_path / "out/model")]) for sha in each.hashes}
    assert {sha for prompt in third.prompts.read() for sha in prompt.images} <= used
    assert {sha for prompt in second.prompts.read() for sha in prompt.images} <= used


def test_a_mix_that_can_not_be_read_is_refused(tiny_llava: Path, tmp_path: Path):
    first = examples(tmp_path / "a", 2)
    with pytest.raises(UserError, match="holds no answers to learn"):
        read_pairs(settings(tiny_llava, tmp_path / "nothing"))
    with pytest.raises(UserError, match="holds no answers to learn"):
        read_pairs(settings(tiny_llava, first.path, mix=[{"folder": tmp_path / "nothing"}]))
    other = examples(tmp_path / "b", 2)
    prompts = first.prompts.read()
    changed = [
        p.model_copy(update={"key": q.key}) for p, q in zip(prompts[::-1], prompts, strict=True)
    ]
    folder = RunFolder(tmp_path / "c")
    folder.prompts.append(changed)
    folder.answers.append(
        [
            a.model_copy(update={"prompt": p.key})
            for a, p in zip(other.answers.read(), changed, strict=True)
        ]
    )
    with pytest.raises(UserError, match="is another one in an earlier folder"):
        read_pairs(settings(tiny_llava, first.path, mix=[{"folder": folder.path}]))
    with pytest.raises(UserError, match="holds no pairs"):
        read_pairs(settings(tiny_llava, first.path, method={"type": "dpo"}))


def test_images_of_an_evaluation_in_a_mixed_folder_are_refused(tiny_llava: Path, tmp_path: Path):
    first, second = examples(tmp_path / "a", 1), examples(tmp_path / "b", 3)
    evaluated = examples(tmp_path / "bench", 3)
    given = settings(
        tiny_llava, first.path, mix=[{"folder": second.path}], evaluations=[evaluated.path]
    )
    with pytest.raises(UserError, match="evaluation images are in the training data"):
        read_pairs(given)


def test_world_examples_are_true_answers_and_the_base_learns_from_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    truth, out = tmp_path / "truth", tmp_path / "out"
    command = ["world", "examples", "--scenes", "4", "--questions", "3", "--out", str(truth)]
    assert run([*command, "--json"]) == EXIT_DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["captions"], told["questions"]) == (4, 12)
    answers = RunFolder(truth).answers.read()
    assert {answer.producer.kind for answer in answers} == {"dataset"}
    assert run(command) == EXIT_DONE  # the same again
    assert len(RunFolder(truth).answers.read()) == len(answers)
    learn = ["train", "world-sft", "--pairs", str(truth), "--out", str(out), "batch_size=8"]
    assert run([*learn, "max_steps=2", "--json"]) == EXIT_DONE
    assert (out / "model" / "model.safetensors").exists()
    assert DataRules().rounds == "last"
