"""Stage "reward score": a reward for each answer of a folder.

    OUT/scores/         a row per answer; resumable by key
    OUT/scores.jsonl    the same with texts, one object per line, best answers of a prompt first

Resumable: a score's key follows from the answer and the rewarder.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.pipeline.reward.rewarders import RewarderSettings, identity_of, open_rewarder
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Progress
from groundtune.records import Answer, Prompt, Record
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic
from groundtune.store.inputs import note_inputs
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer
from groundtune.store.run_json import read_run, write_run


class RewardScoreSettings(RewarderSettings):
    """Who scores, and how much at once."""

    MAY_CHANGE = RewarderSettings.MAY_CHANGE | {"prompts_at_once"}

    prompts_at_once: int = Field(default=32, ge=1)
    """Prompts between two writes: what a kill loses at most."""


class AnswerScore(Record):
    """The reward of an answer."""

    key: str
    answer: str
    """Key of the answer."""
    reward: float | None
    """Higher is better; None where there is none."""
    rewarder: str
    """Hash of who scored."""


def read_rewards(folder: RunFolder) -> dict[str, float]:
    """Return the rewards of a folder's answers by the rewarder that scored them last.

    An answer without a reward has NaN.

    Raises:
        UserError: the answers were not scored.
    """
    rows = RecordSet(folder.path / "scores", AnswerScore)
    stored = read_some(rows)
    last = read_run(rows.path).inputs["rewarder"]
    return {
        row.answer: math.nan if row.reward is None else row.reward
        for row in stored
        if row.rewarder == last
    }


class ScoreSummary(Record):
    """The scores of the whole folder, made now or before."""

    answers: int
    scored_now: int
    unrewarded: int
    """Answers without a reward: empty, or not a finite number."""
    mean: float
    spread: float
    """Standard deviation."""


@one_writer()
def score_answers(
    source: Path,
    out: Path,
    settings: RewardScoreSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> ScoreSummary:
    """Score every answer of `source` that isn't scored yet, into `out` (which may be `source`).

    Raises:
        UserError: there are no answers, the rewarder can't be opened, or no answer has a reward.
    """
    folder = RunFolder(source)
    prompts, answers = folder.prompts_by_key(), read_some(folder.answers)
    identity = identity_of(settings)
    stored = RecordSet(out / "scores", AnswerScore)
    note_inputs(stored.path, {"answers": answers, "prompts": list(prompts.values())})
    keys = {key_of("score", answer.key, identity): answer for answer in answers}
    missing = stored.missing(keys)
    if missing:
        handle = open_rewarder(settings, folder.images, tuple(prompts.values()))
        try:
            handle.check_facts(prompts, ((a.prompt, a.text) for a in answers), str(source))
            groups = _by_prompt([(key, keys[key]) for key in missing])
            progress.start("score answers", total=len(missing))
            for first in range(0, len(groups), settings.prompts_at_once):
                some = [
                    each
                    for group in groups[first : first + settings.prompts_at_once]
                    for each in group
                ]
                answer_prompts = [prompts[answer.prompt] for _, answer in some]
                rewards = handle.rewarder.reward(
                    answer_prompts, [answer.text for _, answer in some]
                )
                stored.append(
                    [
                        AnswerScore(
                            key=key,
                            answer=answer.key,
                            reward=each if math.isfinite(each) else None,
                            rewarder=identity,
                        )
                        for (key, answer), each in zip(some, rewards, strict=True)
                    ]
                )
                progress.advance(len(some))
        finally:
            handle.close()
    stored.compact(order=keys)
    rows = {row.answer: row.reward for row in stored.read() if row.key in keys}
    inputs = {"answers": hash_of(folder.answers), "rewarder": identity}
    write_run(stored.path, settings.model_dump(mode="json"), inputs, {}, list(command))
    _write_lines(out / "scores.jsonl", answers, rows, prompts)
    return _summary(rows, len(missing), settings)


def _by_prompt(rows: Sequence[tuple[str, Answer]]) -> list[list[tuple[str, Answer]]]:
    groups: dict[str, list[tuple[str, Answer]]] = {}
    for key, answer in rows:
        groups.setdefault(answer.prompt, []).append((key, answer))
    return list(groups.values())


def _summary(
    rows: Mapping[str, float | None], now: int, settings: RewardScoreSettings
) -> ScoreSummary:
    values = [each for each in rows.values() if each is not None]
    if not values:
        raise UserError(
            f"None of {len(rows)} answers has a reward that is a finite number.",
            settings.rewarder,
            "Score with dtype=float32; if it stays, the rewarder's numbers are not finite.",
        )
    return ScoreSummary(
        answers=len(rows),
        scored_now=now,
        unrewarded=len(rows) - len(values),
        mean=statistics.fmean(values),
        spread=statistics.pstdev(values),
    )


def _write_lines(
    path: Path,
    answers: Sequence[Answer],
    rows: Mapping[str, float | None],
    prompts: Mapping[str, Prompt],
) -> None:
    order = {key: place for place, key in enumerate(dict.fromkeys(a.prompt for a in answers))}

    def place(answer: Answer) -> tuple[int, float]:
        reward = rows[answer.key]
        return order[answer.prompt], math.inf if reward is None else -reward

    lines = [
        json_of(
            {
                "prompt": answer.prompt,
                "question": prompts[answer.prompt].question,
                "answer": answer.key,
                "text": answer.text,
                "reward": rows[answer.key],
            }
        )
        for answer in sorted(answers, key=place)
    ]
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode())
