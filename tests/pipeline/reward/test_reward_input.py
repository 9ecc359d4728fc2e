"""Feedback that no reward model can learn from, and facts that are not what they are called."""

import json
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_DONE, run
from groundtune.errors import UserError
from groundtune.pipeline.reward.data import FEWEST, read_data, refuse_other_facts, texts_of
from groundtune.pipeline.reward.judging import RewardRequests, check_facts
from groundtune.pipeline.reward.settings import FactSettings, JudgingSettings
from groundtune.records import Source
from groundtune.world import DATASET
from reward_folder import fill_compared, settings_for
from training_folder import image_bytes


def test_images_are_learnt_from_or_held_out_but_never_both(tmp_path: Path):
    folder = fill_compared(tmp_path)
    data = read_data(settings_for(tmp_path, tmp_path))
    prompts = folder.prompts_by_key()
    sides = [{prompts[e.prompt].images for e in own} for own in (data.training, data.held_out)]
    assert not sides[0] & sides[1]
    assert len(data.training) + len(data.held_out) == 24 * 3


def test_comparisons_without_a_difference_are_named_or_counted(tmp_path: Path):
    fill_compared(tmp_path, texts={"a0-0": "Two cups.", "a0-1": "Two cups."})
    with pytest.raises(UserError, match="Both answers are the same text"):
        read_data(settings_for(tmp_path, tmp_path))
    data = read_data(settings_for(tmp_path, tmp_path, skip_bad=True))
    assert sum(data.left_out.values()) == 1


def test_ties_are_left_out_and_counted_or_learnt_as_half(tmp_path: Path):
    fill_compared(tmp_path, ties=1)
    assert read_data(settings_for(tmp_path, tmp_path)).left_out["ties"] == 1
    half = read_data(settings_for(tmp_path, tmp_path, ties="half"))
    assert sum(each.tie for each in [*half.training, *half.held_out]) == 1


def test_only_ties_are_refused(tmp_path: Path):
    fill_compared(tmp_path, ties=72)
    with pytest.raises(UserError, match="No example can be used: 72 ties"):
        read_data(settings_for(tmp_path, tmp_path))


def test_an_empty_answer_is_named(tmp_path: Path):
    fill_compared(tmp_path, texts={"a0-0": " "})
    with pytest.raises(UserError, match="An answer is empty"):
        read_data(settings_for(tmp_path, tmp_path))


def test_facts_of_other_images_are_counted_and_refused(tmp_path: Path):
    folder = fill_compared(tmp_path)
    data = read_data(settings_for(tmp_path, tmp_path))
    examples = [*data.training, *data.held_out]
    assert refuse_other_facts(data.prompts, texts_of(examples), "") > 0.9
    keys = sorted(folder.prompts_by_key())
    prompts = folder.prompts_by_key()
    turned = {
        key: prompts[key].model_copy(update={"facts": prompts[other].facts})
        for key, other in zip(keys, [*keys[1:], keys[0]], strict=True)
    }
    with pytest.raises(UserError, match="seem to be of other images"):
        refuse_other_facts(turned, texts_of(examples), "")
    few = [e for e in examples if e.prompt in keys[: FEWEST - 1]]
    assert refuse_other_facts(turned, texts_of(few), "") is None


def judging(pool: Path, **facts: object) -> RewardRequests:
    prompts = tuple(fill_compared(pool).prompts_by_key().values())
    return RewardRequests(JudgingSettings(facts=FactSettings.model_validate(facts)), 0, prompts)


def test_facts_come_before_the_question_in_an_order_of_the_seed(tmp_path: Path):
    reader = judging(tmp_path, show="shown")
    prompt = reader.pool[0]
    found = reader.prompt(prompt)
    assert found.key != prompt.key
    assert found.question.startswith("Facts:\n- ")
    assert found.question.endswith("\n" + prompt.question)
    assert all(fact in found.question for fact in prompt.facts)
    assert found == reader.prompt(prompt)
    orders = {RewardRequests(reader.settings, seed).facts(prompt) for seed in range(20)}
    assert len(orders) == 2


def test_without_facts_the_prompt_is_untouched(tmp_path: Path):
    reader = judging(tmp_path, show="none")
    assert reader.prompt(reader.pool[0]) is reader.pool[0]


def test_a_placebo_shows_the_facts_of_another_image(tmp_path: Path):
    reader = judging(tmp_path, show="other-scene")
    for prompt in reader.pool:
        shown = set(reader.facts(prompt))
        owners = [each for each in reader.pool if set(each.facts) == shown]
        assert owners
        assert any(each.images != prompt.images for each in owners)


