"""Settings of reinforcement learning. Nothing here needs torch."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.grpo import GRPO
from groundtune.methods.policy_loss import Level
from groundtune.methods.ppo import PPO
from groundtune.methods.rloo import RLOO
from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.models.names import is_endpoint
from groundtune.pipeline.rl.rules import Symbolic
from groundtune.pipeline.sample.run import SampleSettings
from groundtune.pipeline.train.settings import Tune
from groundtune.records import Record, Sampling, SpanKind
from groundtune.train.optim import Optim
from groundtune.train.precision import Dtype
from groundtune.train.trackers import TrackerName
from groundtune.train.tune import Lora

Weight = Annotated[float, Field(ge=0)]
RLMethod = Annotated[GRPO | RLOO | PPO, Field(discriminator="type")]


class RLOptim(Optim):
    """AdamW's settings, one step of the schedule per batch of rollouts."""

    lr: float = Field(default=1e-5, ge=0)
    """Peak learning rate: 3e-5 for LLaVA-RLHF's LoRA. With 0 nothing may change: a check that drawn
    and trained log-probabilities stay equal."""
    schedule: Literal["cosine", "linear", "constant"] = "constant"
    warmup: float = Field(default=0.0, ge=0, lt=1)


class RolloutSampling(Sampling):
    """How answers to learn from are drawn: from the policy itself."""

    temperature: float = Field(default=1.0, ge=0)


class LengthGate(Record):
    """The lengths at which an answer keeps its reward, relative to the reference's answer.

    The reference is the policy's greedy answer to the prompt before any training. Words of rejected
    claims don't count in either, or the gate would pay for filler in their place.
    """

    low: float = Field(default=0.85, ge=0, le=1)
    """Least share of the reference's words."""
    high: float = Field(default=1.1, ge=1)
    """Largest share of them."""


class RewardWeights(Record):
    """Components of the reward and their weights; 0 leaves one out. Each is logged by itself.

    Every component is higher for better answers, so weights are positive.
    """

    rejected: float = Field(default=1.0, ge=0)
    """Minus the number of rejected claims; one that rests on a rejected one doesn't count."""
    supported: float = Field(default=0.0, ge=0)
    """Number of different claims that it supports."""
    coverage: float = Field(default=1.0, ge=0)
    """Share of the facts said: of all claims that it supports in the group's answers and in the
    reference's, those that this answer makes. Without it, rewards for precision shorten answers."""
    length: float = Field(default=1.0, ge=0)
    """Minus the distance from the length gate, as a share of the reference's words."""
    missing_end: float = Field(default=1.0, ge=0)
    """-1 for an answer that was truncated."""
    repetition: float = Field(default=1.0, ge=0)
    """Minus the number of claims that were made before as if they were new ("a cup" again)."""
    symbolic: float = Field(default=0.0, ge=0)
    """Whether the answer agrees with the prompt's column `answer`: a letter, yes or no."""
    found: float = Field(default=0.0, ge=0)
    """With task=find: word F1 between the answer and the wrong part."""
    tokens: float = Field(default=0.0, ge=0)
    """Minus the share of sampling.max_new_tokens that the answer has, times the prompt's column
    `length_bonus` (1 without it): LLaVA-RLHF's length bonus, with a weight of 10."""


class AnswerRewardSettings(RewardWeights):
    """What an answer's reward is."""

    normalise: Literal["batch", "none"] = "batch"
    """"batch" divides each component by its standard deviation over the step's answers before the
    sum (GDPO), so that a weight is a share of the reward; "none" sums them as they are."""
    gate: LengthGate = LengthGate()
    kinds: tuple[SpanKind, ...] = ()
    """Kinds of claims that count (object, number, attribute, position, ...); () counts all. Kinds
    that a model can't see, or a labeler can't judge, are noise that drowns the others."""
    symbolic_rule: Symbolic = "symmetric"
    """LLaVA-RLHF's rule ("published") rewards "no" and never "yes"."""
    more: dict[str, Weight] = Field(default_factory=dict[str, float])
    """Weights of custom rewarders, by the names under which a Python caller passes them, or as
    `groundtune reward score` takes them: a reward model's folder, a package's reward, a URL."""
    truncated: Literal["penalise", "mask"] = "penalise"
    """What becomes of truncated answers: missing_end and all else count, or they are not learnt
    from. Both are counted (`truncated`)."""
    words: tuple[str, ...] = ()
    """Those of `more` that reward words of an answer, not the whole: token-level reward models."""
    most_unrewarded: float = Field(default=0.25, ge=0, le=1)
    """Largest share of a step's answers without a reward (not a number, or claims that can't be
    read). They are not learnt from."""

    @property
    def by_claims(self) -> bool:
        """Whether answers' claims are checked."""
        return any((self.rejected, self.supported, self.coverage, self.length, self.repetition))

    @property
    def weights(self) -> dict[str, float]:
        """The weights by component, without those of 0."""
        built_in = {name: float(getattr(self, name)) for name in RewardWeights.model_fields}
        return {name: weight for name, weight in (built_in | self.more).items() if weight}

    @model_validator(mode="after")
    def _custom_names_are_free(self) -> Self:
        if unknown := set(self.words) - self.more.keys():
            raise ValueError(f"rewards.words has names without a weight in more: {sorted(unknown)}")
        clashes = self.more.keys() & RewardWeights.model_fields.keys()
        if clashes:
            raise ValueError(f"rewards.more has names of built-in components: {sorted(clashes)}")
        return self


