"""A policy: a finite set of labels, and which label may have which authority over which.

Every task and every port has one label. What a task has is in three kinds of places, since a right that lies in one of
them can reach others than a right in another:

- it *holds* the rights under its names, its own port in the place KERNEL, the rights of its dead-name requests, and the
  rights in messages that it sends or receives right now;
- the kernel *keeps* the rights in its other places for it, and its children inherit them;
- the messages in the queue of a port *carry* rights, and so do the port's requests. Each receiver of the port gets
  them. (The host's special ports count as carried by the host's privileged port.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cached_property

import msgspec

from sendright.mach.abi.rights import PortObject


class Authority(Enum):
    """What a label may have over another one."""

    CONTROL = "control"  # the port of a task: everything that the task has, its memory included
    SEND = "send"  # send rights to a user's port
    SEND_ONCE = "send_once"  # send-once rights to a user's port
    RECEIVE = "receive"  # the receive right of a user's port
    HOLD = "hold"  # a right to one of the kernel's own ports: a host port, a ledger, the device port
    SHARE = "share"  # one memory object in the maps of both
    COPY_MEMORY = "copy_memory"  # a new task begins with a copy of its parent's memory
    READ = "read"  # get a task's tokens, its memory or what it writes
    GIVE_TOKENS = "give_tokens"  # set a task's tokens, or make a task with other tokens than its parent's


OF_RIGHTS = (Authority.CONTROL, Authority.SEND, Authority.SEND_ONCE, Authority.RECEIVE, Authority.HOLD)
"""Authority that is a right in a slot. The other authority lies in maps and in calls, or follows (``reading.py``)."""


class Where(Enum):
    """Where a right lies."""

    HOLDS = "hold"
    KEEPS = "keep"
    CARRIES = "carry"


class Edge(msgspec.Struct, frozen=True, order=True):
    """``who`` may have ``authority`` over ``to``, by a right that lies ``where`` says. Names of ``Where`` and
    ``Authority``, and labels.
    """

    where: str
    who: str
    authority: str
    to: str

    def __str__(self) -> str:
        right = f"{_DOES[self.authority]} {self.to}"
        if self.where == Where.KEEPS.value:
            return f"the kernel may keep for {self.who} a right to {right}"
        if self.where == Where.CARRIES.value:
            return f"messages to {self.who} may carry a right to {right}"
        return f"{self.who} may {right}"

    @property
    def toml(self) -> str:
        """The entry of a policy file that allows it."""
        table = "allow" if self.where == Where.HOLDS.value else self.where
        return f'[[{table}]] who = "{self.who}"  may = ["{self.authority}"]  to = ["{self.to}"]'


_DOES = {
    "control": "control",
    "send": "send to",
    "send_once": "send once to",
    "receive": "receive from",
    "hold": "hold a port of",
    "share": "share memory with",
    "copy_memory": "begin with a copy of the memory of",
    "read": "read",
    "give_tokens": "give tokens to",
}

ROLES = {
    "host port": PortObject.HOST,
    "privileged host port": PortObject.HOST_PRIV,
    "host security port": PortObject.HOST_SECURITY,
    "ledgers": PortObject.LEDGER,
    "device port": PortObject.DEVICE,
}
"""The kernel's own ports, by the names that policy files use."""
NEVER_FOR_ANY_TASK = (PortObject.HOST_PRIV, PortObject.HOST_SECURITY)
"""A policy in which every task may have these says nothing: they need a label."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A policy, complete: what a file leaves to defaults is written out.

    ``edges`` has all that is allowed. Use ``complete`` to make one.
    """

    title: str
    labels: tuple[str, ...]
    trusted: frozenset[str]
    """Labels whose tasks are assumed to give away only what the policy allows."""
    first_task: str
    other_tasks: str | None
    """The label of further tasks at boot, in profiles that have some."""
    roles: dict[str, str | None]
    """Role -> the label of the ports in it; None: any task may have rights to them."""
    children: dict[str, tuple[str, ...]]
    """Label -> the labels that a child of one of its tasks may have."""
    ports: dict[str, tuple[str, ...]]
    """Label -> the labels that a port made in the space of one of its tasks may have."""
    edges: frozenset[Edge]
    named_tasks: dict[int, str] = {}
    """The labels of single tasks of a recorded run, by number."""
    named_ports: dict[int, str] = {}

    def allows(self, where: Where, who: str, authority: Authority, to: str) -> bool:
        """Whether the policy has this edge."""
        return Edge(where.value, who, authority.value, to) in self.edges

    def role_of(self, object_: PortObject) -> str | None:
        """The label of the kernel's ports of this kind; None: any task may have rights to them."""
        return next((self.roles[role] for role, kind in ROLES.items() if kind is object_), None)

    @cached_property
    def of_tasks(self) -> tuple[str, ...]:
        """The labels that tasks can have."""
        return tuple(_reached([self.first_task, *([self.other_tasks] if self.other_tasks else []), *self.named_tasks.values()], self.children))

    def descendants(self, label: str) -> frozenset[str]:
        """The labels that the children of a task of ``label`` can have, and the children's children."""
        return frozenset(_reached(self.children[label], self.children))

    @cached_property
    def of_ports(self) -> tuple[str, ...]:
        """The labels that users' ports can have."""
        made = [port for task in self.of_tasks for port in self.ports[task]]
        return tuple(dict.fromkeys([*made, *self.named_ports.values()]))


