"""Which label may read which, as it follows from a policy.

A task reads another one if it gets its tokens, its memory or what it writes, from the kernel. A child begins with its
parent's tokens. Nothing else does that without a right: ``task_info`` and ``vm_read`` need the port of the task, and a
message goes from a holder of a right to a port to the port's receiver. So in a system that keeps a policy, its children
and its other authority bound all reading, and no solver is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sendright.model.policy.policy import Authority, Edge, Policy, Where


class Reading(NamedTuple):
    """``edge``: one label may read another, by a ``call``, and the authority that makes it possible, in words."""

    edge: Edge
    call: str
    why: str


def restricts_reading(policy: Policy) -> bool:
    """The policy restricts reading: it has an entry about that."""
    return any(edge.authority == Authority.READ.value for edge in policy.edges)


def readings(policy: Policy) -> Iterator[Reading]:
    """All pairs of different labels of which a task of the first may read one of the second, each with one reason."""
    for who in policy.of_tasks:
        for to in policy.of_tasks:
            found = next(_ways(policy, who, to), None) if who != to else None
            if found is not None:
                yield Reading(Edge(Where.HOLDS.value, who, Authority.READ.value, to), *found)


def _ways(policy: Policy, who: str, to: str) -> Iterator[tuple[str, str]]:
    """How ``who`` may read ``to``: a call, and why it can be made."""
    for authority, call in ((Authority.CONTROL, "task_info"), (Authority.SHARE, "vm_read"), (Authority.COPY_MEMORY, "task_create")):
        if policy.allows(Where.HOLDS, who, authority, to):
            yield call, str(Edge(Where.HOLDS.value, who, authority.value, to))
    if who in policy.descendants(to):
        yield "task_create", f"{who} may descend from {to}, and a child begins with its parent's tokens"
    for port in policy.of_ports:
        receives = Edge(Where.HOLDS.value, who, Authority.RECEIVE.value, port)
        sends = Edge(Where.HOLDS.value, to, Authority.SEND_ONCE.value, port)
        if {receives, sends} <= policy.edges:
            yield "mach_msg_receive", f"{receives}, {sends}, and each message has its sender's tokens"