def test_a_share_of_the_facts_is_left_out(tmp_path: Path):
    reader = judging(tmp_path, show="shown", left_out=0.5)
    assert all(len(reader.facts(prompt)) == 1 for prompt in reader.pool)


def test_after_the_answer_the_order_may_differ_per_answer(tmp_path: Path):
    facts = FactSettings(show="shown", place="after", order="answer")
    settings = JudgingSettings(facts=facts, request="{facts}\nThe score is")
    prompts = tuple(fill_compared(tmp_path).prompts_by_key().values())
    reader = RewardRequests(settings, 0, prompts)
    assert reader.prompt(prompts[0]) is prompts[0]
    requests = {reader.request(prompts[0], f"answer {n}") for n in range(20)}
    assert len(requests) == 2
    assert all(each.endswith("\nThe score is") for each in requests)


def test_settings_of_facts_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="order=answer needs place=after"):
        FactSettings(order="answer")
    with pytest.raises(ValueError, match="needs a request"):
        JudgingSettings(facts=FactSettings(show="shown", place="after"))


def test_missing_facts_and_the_truth_under_another_name_are_refused(tmp_path: Path):
    prompts = list(fill_compared(tmp_path).prompts_by_key().values())
    check_facts(prompts, FactSettings(show="shown"), "")
    bare = [prompts[0].model_copy(update={"facts": ()}), *prompts[1:]]
    with pytest.raises(UserError, match="1 of 24 prompts have no facts"):
        check_facts(bare, FactSettings(show="shown"), "")
    with pytest.raises(UserError, match="truth about these prompts is not known"):
        check_facts(prompts, FactSettings(show="truth"), "")
    world = [each.model_copy(update={"source": Source(dataset=DATASET)}) for each in prompts]
    with pytest.raises(UserError, match="whole truth"):
        check_facts(world, FactSettings(show="shown"), "")
    check_facts(world, FactSettings(show="shown", left_out=0.3), "")
    check_facts(world, FactSettings(show="truth"), "")
    with pytest.raises(UserError, match="several images"):
        check_facts(prompts[:1], FactSettings(show="other-scene"), "")


ROWS = {
    "llava-rlhf": (
        "rows.json",
        [
            {
                "id": f"{n}",
                "image": f"{n}.png",
                "conversations": [
                    {"from": "human", "value": "<image>\nWhat is it?"},
                    {"from": "gpt", "value": "A cup."},
                ],
                "output_1": {"from": "gpt", "value": "A cup."},
                "output_2": {"from": "gpt", "value": f"Cat {n}."},
                "preference": 1,
                "hallucination": True,
            }
            for n in range(12)
        ],
    ),
    "mm-rlhf": (
        "rows.json",
        [
            {"prompt": "What is it?", "image": f"{n}.png", "chosen": "A cup.", "rejected": f"{n}."}
            for n in range(12)
        ],
    ),
    "vlfeedback": (
        "rows.json",
        [
            {
                "id": f"{n}",
                "prompt": "What is it?",
                "img_path": f"{n}.png",
                "models": ["a", "b"],
                "completions": {
                    "model": ["a", "b"],
                    "response": ["A cup.", f"Cat {n}."],
                    "annotations": [
                        {
                            aspect: {"Rating": rating, "Rationale": ""}
                            for aspect in (
                                "Helpfulness",
                                "Ethical Considerations",
                                "Visual Faithfulness",
                            )
                        }
                        for rating in ("5", "2")
                    ],
                },
            }
            for n in range(12)
        ],
    ),
}


@pytest.mark.parametrize("layout", ROWS)
def test_published_preferences_are_comparisons_to_learn_from(layout: str, tmp_path: Path):
    name, rows = ROWS[layout]
    (tmp_path / name).write_text(json.dumps(rows), "utf-8")
    for n in range(12):
        (tmp_path / f"{n}.png").write_bytes(image_bytes("red", 16 + n))
    out = tmp_path / "imported"
    command = ["import", layout, str(tmp_path / name), "--images", str(tmp_path)]
    assert run([*command, "--out", str(out)]) == EXIT_DONE
    data = read_data(settings_for(tmp_path, out))
    examples = [*data.training, *data.held_out]
    assert len(examples) == 12
    assert {each.better for each in examples} == {"A cup."}
