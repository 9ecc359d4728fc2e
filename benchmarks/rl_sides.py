"""Groundtune's trainer on a case of reinforcement learning, and what both sides share.

Both load the same folder, train the same weights with GRPO on the same prompts and images, a prompt
with several answers a step, with the same reward, KL and AdamW at one constant rate. Ours is the
trainer that `groundtune rl` makes, taken where its first step would begin; its own clock is read.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from zlib import crc32

import torch
from rl_parts import Parts
from train_cases import RANK, Case
from train_models import asked, same_adapters
from train_sides import FULL, RATE, Told

from groundtune.engine.rows import PromptRow
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from groundtune.records import Prompt
from groundtune.train import rl_loop
from groundtune.train.rl_loop import RLTrainer
from groundtune.train.rollout import Rollout
from groundtune.vlm.encoded import EncodedAnswer

BETA = 0.04
"""Of k3 in the loss, as in GRPO's paper: TRL has no other place for the KL. It is weighted by the
policy's ratio, TRL's default, which changes the gradient and not the first step's loss."""
APART = 0.05
NO_CLAIMS = dict.fromkeys(("rejected", "coverage", "length", "repetition", "missing_end"), 0)
NAMES = {"draw": "rollout"}
"""Parts by our step log's names, where they differ."""


def even(text: str) -> float:
    """The reward of both sides: how many words end with an even digit."""
    return float(sum(word[-1] in "02468" for word in text.split()))


class Even:
    """The reward as a `Rewarder`."""

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """The reward of each answer."""
        return [even(answer) for answer in answers]


def even_of(completions: Sequence[Any], **rest: Any) -> list[float]:
    """The reward as TRL calls it."""
    return [even(completion[0]["content"]) for completion in completions]


