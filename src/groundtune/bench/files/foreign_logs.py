"""Exports scores as other evaluators' logs.

    lmms-eval   SAMPLES.jsonl as its --log_samples writes them: doc, target, resps, filtered_resps
    inspect     a .json log (version 2) of Inspect, for `inspect view`; the package isn't needed

`answers.py` and `inspect_logs.py` read both back with identical answers. The sample's "doc"
(Inspect: "metadata") has the fields by which a benchmark finds the item: id, image, strata, the
question if known (`questions_of`), and further fields (`FieldsOf`).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from groundtune.bench.item import ItemAnswer
from groundtune.bench.metric import Metric
from groundtune.bench.stats.paired import item_values
from groundtune.bench.text.tool_readings import truth_of
from groundtune.records import Score
from groundtune.store.json_writing import json_of, write_object

FieldsOf = Callable[[Score], dict[str, str]]
"""Further fields of a scored item that a benchmark's reader needs to find it."""


def verdict_of(scores: Sequence[Score], metrics: Sequence[Metric], headline: str) -> Metric:
    """The metric with values for the most single items, preferring the headline."""
    first = [metric for metric in metrics if metric.name == headline]
    others = [metric for metric in metrics if metric.role == "quality"]
    return max(
        [*first, *others], key=lambda metric_: int(np.isfinite(item_values(scores, metric_)).sum())
    )


def questions_of(
    data: object, answers: Sequence[ItemAnswer], scores: Sequence[Score]
) -> dict[str, str]:
    """The questions by item: from the data if they list them, else from the file of answers.

    The data list them if they, or their `questions`, are a sequence with one object per score that
    has a `text`.
    """
    data_questions = getattr(data, "questions", data)
    questions = (
        cast("Sequence[object]", data_questions) if isinstance(data_questions, Sequence) else ()
    )
    texts = [getattr(question, "text", None) for question in questions]
    if len(texts) != len(scores):
        names = ("question", "prompt")
        texts = [next((a.extra[name] for name in names if name in a.extra), None) for a in answers]
    if len(texts) != len(scores):
        return {}
    pairs = zip(scores, texts, strict=True)
    return {score.item: text for score, text in pairs if isinstance(text, str)}


def _doc(score: Score, questions: Mapping[str, str], fields: FieldsOf | None) -> dict[str, str]:
    """The fields by which an answer's item is found."""
    question = {"question": questions[score.item]} if score.item in questions else {}
    return {"image": score.image, **score.strata, **question, **(fields(score) if fields else {})}


def lmms_samples(
    scores: Sequence[Score],
    verdict: Metric,
    questions: Mapping[str, str],
    fields: FieldsOf | None = None,
) -> Iterator[str]:
    """Lines of a sample file, in the scores' order.

    `questions` are by item; `fields` are the benchmark's further ones.
    """
    for number, (score, value) in enumerate(
        zip(scores, item_values(scores, verdict).tolist(), strict=True)
    ):
        doc = {"question_id": score.item, **_doc(score, questions, fields)}
        row = {
            "doc_id": number,
            "doc": doc,
            "target": truth_of(score),
            "arguments": [],
            "resps": [[score.answer]],
            "filtered_resps": [score.answer],
            "doc_hash": hashlib.sha256(json.dumps(doc, sort_keys=True).encode()).hexdigest(),
            verdict.name: None if value != value else value,
            "extracted": list(score.extracted),
            "why": score.why,
        }
        yield json_of(row)


def inspect_log(
    scores: Sequence[Score],
    verdict: Metric,
    estimates: dict[str, float],
    benchmark: str,
    questions: Mapping[str, str],
    fields: FieldsOf | None = None,
) -> dict[str, Any]:
    """A log of one model's scores in one benchmark, in Inspect's format.

    `estimates` are the benchmark's metrics by name, `questions` are by item, `fields` are its
    further fields. Scores have no times, so the log has the export's.
    """
    model, now = scores[0].model, datetime.now(UTC).isoformat(timespec="seconds")
    mark = hashlib.sha256("".join(score.key for score in scores).encode()).hexdigest()[:22]
    metrics: dict[str, Any] = {
        name: {"name": name, "value": value, "params": {}} for name, value in estimates.items()
    }
    values = item_values(scores, verdict).tolist()
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": mark,
            "run_id": mark,
            "created": now,
            "task": benchmark,
            "task_id": mark,
            "task_version": 0,
            "task_file": None,
            "dataset": {"name": benchmark, "samples": len(scores), "sample_ids": []},
            "model": f"groundtune/{model}",
            "model_args": {},
            "config": {},
            "packages": {},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": len(scores),
            "completed_samples": len(scores),
            "scores": [{"name": benchmark, "scorer": benchmark, "params": {}, "metrics": metrics}],
        },
        "stats": {"started_at": now, "completed_at": now, "model_usage": {}},
        "samples": [
            _sample(score, value, benchmark, _doc(score, questions, fields))
            for score, value in zip(scores, values, strict=True)
        ],
    }


def _sample(score: Score, value: float, benchmark: str, doc: dict[str, str]) -> dict[str, Any]:
    message = {"role": "assistant", "content": score.answer, "source": "generate"}
    score_fields: dict[str, Any] = {
        "value": "N" if value != value else value,
        "answer": "; ".join(score.extracted) or None,
        "explanation": score.why or None,
        "metadata": {**score.values, "status": score.status},
    }
    return {
        "id": score.item,
        "epoch": 1,
        "input": f"{score.benchmark}, item {score.item} about {score.image}",
        "target": truth_of(score),
        "messages": [message],
        "output": {
            "model": score.model,
            "choices": [{"message": message, "stop_reason": "stop"}],
        },
        "scores": {benchmark: score_fields},
        "metadata": doc,
        "store": {},
        "events": [],
        "model_usage": {},
    }


def write_log(path: Path, log: dict[str, Any]) -> Path:
    """Write a log completely or not at all."""
    write_object(path, log)
    return path
