"""Late choices: those that show only when messages are received, if an implementation doesn't show its queues.

One thing that a kernel may choose is in the queue only: in which order the dead-name requests of one port fire. So what
the specification has in the queue is one possibility, and stays open until the messages are received.
"""

from __future__ import annotations

from typing import Any

from sendright.model.execution.state import ConcreteState


class LateChoices:
    """The choices that are still open in the queues of one state."""

    def __init__(self, state: ConcreteState) -> None:
        self._state = state
        self._together: dict[int, tuple[int, ...]] = {}
        """Notification -> those in the same queue of requests that fired together, itself too."""

    def told_together(self, messages: tuple[int, ...]) -> None:
        """``messages`` arrived in one queue, in an order that isn't known."""
        self._together |= dict.fromkeys(messages, messages)

    def settle(self, port: int, outputs: dict[str, Any]) -> None:
        """A message with these results is received from ``port``: if it can be the oldest, it is."""
        state = self._state
        waiting = state.waiting(port)
        oldest = next(iter(waiting), None)
        if oldest is None or "id" not in outputs:
            return
        told = outputs["id"], outputs.get("data")
        fields, arrival = state.fields, state["arrival"]
        possible = [oldest, *(message for message in self._together.get(oldest, ()) if message != oldest and message in waiting)]
        for message in possible:
            if (fields["id"].get(message, 0), fields["data"].get(message, 0)) == told:
                one, other = arrival.get(oldest, 0), arrival.get(message, 0)
                state.write("arrival", {oldest: other, message: one} if message != oldest else {})
                return
