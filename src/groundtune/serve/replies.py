"""Builds responses in the API's form: a completion, or the chunks of a stream."""

import math
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundtune.protocols import Reply
from groundtune.records import Claim, Thumb
from groundtune.serve.service import AnswerRewards, ChatFeedback, ChatResult


class Envelope:
    """The fields that all chunks of one reply share.

    `clamped` are the fields of the request that a limit lowered; with `usage` every chunk of a
    stream has the field, as in the API: null before the last.
    """

    def __init__(
        self,
        model: str,
        *,
        clamped: Mapping[str, Mapping[str, int]] | None = None,
        usage: bool = False,
    ) -> None:
        self._clamped = {"clamped": clamped} if clamped else {}
        self._usage = {"usage": None} if usage else {}
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._model = model

    def completion(self, result: ChatResult) -> dict[str, Any]:
        """Return the complete reply. `check` is in each choice, how it was chosen at the top."""
        choices: list[dict[str, Any]] = []
        for index, reply in enumerate(result.replies):
            choice: dict[str, Any] = {
                "index": index,
                "message": {
                    "role": "assistant",
                    "content": reply.text,
                    "refusal": None,
                    **_thoughts(reply),
                },
                "logprobs": None,
                "finish_reason": "stop" if reply.finished else "length",
            }
            choices.append(choice | _check(result, index))
        body = self._body("chat.completion", choices) | {"usage": usage(result)}
        return body | self._clamped | _feedback(result.feedback)

    def opening(self, index: int) -> dict[str, Any]:
        """Return the first chunk of an answer."""
        return self._chunk(index, {"role": "assistant", "content": "", "refusal": None})

    def text(self, index: int, text: str) -> dict[str, Any]:
        """Return a chunk with the next characters of an answer."""
        return self._chunk(index, {"content": text})

    def closing(self, result: ChatResult) -> Iterator[dict[str, Any]]:
        """Yield the chunks after the text: thoughts, claims, finish reason and usage."""
        for index, reply in enumerate(result.replies):
            if reply.thoughts:
                yield self._chunk(index, _thoughts(reply))
            if extra := _check(result, index):
                chunk = self._chunk(index, {})
                chunk["choices"][0] |= extra
                yield chunk
            last = self._chunk(index, {}, "stop" if reply.finished else "length")
            yield last | self._clamped | _feedback(result.feedback)
        if self._usage:
            yield self._body("chat.completion.chunk", []) | {"usage": usage(result)}

    def _chunk(
        self, index: int, delta: dict[str, Any], finish: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._body("chat.completion.chunk", [choice]) | self._usage

    def _body(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }


def usage(result: ChatResult) -> dict[str, int]:
    """Return token counts, which include all candidates of best of n."""
    return {
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "total_tokens": result.prompt_tokens + result.completion_tokens,
    }


def claim_body(claim: Claim) -> dict[str, Any]:
    """Return a claim: characters [start, end) of the answer, counted in Unicode code points."""
    return {
        "start": claim.start,
        "end": claim.end,
        "text": claim.text,
        "question": claim.question,
        "p_yes": claim.p_yes,
        "p_no": claim.p_no,
        "verdict": claim.status,
    }


def _thoughts(reply: Reply) -> dict[str, str]:
    """Return thoughts in the field that vLLM, SGLang and DeepSeek use."""
    return {"reasoning_content": reply.thoughts} if reply.thoughts else {}


def _check(result: ChatResult, index: int) -> dict[str, Any]:
    if result.claims is None:
        return {}
    claims = [claim for claim in result.claims[index] if claim.status != "empty"]
    rejected = sum(claim.status == "rejected" for claim in claims)
    checked = rejected + sum(claim.status == "supported" for claim in claims)
    body = {"claims": [claim_body(claim) for claim in claims]}
    counts = {"checked": checked, "rejected": rejected, "unchecked": len(claims) - checked}
    return {"check": body | counts | {"note": _note(result, claims, checked)}}


def _note(result: ChatResult, claims: Sequence[Claim], checked: int) -> str | None:
    """Return why nothing was checked, if so."""
    if not result.images:
        return "Nothing could be checked: the request has no image."
    if not claims:
        return "Nothing could be checked: no claims were found in the answer."
    return None if checked else "Nothing could be checked: no claim has a verdict."


def _feedback(feedback: ChatFeedback | None) -> dict[str, Any]:
    if feedback is None:
        return {}
    values = feedback._asdict()
    if feedback.normalise is None:
        del values["normalise"]
        return {"reward": values}
    return {"self_feedback": values}


def thumb_body(thumb: Thumb) -> dict[str, Any]:
    """Return a stored thumb."""
    return {"object": "thumb", "id": thumb.key, "good": thumb.good}


def reward_body(rewards: AnswerRewards) -> dict[str, Any]:
    """Return rewards in the form that `groundtune reward score` reads, with words if there are."""
    if rewards.words is None:
        return {"rewards": rewards.rewards}
    words = [
        [
            {"start": w.start, "end": w.end, "value": w.value}
            for w in answer_words
            if math.isfinite(w.value)
        ]
        for answer_words in rewards.words
    ]
    return {"rewards": rewards.rewards, "words": words}
