"""Both trainers on a case: Groundtune's, and TRL's DPOTrainer.

Both load the same folder, train the same weights on the same pairs in the same order, with AdamW at
one constant rate, each as it is by itself (TRL with its own default AdamW, its collator and its
metrics). Two settings of TRL are not its defaults, both in its favour or needed: `max_length=None`,
since 1,024 would cut image tokens, and its compact head, which scores answers' positions alone and
which it switches on by itself on a GPU only.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from train_cases import RANK, Case
from train_models import (
    CPU,
    Images,
    Place,
    asked,
    pairs_of,
    prompt_of,
    rows_of,
    same_adapters,
)

from groundtune.engine.choose import choose_attention
from groundtune.engine.engines import engine_of
from groundtune.methods.dpo import DPO
from groundtune.train import tune
from groundtune.train.batches import PassLimits
from groundtune.train.checkpoint import Checkpoints
from groundtune.train.data import DataRules, EncodedPairs, Views, encode_pairs, packed_cost
from groundtune.train.loop import Trainer, TrainingSchedule
from groundtune.train.optim import Optim, adamw
from groundtune.train.parallel import Parallel
from groundtune.train.reference import ReferenceScorer, reference, reference_identity
from groundtune.train.rows import TrainingPairs
from groundtune.train.tune import Full, Lora, Part, apply, checkpoint_activations
from groundtune.vlm.load import load

BETA = 0.1
RATE = 1e-4
FULL: dict[str, tuple[Part, ...]] = {
    "llava": ("language_model", "projector"),
    "llava-7b": ("language_model", "projector"),
    # their projectors are parts of their towers
    "qwen": ("language_model",),
    "qwen3-vl-4b": ("language_model",),
}
LIMITS = PassLimits(tokens=16_384, pairs=64)


class Took(NamedTuple):
    """Seconds of one step: of the processor, and on the clock."""

    cpu: float
    wall: float


class Told(NamedTuple):
    """What a step says of itself: the loss before it, and the norm of its gradient."""

    loss: float
    norm: float


class Clock:
    """Measures from its making, or from `again`, what the place has done by then."""

    def __init__(self, place: Place = CPU) -> None:
        self._place = place
        self.again()

    def again(self) -> None:
        """Starts anew."""
        self._place.wait()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> Took:
        """The time since."""
        self._place.wait()
        return Took(time.process_time() - self._cpu, time.perf_counter() - self._wall)


class Silent:
    """A progress and a logger that say nothing."""

    def start(self, task: str, total: int | None = None) -> None:
        """Says nothing."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Says nothing."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Says nothing."""


def tuned(model: Any, case: Case) -> Any:
    """The model with the case's weights to train: those that Groundtune trains by default."""
    if not case.lora:
        return apply(model, Full(parts=FULL[case.model]))
    model = apply(model, Lora(r=RANK, alpha=RANK, dropout=0.0))
    same_adapters(model)
    return model


def _adapter(model: Any) -> Any:
    """The same LoRA for TRL, which makes its own peft model and takes the base as reference."""
    from peft import LoraConfig

    return LoraConfig(
        r=RANK,
        lora_alpha=RANK,
        lora_dropout=0.0,
        target_modules=tune._linear_layers(model, Lora()),
        task_type="CAUSAL_LM",
    )


