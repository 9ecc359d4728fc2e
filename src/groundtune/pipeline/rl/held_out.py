"""Measures the policy on prompts that are never learnt from: its claims, its length, its truth.

Greedy answers. The truth is known of the prompts of some sources (the embedded world); everywhere
the labeler's verdicts on the answers' claims are, and their lengths.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from groundtune.feedback.claims import facts_of
from groundtune.feedback.repeats import repeated_claims, repeated_phrases
from groundtune.generate.hf import HfGenerator
from groundtune.pipeline.check.scores import supported_value
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.models.prompt_sources import source_of
from groundtune.pipeline.rl.claims import check_claims, wrong_claims
from groundtune.pipeline.rl.metrics import BENCHMARK, estimates, scores_of
from groundtune.pipeline.rl.prepare import held_out_prompts
from groundtune.pipeline.rl.rules import found, symbolic
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.rl.shared import BeforeTraining
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Reply, TruthScorer
from groundtune.records import Claim, Prompt, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.keys import key_of
from groundtune.train.parallel import Parallel
from groundtune.vlm.load import Vlm


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Evaluates after steps."""

    prompts: Sequence[Prompt]
    generator: HfGenerator
    settings: RLSettings
    labelling: Labelling | None
    truth: TruthScorer | None
    parallel: Parallel
    stored: RecordSet[Score]
    before: BeforeTraining
    """The model before training, whose scores runs may share."""

    @classmethod
    def open(
        cls,
        settings: RLSettings,
        out: Path,
        vlm: Vlm,
        labelling: Labelling | None,
        parallel: Parallel,
        before: BeforeTraining,
    ) -> Self:
        """Return the evaluation of a run's held-out prompts; without any it measures nothing."""
        prompts, images = held_out_prompts(out).read(), RunFolder(out).images
        source = source_of(prompts) if prompts else None
        return cls(
            prompts=prompts,
            generator=HfGenerator(vlm, images, settings.batch_size, name="policy"),
            settings=settings,
            labelling=labelling,
            truth=source.truth if source and settings.task == "answer" else None,
            parallel=parallel,
            stored=scores_of(out),
            before=before,
        )

    def __call__(self, step: int) -> Mapping[str, float]:
        """Return the means over the held-out prompts, by names that begin with held_out/.

        The main process keeps a score per prompt, of which the report is made.
        """
        if not self.prompts:
            return {}
        # several processes would wait for the one that holds the shared folder
        shares = step == 0 and self.parallel.processes == 1
        scores = (
            self.before.scores(self.prompts, partial(self._scores, step))
            if shares
            else self._scores(step)
        )
        if self.parallel.main:
            stored = self.stored.keys()
            self.stored.append([score for score in scores if score.key not in stored])
        means = estimates(scores, f"step-{step}")
        return {f"held_out/{each.metric}": each.value for each in means}

    def _scores(self, step: int) -> list[Score]:
        """Return the score of each prompt, the same in every process."""
        own_prompts = self.parallel.share(list(self.prompts))
        greedy = self.settings.sampling.model_copy(update={"temperature": 0.0})
        replies = (
            self.generator.generate(own_prompts, greedy, [0] * len(own_prompts))
            if own_prompts
            else []
        )
        texts = [(p.key, p, reply.text) for p, reply in zip(own_prompts, replies, strict=True)]
        claims = check_claims(texts, self.labelling) if self.labelling and texts else {}
        own_scores = [
            self._score(step, prompt, reply, claims.get(key, ()))
            for (key, prompt, _), reply in zip(texts, replies, strict=True)
        ]
        return [score for part in self.parallel.gather(own_scores) for score in part]

    def _score(self, step: int, prompt: Prompt, reply: Reply, claims: Sequence[Claim]) -> Score:
        values = self._row(prompt, reply.text, claims)
        values |= {"truncated": float(not reply.finished), "tokens": float(reply.tokens)}
        model = f"step-{step}"
        return Score(
            key=key_of(BENCHMARK, model, prompt.key),
            benchmark=BENCHMARK,
            item=prompt.key,
            image="+".join(prompt.images) or prompt.key,
            model=model,
            answer=reply.text,
            values=values,
        )

    def _row(self, prompt: Prompt, text: str, claims: Sequence[Claim]) -> dict[str, float]:
        row = {"words": float(len(text.split())), "repeated_phrases": repeated_phrases(text)}
        if self.settings.rewards.found:
            row["found"] = found(prompt, text)
        if self.settings.rewards.symbolic:
            row["symbolic"] = symbolic(prompt, text, self.settings.rewards.symbolic_rule)
        if self.labelling:
            wrong = wrong_claims(claims)
            facts = facts_of(claims).values()
            row |= {
                "rejected_claims": float(len(wrong)),
                "rejected": float(bool(wrong)),
                "supported_claims": float(len(facts)),
                "repeated_claims": float(len(repeated_claims(text, claims))),
            }
            by_kind = Counter(supported_value(fact.kind) for fact in facts)
            row |= {name: float(count) for name, count in by_kind.items()}
        if self.truth:
            truth = self.truth(prompt, text)
            row |= {
                "invented": float(truth.invented > 0),
                "wrong": float(truth.wrong),
                "named": float(truth.named),
                "there": float(truth.there),
                "mentions": float(truth.mentions),
            }
        return row