def apart(model: Any) -> None:
    """Moves trained weights by noise of their names, so that the KL counts from the first step."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                generator = torch.Generator().manual_seed(crc32(f"apart/{name}".encode()))
                noise = torch.empty(weight.shape).normal_(generator=generator)
                size = float(weight.std()) if weight.ndim > 1 and "lora_B" not in name else 1.0
                weight += APART * size * noise


class Fixed(NamedTuple):
    """The answers of a step as tokens, the same on both sides."""

    question: str
    ids: list[list[int]]


def fixed(case: Case, number: int, tokenizer: Any) -> Fixed:
    """The answers to the prompt of step `number`."""
    what = asked(case, number)
    ids = [tokenizer(each, add_special_tokens=False)["input_ids"] for each in what.answers]
    return Fixed(what.question, [[*each, tokenizer.eos_token_id] for each in ids])


class _Drawn(NamedTuple):
    """A fixed answer's tokens with the policy's log-probabilities."""

    ids: list[int]
    logp: list[float]


class _Taken(Exception):
    """The trainer, and the coefficient of its KL."""


class Ours:
    """Groundtune's trainer on the first `steps` prompts of a case."""

    def __init__(
        self,
        case: Case,
        folder: Path,
        steps: int,
        *,
        first_drawn: int = 0,
        kl: float = BETA,
        memory: bool = False,
    ) -> None:
        """Before step `first_drawn`, the answers are those of `fixed`.

        Without `kl`, there is no reference; `memory` also takes the peak of each part.
        """
        self._case, self._first_drawn = case, first_drawn
        self._scratch = TemporaryDirectory()
        scratch = Path(self._scratch.name)
        rows: list[dict[str, str]] = []
        for number in range(steps):
            what = asked(case, number)
            what.image.save(scratch / f"{number}.png")
            rows.append({"question": what.question, "image": f"{number}.png"})
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (scratch / "prompts.jsonl").write_text(lines, encoding="utf-8")
        self.parts = Parts(memory=memory)
        self._trainer, self._coefficient = self._take(scratch, folder, steps, kl)
        if case.lora:
            same_adapters(self._trainer.vlm.model)
        self._drawing: Any = self._trainer.draw
        if first_drawn:
            self._trainer = replace(self._trainer, draw=self._draw)
        t = self._trainer
        self._ready = t.parallel.prepare(t.vlm, t.score, t.optimizer, clip=t.plan.optim.clip)

    def _take(self, scratch: Path, folder: Path, steps: int, kl: float) -> tuple[RLTrainer, float]:
        """The trainer of `groundtune rl`, as it is when its first step would begin."""
        case, parts = self._case, self.parts
        lora = {"type": "lora", "r": RANK, "alpha": RANK, "dropout": 0.0}
        settings = RLSettings.model_validate(
            {
                "model": str(folder),
                "prompts": str(scratch / "prompts.jsonl"),
                "images": str(scratch),
                "device": "cpu",
                "n": case.answers,
                "prompts_per_step": 1,
                "steps": steps,
                "minibatches": 1,
                "sampling": {"max_new_tokens": case.tokens},
                "method": {
                    "type": "grpo",
                    "kl": {"place": "loss", "estimate": "corrected_k3", "coefficient": kl},
                },
                "rewards": {**NO_CLAIMS, "normalise": "none", "more": {"even": 1.0}},
                "tune": lora if case.lora else {"type": "full", "parts": FULL[case.model]},
                "optim": {"lr": RATE},
                "batch_size": case.answers,
                "held_out": 0,
                "eval_every": 0,
                "save_every": steps,
            }
        )

        class Clock(rl_loop._Clock):
            """The loop's clock, which also notes processor time and memory."""

            def __init__(self) -> None:
                super().__init__()
                parts.again()

            def note(self, part: str) -> None:
                super().note(part)
                parts.note(NAMES.get(part, part))

        def take(trainer: RLTrainer, first_step: int, coefficient: float) -> str:
            raise _Taken(trainer, coefficient)

        rl_loop._Clock = Clock
        whole, RLTrainer.fit = RLTrainer.fit, take
        try:
            rl(settings, scratch / "out", SilentProgress(), rewarders={"even": Even()})
        except _Taken as taken:
            return taken.args[0], taken.args[1]
        finally:
            RLTrainer.fit = whole
        raise AssertionError("the trainer was not run")

    def _draw(self, step: int) -> list[Rollout]:
        """The answers of a step, from 1: fixed, or drawn."""
        return self._fixed(step) if step <= self._first_drawn else self._drawing(step)

    def _fixed(self, step: int) -> list[Rollout]:
        """The fixed answers as if the policy had drawn them, with its log-probabilities."""
        t, drawing = self._trainer, self._drawing
        answers = fixed(self._case, step - 1, t.vlm.processor.tokenizer)
        prompt = next(p for p in drawing.prompts if answers.question in p.model_dump_json())
        encoded = [EncodedAnswer(ids=tuple(i), offsets=((0, 0),) * len(i)) for i in answers.ids]
        with torch.no_grad():
            [logps] = t.score(t.vlm, [PromptRow(t.prompt(prompt.key), tuple(encoded))])
        return [
            drawing._rollout(
                step, "fixed", prompt, (f"{step}/{index}", index), _Drawn(list(each.ids), logp)
            )
            for index, (each, logp) in enumerate(
                zip(encoded, (each.tolist() for each in logps), strict=True)
            )
        ]

    @property
    def model(self) -> Any:
        """The policy."""
        return self._trainer.vlm.model

    def step(self, number: int) -> Told:
        """One step on a prompt of its own; `parts` then has what it took."""
        told = self._trainer._step(self._ready, number, self._coefficient)
        self.tokens = told["tokens"]
        return Told(told["loss"], told["gradient_norm"])

    def ids(self) -> list[list[int]]:
        """Token ids of the first step's fixed sequences, as TRL has them."""
        return [[*each.prompt_ids, *each.answer_ids] for each in self._fixed(1)]