class EarlyStop(Record):
    """When a run ends before its last step, by signals that need no truth; 0 switches one off.

    They are those of answers to held-out prompts, compared with the model before training. A reward
    that is hacked rises while these get worse.
    """

    content_loss: float = Field(default=0.25, ge=0, le=1)
    """Largest loss of supported claims per answer, as a share: shorter or blurred answers."""
    fewer_words: float = Field(default=0.5, ge=0, le=1)
    """Largest loss of words per answer, as a share: the same where no labeler checks claims."""
    more_words: float = Field(default=0.5, ge=0)
    """Largest growth of words per answer, as a share: filler."""
    repeated: float = Field(default=2.0, ge=0)
    """Largest growth of claims per answer that are made again as new."""
    repeated_phrases: float = Field(default=0.25, ge=0, le=1)
    """Largest growth of the share of an answer's four-word phrases that it said before: loops."""
    truncated: float = Field(default=0.25, ge=0, le=1)
    """Largest growth of the share of truncated answers."""


class StepChoice(Record):
    """Which step's model the result is, by answers to the held-out prompts.

    Of the model before training and the evaluated steps that keep enough of what was right, it is
    the one with the least wrong; of equal ones the earliest.
    """

    by: Literal["claims", "last"] | None = None
    """"claims": wrong is the share of answers with a rejected claim, kept the different supported
    claims per answer. "last" is the last step, whatever its answers are. Not set, it is claims
    where the rewards check claims, and the last step elsewhere."""
    kinds: tuple[SpanKind, ...] = ()
    """Kinds of claims that count as kept (object, number, attribute, position, ...); () counts
    all."""
    max_content_loss: float = Field(default=0.05, ge=0, le=1)
    """Largest loss of what is kept, as a share of what the model before training has."""


class Importance(Record):
    """Weights of answers whose log-probabilities are not exactly the trainer's.

    Used with a server, or where dtype is bfloat16: min(p_trainer / p_drawn, cap).
    """

    cap: float = Field(default=2.0, ge=1)
    """Largest weight."""
    level: Level = "token"
    """Whether the ratio is a token's or the whole answer's."""
    reject: float = Field(default=0.0, ge=0)
    """Leave out answers with a token whose probability differs by more than this factor; 0 keeps
    all."""


