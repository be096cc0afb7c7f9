"""Late choices: those that show only when messages are received, if an implementation doesn't show its queues.

A kernel may choose in which order some notifications come (``Consequences.together``). So what the specification has in
the queue is one possibility, and stays open until the messages are received.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sendright.model.execution.state import ConcreteState

_Seen = TypeVar("_Seen")


def interleaved(sequences: Sequence[Sequence[int]], seen: Sequence[_Seen], tells: Callable[[int], _Seen]) -> list[int] | None:
    """The messages that were ``seen``, by what each ``tells``, so that those of each sequence come in its order. None:
    there is no such order.
    """
    impossible: set[tuple[int, ...]] = set()

    def rest(taken: tuple[int, ...]) -> list[int] | None:
        if sum(taken) == len(seen):
            return []
        for index, (sequence, place) in enumerate(zip(sequences, taken, strict=True)):
            if place == len(sequence) or tells(sequence[place]) != seen[sum(taken)]:
                continue
            after = (*taken[:index], place + 1, *taken[index + 1 :])
            found = None if after in impossible else rest(after)
            if found is not None:
                return [sequence[place], *found]
        impossible.add(taken)
        return None

    return rest((0,) * len(sequences))


class _Open:
    """Messages of one queue, in sequences whose order among each other isn't known."""

    def __init__(self, sequences: Sequence[Sequence[int]], tells: Callable[[int], tuple[int, int]]) -> None:
        self.sequences = sequences
        self.messages = {message: tells(message) for sequence in sequences for message in sequence}
        self.received: list[tuple[int, int]] = []
        """What the messages told that were received."""

    def next_of(self, waiting: list[int], told: tuple[int, int]) -> int | None:
        """Which of the messages, some of them ``waiting``, can be the next one, if it tells that; None: none can."""
        left = [message for message in waiting if message in self.messages]
        if len(left) + len(self.received) != len(self.messages):  # one has gone whose result wasn't seen
            self.sequences, self.received = [[message] for message in left], []
            self.messages = {message: self.messages[message] for message in left}
        if interleaved(self.sequences, [*self.received, told], self.messages.__getitem__) is None:
            return None
        self.received.append(told)
        return next(message for message in left if self.messages[message] == told)


class LateChoices:
    """The choices that are still open in the queues of one state."""

    def __init__(self, state: ConcreteState) -> None:
        self._state = state
        self._open: dict[int, _Open] = {}
        """Of a notification: it, and those in the same queue whose order among each other isn't known."""

    def told_together(self, sequences: Sequence[Sequence[int]]) -> None:
        """The messages of each sequence arrived in one queue, in an order that isn't known among the sequences."""
        found = _Open(sequences, self._tells)
        self._open |= dict.fromkeys(found.messages, found)

    def settle(self, port: int, outputs: dict[str, Any]) -> None:
        """A message with these results is received from ``port``: if it can be the oldest, it is."""
        waiting = self._state.waiting(port)
        oldest = next(iter(waiting), None)
        if oldest is None or "id" not in outputs or oldest not in self._open:
            return
        found = self._open[oldest].next_of(waiting, (outputs["id"], outputs.get("data", 0)))
        if found is not None:
            earlier = waiting[: waiting.index(found)]
            self._state.reorder([*earlier, found], [found, *earlier])

    def _tells(self, message: int) -> tuple[int, int]:
        fields = self._state.fields
        return fields["id"].get(message, 0), fields["data"].get(message, 0)
