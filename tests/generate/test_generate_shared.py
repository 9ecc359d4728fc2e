"""Many answers to one prompt: the prompt is read once, and each answer is what it is alone."""

from collections.abc import Callable

import pytest
import torch
from transformers import GenerationConfig

from groundtune.generate import decode as module
from groundtune.generate.decode import decode
from groundtune.records import Sampling
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm
from tiny_families import ALONE, PACKED, Built, built

GREEDY, WARM = (Sampling(temperature=heat, max_new_tokens=8) for heat in (0.0, 1.0))
END = 2


def opened(build: Callable[[], Built]) -> tuple[Vlm, list[EncodedPrompt]]:
    vlm, rows = built(build)
    vlm.model.generation_config = GenerationConfig(eos_token_id=END, pad_token_id=0)
    vlm.processor.tokenizer.eos_token_id = END
    with torch.no_grad():  # a placeholder that was generated would be one more image to the oracle
        vlm.model.get_output_embeddings().weight[100:104] = 0
    return vlm, [row.prompt for row in rows]


def step_by_step(vlm: Vlm, prompt: EncodedPrompt) -> list[int]:
    """Greedy decoding without padding, without a cache, each time the whole row anew."""
    ids: list[int] = []
    while len(ids) < GREEDY.max_new_tokens and END not in ids:
        whole = torch.tensor([[*prompt.ids, *ids]])
        more = {
            name: torch.nn.functional.pad(mark, (0, len(ids)))[None]
            for name, mark in prompt.marks.items()
        }
        inputs = {**prompt.features, **more}
        if (sees := inputs.get("cross_attention_mask")) is not None:
            inputs["cross_attention_mask"] = torch.cat(
                [sees, sees[:, -1:].expand(-1, len(ids), -1, -1)], 1
            )
        with torch.no_grad():
            mask = torch.ones_like(whole)
            output = vlm.model(input_ids=whole, attention_mask=mask, use_cache=False, **inputs)
        ids.append(int(output.logits[0, -1].argmax()))
    return ids


@pytest.mark.parametrize("build", [*PACKED, *ALONE], ids=lambda build: build.__name__)
def test_greedy_answers_are_those_of_whole_rows_without_a_cache(build: Callable[[], Built]):
    vlm, prompts = opened(build)
    wanted = [step_by_step(vlm, prompt) for prompt in prompts]
    found = decode(vlm, prompts, [0, 1, 0, 1], [1, 2, 3, 4], GREEDY)
    assert found == [wanted[0], wanted[1], wanted[0], wanted[1]]


@pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__)
def test_answers_to_one_prompt_are_drawn_as_each_seed_draws_them_alone(
    build: Callable[[], Built], monkeypatch: pytest.MonkeyPatch
):
    vlm, prompts = opened(build)
    rows, seeds = [0, 1, 0, 0, 1], [1, 2, 3, 4, 5]
    together = decode(vlm, prompts, rows, seeds, WARM)
    pairs = zip(rows, seeds, strict=True)
    assert together == [decode(vlm, [prompts[r]], [0], [s], WARM)[0] for r, s in pairs]
    assert len(set(map(tuple, together))) > 2
    monkeypatch.setattr(module, "shares_prompts", lambda vlm: False)
    assert together == decode(vlm, prompts, rows, seeds, WARM)


@pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__)
def test_a_prompt_is_read_once_for_all_its_answers(
    build: Callable[[], Built], monkeypatch: pytest.MonkeyPatch
):
    vlm, prompts = opened(build)
    rows: list[int] = []
    forward = vlm.model.forward

    def counted(**inputs: torch.Tensor) -> object:
        rows.append(len(inputs["input_ids"]))
        return forward(**inputs)

    monkeypatch.setattr(vlm.model, "forward", counted)
    decode(vlm, prompts[:1], [0] * 5, [1, 2, 3, 4, 5], WARM)
    assert rows[:2] == [1, 5]
