"""A loaded model as a `Speaker`: the answers of requests as rows of one batch, token by token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.protocols import Images, Reply
from groundtune.serve.backend import AnswerResult, ModelTurn
from groundtune.vlm.encode import decode_answer, encode_prompt
from groundtune.vlm.encoded import EncodedPrompt

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm


class VlmSpeaker:
    """A `Speaker` over a loaded model; generates `batch_size` answers at a time."""

    def __init__(self, vlm: "Vlm", images: Images, batch_size: int = 16) -> None:
        self._vlm = vlm
        self._images = images
        self._batch_size = batch_size

    def answer(self, turns: Sequence[ModelTurn]) -> None:
        """Generate one reply per seed, which depends on the seed alone, as in `groundtune sample`.

        A request whose text contains a special token fails alone.
        """
        generations = [generation for turn in turns if (generation := self._begin(turn))]
        rows = [
            (generation, index)
            for generation in generations
            for index in range(len(generation.ids))
        ]
        for first in range(0, len(rows), self._batch_size):
            unfinished = [row for row in rows[first : first + self._batch_size] if not row[0].over]
            if unfinished:
                self._generate(unfinished)

    def _begin(self, turn: ModelTurn) -> "_Generation | None":
        try:
            return _Generation(
                self._vlm, turn, encode_prompt(self._vlm, turn.request.prompt, self._images)
            )
        except UserError as error:
            turn.fail(error)
            return None

    def _generate(self, rows: "Sequence[tuple[_Generation, int]]") -> None:
        """Generate one batch. Requests with the same prompt (key) share it."""
        from groundtune.generate.decode import decode

        generations = [generation for generation, _ in rows]
        prompts = {generation.key: generation.prompt for generation in generations}
        keys = list(prompts)

        def take(tokens: Sequence[Sequence[int]]) -> set[int]:
            for (generation, index), ids in zip(rows, tokens, strict=True):
                generation.ids[index] = ids
            for generation in dict.fromkeys(generations):
                generation.update()
            return {
                place
                for place, (generation, index) in enumerate(rows)
                if index in generation.finished
            }

        requests = [generation.turn.request for generation in generations]
        longest = max(request.sampling.max_new_tokens for request in requests)
        take(
            decode(
                self._vlm,
                list(prompts.values()),
                [keys.index(generation.key) for generation in generations],
                [generation.turn.request.seeds[index] for generation, index in rows],
                requests[0].sampling.model_copy(update={"max_new_tokens": longest}),
                watch=take,
            )
        )


class _Generation:
    """One request's answers during generation."""

    def __init__(self, vlm: "Vlm", turn: ModelTurn, prompt: EncodedPrompt) -> None:
        self.turn = turn
        self.prompt = prompt
        self.key = turn.request.prompt.key
        self.ids: list[Sequence[int]] = [()] * len(turn.request.seeds)
        self.finished: set[int] = set()
        self.over = False
        self._vlm = vlm

    def update(self) -> None:
        """Record which answers end: by themselves, by their length, or by the turn's callback.

        The turn ends with the last answer.
        """
        if self.over:
            return
        self.finished |= set(self.turn.watch(self._texts))
        self.finished |= {index for index, ids in enumerate(self.ids) if self._is_whole(ids)}
        if len(self.finished) == len(self.ids):
            self.over = True
            replies = [self._reply(ids) for ids in self.ids]
            self.turn.end(AnswerResult(replies, len(self.prompt.ids)))

    def _is_whole(self, ids: Sequence[int]) -> bool:
        limit = self.turn.request.sampling.max_new_tokens
        return len(ids) >= limit or self._is_finished(ids)

    def _is_finished(self, ids: Sequence[int]) -> bool:
        return bool(ids) and ids[-1] in self._vlm.eos_ids

    def _texts(self) -> list[str]:
        return [decode_answer(self._vlm, ids) for ids in self.ids]

    def _reply(self, ids: Sequence[int]) -> Reply:
        return Reply(decode_answer(self._vlm, ids), len(ids), self._is_finished(ids))
