"""Eight answers to a prompt, packed behind it, against each alone, on a model of the world."""

import torch

from groundtune.engine.hidden import HiddenStates, TokenValues
from groundtune.engine.rows import PromptRow
from groundtune.pipeline.models.names import resolve
from groundtune.store.images import ImageStore
from groundtune.train.reward_head import RewardHead, read_reward
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import load
from groundtune.vlm.plain import plain_model
from training_folder import ask, image_bytes


def test_eight_packed_answers_have_the_rewards_of_each_alone(tmp_path):
    vlm = load(resolve("world:base"), dtype="float32")
    store = ImageStore(tmp_path)
    prompt = ask("p", "Describe the image.", [store.add(image_bytes("red"))])
    texts = [f"There are {'two ' * n}cats{' and a dog' * (n % 3)}." for n in range(8)]
    row = PromptRow(
        encode_prompt(vlm, prompt, store), tuple(encode_answer(vlm, text) for text in texts)
    )
    torch.manual_seed(0)
    head = RewardHead(plain_model(vlm.model).config.get_text_config().hidden_size, "mlp2")
    values = TokenValues(head, HiddenStates())
    with torch.inference_mode():
        [together] = values(vlm, [row])
        alone = [
            TokenValues(head, HiddenStates(pack=False))(vlm, [PromptRow(row.prompt, (answer,))])
            for answer in row.answers
        ]
    for one, other in zip(together, alone, strict=True):
        for readout in ("last", "mean"):
            found = read_reward(one, slice(len(one)), readout)
            exact = read_reward(other[0][0], slice(len(one)), readout)
            assert abs(float(found - exact)) < 1e-5