def _reached(begin: Iterable[str], children: dict[str, tuple[str, ...]]) -> Iterator[str]:
    found: dict[str, None] = {}
    left = list(begin)
    while left:
        label = left.pop(0)
        if label not in found:
            found[label] = None
            yield label
            left += children[label]


def complete(policy: Policy, kept: frozenset[str], carried: frozenset[str]) -> Policy:
    """``policy`` with its defaults written out.

    ``kept`` and ``carried`` are the labels of which the file itself says what is kept for them and what their messages
    carry. The defaults: a task has full authority over its own label and over the ports that it makes; the kernel keeps
    for a task what the task may hold; a message carries what all that may receive it may hold.
    """
    edges = set(policy.edges)
    for label in policy.of_tasks:
        for target in (label, *policy.ports[label]):
            edges |= {Edge("hold", label, authority.value, target) for authority in (Authority.SEND, Authority.RECEIVE)}
        edges |= {Edge("hold", label, authority.value, label) for authority in _OF_OWN_LABEL}
    edges |= {Edge("hold", edge.to, edge.authority, edge.who) for edge in edges if edge.authority == Authority.SHARE.value}
    edges |= _with_send_once(edges)
    held = {label: {edge for edge in edges if edge.where == "hold" and edge.who == label} for label in policy.of_tasks}
    of_rights = {authority.value for authority in OF_RIGHTS}
    for label in set(policy.of_tasks) - kept:
        edges |= {Edge("keep", label, edge.authority, edge.to) for edge in held[label] if edge.authority in of_rights}
    for label in policy.labels:
        if label not in carried:
            receivers = [who for who in policy.of_tasks if _gets_what_is_carried(policy, edges, who, label)]
            for authority in OF_RIGHTS:
                for to in policy.labels:
                    if all(Edge("hold", who, authority.value, to) in edges for who in receivers):
                        edges.add(Edge("carry", label, authority.value, to))
    return msgspec.structs.replace(policy, edges=frozenset(edges | _with_send_once(edges)))


_OF_OWN_LABEL = (Authority.CONTROL, Authority.HOLD, Authority.SHARE, Authority.COPY_MEMORY)


def _with_send_once(edges: Iterable[Edge]) -> set[Edge]:
    """A holder of a send right may have send-once rights too."""
    return {Edge(edge.where, edge.who, Authority.SEND_ONCE.value, edge.to) for edge in edges if edge.authority == Authority.SEND.value}


def _gets_what_is_carried(policy: Policy, edges: set[Edge], who: str, port: str) -> bool:
    """A task of ``who`` may get what messages to a port of ``port`` carry, or the host's special ports."""
    privileged = port == policy.role_of(PortObject.HOST_PRIV) and Edge("hold", who, Authority.HOLD.value, port) in edges
    return privileged or Edge("hold", who, Authority.RECEIVE.value, port) in edges
