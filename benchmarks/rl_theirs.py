"""TRL's GRPOTrainer on a case of reinforcement learning.

It is as it is by itself, with its own generation by transformers, processor calls, AdamW and
metrics. Four settings are not its defaults: no gradient checkpointing, `loss_type="grpo"`,
`beta=0.04`, and prompts in order. So is its compact head, in its favour: it scores the answers'
positions alone, and TRL switches it on by itself on a GPU only.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
import trl
from datasets import Dataset
from rl_parts import Parts, Took
from rl_sides import BETA, even_of, fixed
from train_cases import Case
from train_models import asked, same_adapters
from train_sides import RATE, Told, tuned
from train_sides import _adapter as adapter_of
from transformers import TrainerCallback

from groundtune.vlm.load import load


class Step(NamedTuple):
    """What one step took, and what it says of itself."""

    took: dict[str, Took]
    told: Told
    tokens: float
    """Of an answer, on average."""


class Measured(trl.GRPOTrainer):
    """The trainer with a clock around its parts."""

    side: "Theirs"

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        self.side.parts.note("other")
        inputs = super()._prepare_inputs(generation_batch)
        self.side.parts.note("other")
        return inputs

    def _generate(self, prompts: Any) -> Any:
        self.side.parts.note("other")
        found = super()._generate(prompts)
        self.side.parts.note("rollout")
        self.side.drawn(found[0], found[1])
        return found

    def _generate_single_turn(self, *arguments: Any, **rest: Any) -> Any:
        answers = self.side.fixed(self.state.global_step)
        if answers is not None:
            return answers, None
        return super()._generate_single_turn(*arguments, **rest)

    def _calculate_rewards(self, *arguments: Any, **rest: Any) -> Any:
        self.side.parts.note("other")
        found = super()._calculate_rewards(*arguments, **rest)
        self.side.parts.note("reward")
        return found

    def _get_per_token_logps_and_entropies(self, *arguments: Any, **rest: Any) -> Any:
        learns = torch.is_grad_enabled()
        if not learns:
            self.side.parts.note("other")
        found = super()._get_per_token_logps_and_entropies(*arguments, **rest)
        if not learns:
            self.side.parts.note("reference")
        return found

    def training_step(self, *arguments: Any, **rest: Any) -> Any:
        """Keeps the loss as it is: the trainer's log has it rounded."""
        self.side.loss = super().training_step(*arguments, **rest)
        return self.side.loss


class Turns(TrainerCallback):
    """Hands the turn over after every step, and starts the clock when it comes back."""

    def __init__(self, side: "Theirs") -> None:
        self._side = side

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """The weights are updated."""
        self._side.parts.note("update")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
        """Notes what the trainer tells of the step, then lets the other side run."""
        if "loss" not in logs:
            return
        side = self._side
        told = Told(float(side.loss), float(logs["grad_norm"]))
        side.steps.append(Step(side.parts.took, told, side.tokens))
        side.between(state.global_step - 1)
        side.parts.again()


class Theirs:
    """The baseline on the first `steps` prompts of a case."""

    def __init__(
        self, case: Case, folder: Path, steps: int, *, first_drawn: int = 0, memory: bool = False
    ) -> None:
        """Before step `first_drawn` answers are those of `fixed`; `memory` takes parts' peaks."""
        from trl.trainer import utils

        utils._use_triton = lambda device: True
        self._case, self._first_drawn = case, first_drawn
        self.parts = Parts(memory=memory)
        self.steps: list[Step] = []
        self.tokens = 0.0
        self._ids: list[list[int]] = []
        self._scratch = TemporaryDirectory()
        vlm = load(str(folder))
        self._tokenizer: Any = vlm.processor.tokenizer
        adapter = adapter_of(vlm.model) if case.lora else None
        rows = [
            {
                "images": [what.image],
                "prompt": [{"role": "user", "content": what.question}],
            }
            for what in (asked(case, number) for number in range(steps))
        ]
        self._trainer = Measured(
            model=vlm.model if case.lora else tuned(vlm.model, case),
            reward_funcs=even_of,
            args=trl.GRPOConfig(
                output_dir=self._scratch.name,
                per_device_train_batch_size=case.answers,
                num_generations=case.answers,
                max_completion_length=case.tokens,
                max_steps=steps,
                learning_rate=RATE,
                lr_scheduler_type="constant",
                beta=BETA,
                loss_type="grpo",
                shuffle_dataset=False,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                logging_steps=1,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=vlm.processor,
            peft_config=adapter,
            callbacks=[Turns(self)],
        )
        self._trainer.side = self
        if case.lora:
            same_adapters(self._trainer.model)

    @property
    def model(self) -> Any:
        """The policy."""
        return self._trainer.model

    def fixed(self, number: int) -> list[list[int]] | None:
        """The tokens of a step's answers; None where the trainer draws them."""
        if number >= self._first_drawn:
            return None
        return fixed(self._case, number, self._tokenizer).ids

    def drawn(self, prompts: list[list[int]], answers: list[list[int]]) -> None:
        """Notes the tokens of a step's sequences."""
        self.tokens = sum(map(len, answers)) / len(answers)
        if not self._ids:
            self._ids = [[*p, *a] for p, a in zip(prompts, answers, strict=True)]

    def ids(self) -> list[list[int]]:
        """Token ids of the first step's sequences."""
        return self._ids

    def run(self, between: Callable[[int], None] = lambda step: None) -> None:
        """All steps; `between` is called after each with its number, and is not measured."""
        self.between = between
        self.parts.again()
        self._trainer.train()
