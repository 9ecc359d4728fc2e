"""What the training loop needs of data and loss, whatever is learnt: pairs, comparisons, marks."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor

from groundtune.methods.pairwise import Loss

Batch = TypeVar("Batch", covariant=True)
BatchIn = TypeVar("BatchIn", contravariant=True)


class ExampleSet(Protocol[Batch]):
    """All examples of a run."""

    @property
    def groups(self) -> Sequence[Sequence[int]]:
        """Indices of the examples of each prompt."""
        ...

    def group_of(self, index: int) -> int:
        """Return the index of the example's prompt."""
        ...

    def tokens(self, members: Sequence[int]) -> int:
        """Return the tokens of a row of these examples."""
        ...

    def row(self, members: Sequence[int]) -> Any:
        """Return several examples of one prompt.

        `rows` are what the engine runs, `members` the examples in the order of the loss's values,
        each with its index as `pair`.
        """
        ...

    def collate(self, rows: Sequence[Any], logp: Sequence[Sequence[Tensor]]) -> Batch:
        """Return the loss's input from what the engine computed for all rows, in order."""
        ...

    def key(self, index: int) -> str:
        """Return the example's key, for errors."""
        ...

    def at_step(self, first: int, batch: Sequence[int]) -> "ExampleSet[Batch]":
        """Return the examples as one step uses them.

        Args:
            first: The number of examples in all steps before.
            batch: Indices of the step's examples.
        """
        ...


class Learner(Protocol[BatchIn]):
    """A loss."""

    def loss(self, pairs: BatchIn, /) -> Loss:
        """Return the loss of each example and its metrics for the log."""
        ...
