"""Late choices: those that show only when messages are received, if an implementation doesn't show its queues.

Two things a kernel may choose are in the queue only: in which order the notifications of one call arrive, and whether a
port that dies in the call in which its last send right goes tells no-senders before it dies, or gives the right to tell
it up (a send-once notification). So what the specification has in the queue is one possibility, and stays open until
the message is received.
"""

from __future__ import annotations

from typing import Any

from sendright.mach.abi.rights import Notification
from sendright.model.execution.state import ConcreteState


class LateChoices:
    """The choices that are still open in the queues of one state."""

    def __init__(self, state: ConcreteState) -> None:
        self._state = state
        self._together: dict[int, tuple[int, ...]] = {}
        """Notification -> those of the same call in the same queue, itself too."""
        self._instead: dict[int, tuple[int, int]] = {}
        """Send-once notification -> the id and data of the one that there may be in its place."""

    def told_together(self, port: int, messages: tuple[int, ...]) -> None:
        """``messages`` arrived at ``port`` in one call."""
        self._together |= dict.fromkeys(messages, messages)

    def may_be_no_senders(self, message: int, count: int) -> None:
        """The send-once ``message`` may be a no-senders notification with this make-send count."""
        self._instead[message] = (int(Notification.NO_SENDERS), count)

    def settle(self, port: int, outputs: dict[str, Any]) -> None:
        """A message with these results is received from ``port``: if it can be the oldest, it is."""
        state = self._state
        waiting = state.waiting(port)
        oldest = next(iter(waiting), None)
        if oldest is None or "id" not in outputs:
            return
        told = outputs["id"], outputs.get("data")
        possible = [oldest, *(message for message in self._together.get(oldest, ()) if message != oldest and message in waiting)]
        for message in possible:
            fields = state.fields
            is_other = self._instead.get(message) == told
            if not is_other and (fields["id"].get(message, 0), fields["data"].get(message, 0)) != told:
                continue
            if is_other:
                state.write("id", {message: told[0]})
                state.write("data", {message: told[1]})
            if message != oldest:
                arrival = fields["arrival"]
                one, other = arrival.get(oldest, 0), arrival.get(message, 0)
                state.write("arrival", {oldest: other, message: one})
            return