class Ours:
    """Groundtune's trainer on the first `steps` prompts of a case."""

    def __init__(
        self, case: Case, folder: Path, steps: int, attention: str = "", place: Place = CPU
    ) -> None:
        """`attention` is measured and chosen as the engine does it unless it is given."""
        self._case = case
        self._place = place
        self._vlm = load(str(folder), dtype=place.dtype, device=place.device)
        self._parallel = Parallel(self._vlm.device, bf16=place.bf16)
        self._scratch = TemporaryDirectory()
        self._vlm.model.requires_grad_(False)
        clock = Clock(place)
        self._pairs = self._encode(range(steps))
        for number in range(steps):
            self._pairs.prompt(self._first(number))
        self.encoding = clock.read().cpu / steps
        """Seconds of the processor for a step's pairs: tokens and pixels, once a run."""
        self.attention = attention or self._choose()
        self._score = engine_of(self._vlm, attention=self.attention)
        self._reference_seconds: list[Took] = []
        known = self._reference(self._pairs, "all")
        vlm = replace(self._vlm, model=tuned(self._vlm.model, case))
        if case.checkpointing:
            checkpoint_activations(vlm.model)
        optim = Optim(lr=RATE, schedule="constant", warmup=0.0)
        optimizer = adamw(vlm.model.parameters(), optim)
        self._trainer = Trainer(
            vlm=vlm,
            pairs=TrainingPairs(encoded=self._pairs, references=known),
            method=DPO(beta=BETA),
            score=self._score,
            plan=TrainingSchedule(
                steps=steps,
                batch_size=len(case.pairs),
                limits=LIMITS,
                seed=0,
                save_every=steps,
                eval_every=0,
                optim=optim,
            ),
            parallel=self._parallel,
            optimizer=optimizer,
            checkpoints=Checkpoints(Path(self._scratch.name) / "checkpoints", "bench", 1),
            logger=Silent(),
            progress=Silent(),
        )
        self._ready = self._parallel.prepare(vlm, self._score, optimizer, clip=optim.clip)
        self._ready.model.train()

    def _encode(self, numbers: range) -> EncodedPairs:
        what = {number: asked(self._case, number) for number in numbers}
        prompts = [prompt_of(number, each) for number, each in what.items()]
        return encode_pairs(
            self._vlm,
            [pair for number, each in what.items() for pair in pairs_of(self._case, number, each)],
            {prompt.key: prompt for prompt in prompts},
            Images({f"image-{number}": each.image for number, each in what.items()}),
            DataRules(max_length=4096),
            Silent(),
            cost=packed_cost,
            micro_tokens=LIMITS.tokens,
        )

    def _first(self, number: int) -> int:
        return number * len(self._case.pairs)

    def _members(self, number: int) -> list[int]:
        first = self._first(number)
        return list(range(first, first + len(self._case.pairs)))

    def _choose(self) -> str:
        pairs = TrainingPairs(encoded=self._pairs, references=None)
        rows = list(pairs.row(self._members(0)).rows)
        return choose_attention(self._vlm, rows, repeats=2).attention

    def _reference(self, pairs: EncodedPairs, name: str) -> Any:
        scoring = ReferenceScorer(
            vlm=self._vlm,
            score=self._score,
            cost=packed_cost,
            limits=LIMITS,
            parallel=self._parallel,
        )
        identity = reference_identity(self._vlm, self._parallel.arithmetic, "packed")
        folder = Path(self._scratch.name) / name
        return reference(
            scoring, pairs, folder, identity=identity, views=Views(), progress=Silent()
        )

    def ids(self) -> list[list[int]]:
        """Token ids of the first step's sequences, as TRL has them: chosen ones, rejected ones."""
        pairs = [self._pairs[index] for index in self._members(0)]
        return [
            [*pair.prompt.ids, *answer.ids]
            for answers in (
                [(pair, pair.chosen) for pair in pairs],
                [(pair, pair.rejected) for pair in pairs],
            )
            for pair, answer in answers
        ]

    def step(self, number: int) -> tuple[Took, Told]:
        """One optimiser step on a prompt's pairs."""
        clock = Clock(self._place)
        told = self._trainer._step(self._ready, number, self._members(number))
        return clock.read(), Told(told["loss"], told["gradient_norm"])

    def reference_step(self, number: int) -> Took:
        """The reference's pass over a prompt's pairs, written to disk as in a run."""
        pairs = self._encode(range(number, number + 1))
        pairs.prompt(0)
        model = self._ready.model
        adapted = self._case.lora
        clock = Clock(self._place)
        if adapted:
            with model.disable_adapter():
                self._reference(pairs, f"alone-{number}")
        else:
            self._reference(pairs, f"alone-{number}")
        took = clock.read()
        model.train()
        return took


class Theirs:
    """TRL's DPOTrainer on the same."""

    def __init__(self, case: Case, folder: Path, steps: int, place: Place = CPU) -> None:
        import trl
        from datasets import Dataset
        from transformers import TrainerCallback
        from trl.trainer import utils

        if place.device == "cpu":
            utils._use_triton = lambda device: True
        self._place = place
        vlm = load(str(folder), dtype=place.dtype, device=place.device)
        adapter = _adapter(vlm.model) if case.lora else None
        model = vlm.model if case.lora else tuned(vlm.model, case)
        self._scratch = TemporaryDirectory()
        self.steps: list[tuple[Took, Told]] = []
        side = self

        class Turns(TrainerCallback):
            """Hands the turn over after every step, and starts the clock when it comes back."""

            def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                """Reads the clock."""
                side._took = side._clock.read()

            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any
            ) -> None:
                """Notes what the trainer tells of the step, then lets the other side run."""
                if "loss" not in logs:
                    return
                told = Told(float(side._loss), float(logs["grad_norm"]))
                side.steps.append((side._took, told))
                side._between(state.global_step - 1)
                side._clock.again()

        rows = [row for number in range(steps) for row in rows_of(case, asked(case, number))]
        self._trainer = trl.DPOTrainer(
            model=model,
            args=trl.DPOConfig(
                output_dir=self._scratch.name,
                per_device_train_batch_size=len(case.pairs),
                max_steps=steps,
                learning_rate=RATE,
                lr_scheduler_type="constant",
                beta=BETA,
                max_length=None,
                gradient_checkpointing=case.checkpointing,
                gradient_checkpointing_kwargs={"use_reentrant": False},
                bf16=place.bf16,
                use_cpu=place.device == "cpu",
                train_sampling_strategy="sequential",
                logging_steps=1,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=vlm.processor,
            peft_config=adapter,
            callbacks=[Turns()],
        )
        same_adapters(self._trainer.model)
        self._watch_loss()

    def _watch_loss(self) -> None:
        """Keeps each step's loss as it is: the trainer's log has it rounded or averaged."""
        step = self._trainer.training_step

        def watched(*arguments: Any, **rest: Any) -> Any:
            self._loss = step(*arguments, **rest)
            return self._loss

        self._trainer.training_step = watched

    def ids(self) -> list[list[int]]:
        """Token ids of the first batch's sequences without padding: chosen ones, rejected ones."""
        batch = next(iter(self._trainer.get_train_dataloader()))
        kept = zip(batch["input_ids"], batch["attention_mask"].bool(), strict=True)
        return [row[mask].tolist() for row, mask in kept]

    def run(self, between: Callable[[int], None] = lambda step: None) -> None:
        """All steps; `between` is called after each with its number, and is not measured."""
        self._between = between
        self._clock = Clock(self._place)
        self._trainer.train()
