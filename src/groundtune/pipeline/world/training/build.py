"""The world's models from nothing, stage by stage as planned; each stage resumes after a kill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from groundtune.pipeline.world.training.fine_tower import with_fine_tower
from groundtune.pipeline.world.training.language import Teacher, lesson_loss
from groundtune.pipeline.world.training.plans import Plan
from groundtune.pipeline.world.training.processor import (
    END,
    IMAGE,
    IMAGE_TOKENS,
    PAD,
    PATCH_PX,
    VOCABULARY,
    build_processor,
    build_tokenizer,
)
from groundtune.pipeline.world.training.schedule import Optimisers, Steps
from groundtune.pipeline.world.training.states import TrainingState, load_state, save_state
from groundtune.pipeline.world.training.tower import HEADS, fit_projector, train_tower
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.keys import key_of
from groundtune.store.lock import hold, one_writer
from groundtune.world.scenes import SIDE_PX, scenes


@one_writer()
def build(
    plan: Plan,
    out: Path,
    states: Path,
    progress: Progress,
    *,
    threads: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Trains a model as planned and saves it with its processor to `out`.

    Where `stop` says so after a state is saved, it ends early, saves no model and returns None.

    `states` holds what is finished or interrupted, by the hash of all that led to it: a second call
    resumes where the first stopped, and plans with a common start share it: one at a time, a second
    build that needs a state while another makes it is refused. With one thread the
    same sums are taken in the same order, so that two builds on one machine are equal to the bit.
    """
    torch.set_num_threads(threads)
    tokenizer = build_tokenizer()
    model = _model(plan, tokenizer)
    trunk = _Trunk(states, plan)
    with_tower = trunk.folder("tower")
    with hold(with_tower, option="--states"):
        if not (with_tower / "state.pt").exists():
            torch.manual_seed(plan.seed)  # pyright: ignore[reportUnknownMemberType]
            tower = _tower(plan)
            steps = Steps("vision tower", plan.tower_steps, plan.tower_batch, progress)
            accuracy = train_tower(tower, steps, plan.seed)
            save_state({"tower": tower.state_dict(), "accuracy": accuracy}, with_tower / "state.pt")
    state = load_state(with_tower / "state.pt")
    cast(Any, model.model).vision_tower.load_state_dict(state["tower"])
    fit_projector(model)
    teacher = Teacher(tokenizer, plan.seed)
    for index, stage in enumerate(plan.stages):
        folder = trunk.folder(stage.name)
        with hold(folder, option="--states"):
            if fine := stage.fine_tower:
                model = with_fine_tower(model, plan, fine, folder, progress, stop)
            if not (model and _run_stage(model, teacher, plan, index, folder, progress, stop)):
                return None
    out.mkdir(parents=True, exist_ok=True)
    cast(Any, model).to(torch.bfloat16).save_pretrained(out)
    strategy = cast(Any, model.config).vision_feature_select_strategy
    cast(Any, build_processor(tokenizer, strategy)).save_pretrained(out)
    return out


class _Trunk:
    """Folders of states, each named by the hash of all that was done up to it."""

    def __init__(self, states: Path, plan: Plan) -> None:
        self._states = states
        begin = _changed_settings(plan.model_copy(update={"stages": ()}))
        self._history: list[object] = [sorted(HEADS), begin]
        self._stages = {stage.name: stage for stage in plan.stages}

    def folder(self, name: str) -> Path:
        if name in self._stages:
            self._history.append(_changed_settings(self._stages[name]))
        return self._states / f"{name.replace(' ', '-')}-{key_of(self._history)[:12]}"


def _changed_settings(settings: Record) -> object:
    """What was set, defaults left out: a setting that is added later renames no earlier state."""
    return settings.model_dump(exclude_defaults=True)


def _run_stage(
    model: LlavaForConditionalGeneration,
    teacher: Teacher,
    plan: Plan,
    index: int,
    folder: Path,
    progress: Progress,
    stop: Callable[[], bool],
) -> bool:
    """Trains in place, or loads what an earlier run left; False where it stopped early."""
    stage = plan.stages[index]
    parts = cast(Any, model.model)
    optimisers = Optimisers(
        [parts.language_model, parts.multi_modal_projector, parts.vision_tower],
        stage.learning_rate,
        slower={2: stage.tower_rate},
        muon=plan.muon,
    )
    state = TrainingState(folder / "state.pt", {"model": model}, optimisers)
    first = state.load()
    begin = sum(earlier.steps for earlier in plan.stages[:index])
    steps = Steps(
        stage.name,
        stage.steps,
        plan.batch,
        progress,
        decay="linear" if stage.decay else "none",
        warm_up=stage.warm_up,
        first=first,
    )
    for step in steps:
        start = (begin + step) * plan.batch + (plan.seed + 1) * 10_000_000
        batch = list(scenes("train", plan.batch, start=start, difficulty=stage.difficulty))
        loss = lesson_loss(model, teacher.lessons(batch, stage.mixture, index), stage.balance)
        optimisers.step(loss, steps.rate(step))
        steps.report(step, {"loss": float(loss.detach())})
        if state.save_where_due(step + 1, stage.steps, stop):
            return False
    return True


def _tower_config(plan: Plan) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=plan.tower_width,
        intermediate_size=3 * plan.tower_width,
        num_hidden_layers=plan.tower_layers,
        num_attention_heads=plan.tower_width // 32,
        image_size=SIDE_PX,
        patch_size=PATCH_PX,
        hidden_act="gelu",
    )


def _tower(plan: Plan) -> CLIPVisionModel:
    return CLIPVisionModel(_tower_config(plan))


def _model(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """The model before any training.

    Its initial weights are larger than the usual 0.02: at this width a smaller start stays blind
    for long.
    """
    token = cast(Callable[[str], int], tokenizer.convert_tokens_to_ids)
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=plan.width,
        intermediate_size=plan.width * 11 // 4,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.width // 64,
        num_key_value_heads=plan.width // 64,
        max_position_embeddings=1024,
        initializer_range=0.06,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=token(END),
        pad_token_id=token(PAD),
    )
    config = LlavaConfig(
        vision_config=_tower_config(plan),
        text_config=text,
        image_token_index=token(IMAGE),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=True,
        eos_token_id=token(END),  # pyright: ignore[reportCallIssue]
        pad_token_id=token(PAD),  # pyright: ignore[reportCallIssue]
    )
    torch.manual_seed(plan.seed)  # pyright: ignore[reportUnknownMemberType]
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = token(END)
    model.generation_config.pad_token_id = token(PAD)
    model.generation_config.bos_token_id = None
    return model
