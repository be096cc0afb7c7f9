"""Clauses of state invariants that no proof needs, and what they are for: they protect the users of a kernel, not other
proofs.

``sendright mutants --clauses`` finds such clauses, and fails for one that isn't listed here.
"""

from __future__ import annotations

import msgspec


class Goal(msgspec.Struct, frozen=True):
    """One clause that is a goal in itself."""

    invariant: int
    clause: str
    """The clause's title."""
    why: str
    """What it is for."""


GOALS = (
    Goal(2, "no queue", "a message in the queue of a dead port would keep its rights for ever, and no task could receive it"),
    Goal(6, "destinations", "a message goes to its port by a send or send-once right, never by a receive right or a port set"),
    Goal(6, "bodies", "a receiver gets no port set and no name in a message"),
    Goal(8, "the count", "a user reads it, and no-senders notifications depend on it: a right that isn't counted would never be missed"),
    Goal(9, "the count", "a user reads it with mach_port_get_attributes"),
    Goal(18, "ranks rise", "no message could ever be freed that carries the receive right of the queue that it is in"),
    Goal(21, "the count", "it decides when a queue is full, and whether there is a message to receive"),
    Goal(31, "the tokens", "a server believes a message from the kernel for its tokens"),
    Goal(41, "memory", "what an ended task wrote must not stay where a new task finds it"),
    Goal(41, "waiting", "no message is kept for a task that has ended"),
    Goal(41, "suspend counts", "a task that is resumed as often as it was suspended runs again"),
    Goal(104, "for what", "a notification that isn't due takes no place before messages that are there"),
    Goal(104, "what died first", "a requester hears of a port's death only for the name that it asked about, not for a later one"),
    Goal(104, "the clock", "a new message comes after those that wait"),
    Goal(107, "elsewhere 0", "only names have user references: a right in a message or a place is one right"),
    Goal(110, "the limit", "no sender is refused by a queue whose limit can't be set"),
    Goal(113, "its port", "a task that waits to receive can be woken"),
    Goal(114, "rights", "a receiver finds as many rights as the descriptors say"),
)
"""All of them. No proof of anything else needs these clauses."""


def why_a_goal(invariant: int, clause: str) -> str:
    """What the clause is for, if it is listed; else empty."""
    return next((one.why for one in GOALS if (one.invariant, one.clause) == (invariant, clause)), "")