class RLSettings(SampleSettings):
    """Reinforcement learning of a model from rewards of its own answers."""

    MAY_CHANGE = SampleSettings.MAY_CHANGE | {
        "allow_evaluation_images",
        "evaluations",
        "gradient_checkpointing",
        "keep",
        "log_to",
        "micro_batch",
        "micro_tokens",
        "save_every",
    }
    command: Literal["rl"] = "rl"
    task: Literal["answer", "find"] = "answer"
    """"answer" asks the prompts. "find" asks for the one wrong part of a description, made of the
    corrections in the folder `prompts`: its answers can be verified (rewards.found)."""
    method: RLMethod = RLOO()
    """How rewards change the policy; `type` names the method."""
    value_from: str = ""
    """PPO: folder of a reward model whose head the value head begins with, if it has the same
    form; "" begins with zeros, as LLaVA-RLHF's code does."""
    n: int = Field(default=8, ge=1)
    """Answers per prompt: a group. PPO needs no group: LLaVA-RLHF has one answer."""
    prompts_per_step: int = Field(default=16, ge=1)
    """Prompts whose answers are drawn, rewarded and learnt from together."""
    steps: int = Field(default=100, ge=1)
    """Batches of rollouts."""
    passes: int = Field(default=1, ge=1)
    """Times that a step's answers are learnt from: 2 in LLaVA-RLHF (its PPO epochs)."""
    minibatches: int = Field(default=2, ge=1)
    """Optimiser steps per pass; each has whole groups."""
    sampling: RolloutSampling = RolloutSampling()  # pyright: ignore[reportIncompatibleVariableOverride]
    """Answers are drawn from the policy itself: temperature 1, without top-p and top-k."""
    server: str = ""
    """openai:MODEL@URL of a vLLM server that draws the answers, and loads the adapter of each step
    (--enable-lora, VLLM_ALLOW_RUNTIME_LORA_UPDATING=True); "" draws in process. Needs a LoRA."""
    importance: Importance = Importance()
    rewards: AnswerRewardSettings = AnswerRewardSettings()
    feedback: ClaimSettings = ClaimSettings()
    """Who divides answers into claims, and who checks them. "self" is the model before training."""
    tune: Tune = Lora(dropout=0.0)
    """Which weights to train, and in which parts."""
    optim: RLOptim = RLOptim()
    dtype: Dtype = "float32"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Arithmetic of the forward pass; trained weights are float32. In float32 drawn and trained
    log-probabilities are compared exactly, else with the bounds for servers."""
    micro_tokens: int = Field(default=4096, ge=1)
    """Maximum tokens per forward pass. Affects memory and speed only."""
    micro_batch: int = Field(default=64, ge=1)
    """Maximum answers per forward pass. Affects memory and speed only."""
    gradient_checkpointing: bool = False
    """Use less memory for about a third more time."""
    held_out: int = Field(default=100, ge=0)
    """Prompts about other images that the policy answers greedily every `eval_every` steps: how its
    truth develops is measured there. Of your own prompts at most a quarter is held out."""
    eval_every: int = Field(default=10, ge=0)
    """Steps between evaluations on the prompts that are held out; 0 never evaluates."""
    evaluations: tuple[Path, ...] = ()
    """Folders of `groundtune bench run` whose images must not be among those that are learnt from;
    the prompts that are held out always count."""
    allow_evaluation_images: bool = False
    """Learn although such images, or ones that look like them, are there; they are counted."""
    stop: EarlyStop = EarlyStop()
    choose: StepChoice = StepChoice()
    save_every: int = Field(default=10, ge=1)
    """Steps between checkpoints: an interrupted run loses at most this many."""
    keep: int = Field(default=1, ge=1)
    """How many checkpoints to keep."""
    log_to: tuple[TrackerName, ...] = ()
    """Trackers that also get the metrics: trackio, wandb, tensorboard, mlflow."""

    @property
    def chooses(self) -> bool:
        """Whether claims about held-out prompts choose the step that is the result."""
        by_claims = self.choose.by == "claims" or (
            self.choose.by is None and self.rewards.by_claims
        )
        return by_claims and bool(self.eval_every and self.held_out)

    @property
    def checks_claims(self) -> bool:
        """Whether a labeler is needed: for rewards, or to choose a step."""
        return self.rewards.by_claims or self.chooses

    @model_validator(mode="after")
    def _draws_from_the_policy(self) -> Self:
        sampling = self.sampling
        if (sampling.temperature, sampling.top_p, sampling.top_k) != (1, 1, 0):
            raise ValueError(
                "sampling must be temperature=1, top_p=1, top_k=0: other draws are not the policy's"
            )
        if self.tune.type != "full" and self.tune.dropout:
            raise ValueError(
                "tune.dropout must be 0: with dropout the policy that learns is not the one that "
                "drew"
            )
        if self.server and self.tune.type == "full":
            raise ValueError("server needs tune.type=lora: the server loads each step's adapter")
        if self.value_from and not self.method.has_values:
            raise ValueError(f"value_from needs method.type=ppo, not {self.method.type}")
        if self.n == 1 and not self.method.has_values:
            raise ValueError(
                f"method.type={self.method.type} compares answers: n must be 2 or more"
            )
        if not self.rewards.weights:
            raise ValueError("no component of the reward has a weight")
        if self.rewards.found and self.task != "find":
            raise ValueError("rewards.found needs task=find: other prompts have no wrong part")
        if self.choose.by == "claims" and not self.chooses:
            raise ValueError("choose.by=claims needs held-out prompts: eval_every and held_out")
        return self

    @model_validator(mode="after")
    def _trains_a_plain_model(self) -> Self:
        if is_endpoint(self.model) or self.adapter:
            raise ValueError("model must be a folder or a name on the hub, without an adapter")
        if self.revision != "main":
            raise ValueError(
                f"the revision {self.revision} can't be trained here, since the labeler self would "
                "be another one: download it to a folder, and name the folder as model"
            )
        if self.engine.type != "local":
            raise ValueError("engine: rollouts are drawn in process; use several processes instead")
        return self
