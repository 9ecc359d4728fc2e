"""A loaded model as a `Speaker`: requests' answers as rows of one batch, token by token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundtune.errors import UserError
from groundtune.protocols import Images, Reply
from groundtune.serve.backend import Answered, Turn
from groundtune.vlm.encode import decode_answer, encode_prompt
from groundtune.vlm.encoded import EncodedPrompt

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm


class VlmSpeaker:
    """A `Speaker` over a loaded model; `batch_size` answers are drawn at a time."""

    def __init__(self, vlm: "Vlm", images: Images, batch_size: int = 16) -> None:
        self._vlm = vlm
        self._images = images
        self._batch_size = batch_size

    def answer(self, turns: Sequence[Turn]) -> None:
        """One reply a seed, which alone decides its draw, as in `groundtune sample`.

        A request fails alone where its text contains a special token.
        """
        going = [own for turn in turns if (own := self._begin(turn))]
        rows = [(own, index) for own in going for index in range(len(own.ids))]
        for first in range(0, len(rows), self._batch_size):
            some = [row for row in rows[first : first + self._batch_size] if not row[0].over]
            if some:
                self._generate(some)

    def _begin(self, turn: Turn) -> "_Going | None":
        try:
            return _Going(
                self._vlm, turn, encode_prompt(self._vlm, turn.asked.prompt, self._images)
            )
        except UserError as error:
            turn.fail(error)
            return None

    def _generate(self, rows: "Sequence[tuple[_Going, int]]") -> None:
        """One batch. Requests with one prompt (its key) share it."""
        from groundtune.generate.decode import decode

        own = [going for going, _ in rows]
        prompts = {going.key: going.prompt for going in own}
        keys = list(prompts)

        def take(tokens: Sequence[Sequence[int]]) -> set[int]:
            for (going, index), ids in zip(rows, tokens, strict=True):
                going.ids[index] = ids
            for going in dict.fromkeys(own):
                going.look()
            return {place for place, (going, index) in enumerate(rows) if index in going.ended}

        asked = [going.turn.asked for going in own]
        longest = max(each.sampling.max_new_tokens for each in asked)
        take(
            decode(
                self._vlm,
                list(prompts.values()),
                [keys.index(going.key) for going in own],
                [going.turn.asked.seeds[index] for going, index in rows],
                asked[0].sampling.model_copy(update={"max_new_tokens": longest}),
                watch=take,
            )
        )


class _Going:
    """One request's answers while they are generated."""

    def __init__(self, vlm: "Vlm", turn: Turn, prompt: EncodedPrompt) -> None:
        self.turn = turn
        self.prompt = prompt
        self.key = turn.asked.prompt.key
        self.ids: list[Sequence[int]] = [()] * len(turn.asked.seeds)
        self.ended: set[int] = set()
        self.over = False
        self._vlm = vlm

    def look(self) -> None:
        """Notes which answers end: of themselves, by their length, or as the turn says.

        The turn ends with the last of them.
        """
        if self.over:
            return
        self.ended |= set(self.turn.watch(self._texts))
        self.ended |= {index for index, ids in enumerate(self.ids) if self._is_whole(ids)}
        if len(self.ended) == len(self.ids):
            self.over = True
            replies = [self._reply(ids) for ids in self.ids]
            self.turn.end(Answered(replies, len(self.prompt.ids)))

    def _is_whole(self, ids: Sequence[int]) -> bool:
        most = self.turn.asked.sampling.max_new_tokens
        return len(ids) >= most or self._is_finished(ids)

    def _is_finished(self, ids: Sequence[int]) -> bool:
        return bool(ids) and ids[-1] in self._vlm.eos_ids

    def _texts(self) -> list[str]:
        return [decode_answer(self._vlm, ids) for ids in self.ids]

    def _reply(self, ids: Sequence[int]) -> Reply:
        return Reply(decode_answer(self._vlm, ids), len(ids), self._is_finished(ids))
