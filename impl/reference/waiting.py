"""Calls that haven't ended: where they are blocked or paused, and the rights that they hold meanwhile.

The routine of such a call is a generator. Where calls of other tasks can come between, it yields a ``Wait``, which
gives the snapshot's content for it. The kernel continues it when the task's call is resumed. It returns the call's
result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from sendright.impl.reference.message import Message, Tokens
from sendright.impl.reference.port import Port, Right
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import NULL_NAME
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.call import Result
from sendright.mach.state import snapshot

if TYPE_CHECKING:
    from sendright.impl.reference.task import Task


class Wait(ABC):
    """A point at which a call can be blocked or paused."""

    call: str
    code = ReturnCode.MACH_RCV_IN_PROGRESS
    """The code that the call returns for now."""
    must = False
    """True: the call is blocked, it can't continue yet. False: it pauses only if the caller requests that
    (``Call.stop``).
    """

    @property
    def created_task(self) -> int | None:
        """The number of the task that the call has made, if any."""
        return None

    @property
    def rights(self) -> tuple[Right, ...]:
        """The rights that the call holds, in order."""
        return ()

    @property
    def hands_back(self) -> bool:
        """What the call does with its rights if the task ends. True: it puts them into the task's space, which ends
        after that; False: it releases them.
        """
        return False

    @abstractmethod
    def show(self, task: Task) -> snapshot.PendingCall:
        """This call of ``task``, as a snapshot has it."""


Steps: TypeAlias = Generator[Wait, None, Result]
"""A routine that can be blocked or paused."""
PartialSteps: TypeAlias = Generator[Wait, None, None]
"""A part of such a routine, without a result."""


class Reception(NamedTuple):
    """What a call receives after it has sent. Nothing of it is looked at before."""

    name: int
    limit: int
    large: bool
    trailer: int
    wait: bool


class BlockedSend(Wait):
    """A send that is blocked by a full queue. It may be the first half of a call that receives afterwards."""

    call = "mach_msg_send"
    code = ReturnCode.MACH_SEND_IN_PROGRESS
    must = True

    def __init__(self, task: Task, message: Message) -> None:
        self.task = task
        self.message = message
        self.then: Reception | None = None
        """What the call receives afterwards, if anything."""
        self.has_room = False
        """Whether room was given to the message, in kernels that do so."""

    def before(self, then: Reception) -> None:
        """Make this a wait of the call that receives afterwards."""
        self.call, self.then = "mach_msg", then

    def give_room(self) -> None:
        """Give room to the message: it will be queued when the call goes on."""
        self.has_room = True
        self.task.changed()

    @property
    def rights(self) -> tuple[Right, ...]:
        return self.message.rights

    @property
    def hands_back(self) -> bool:
        return self.message.destination.live

    def show(self, task: Task) -> snapshot.PendingCall:
        pending = snapshot.PendingCall(call=self.call, message=self.message.show(task), has_room=self.has_room)
        if self.then is None:
            return pending
        name, limit, large, trailer, wait = self.then
        return msgspec.structs.replace(pending, name=name, limit=limit, large=large, trailer=trailer, receive_wait=wait)


class BlockedReceive(Wait):
    """A receive that is blocked by an empty queue, or by a port set without messages."""

    call = "mach_msg_receive"
    must = True

    def __init__(self, name: int, port: Port | None, limit: int, large: bool, trailer: int) -> None:
        self.name = name
        """The current name of the port or port set. (It can be renamed meanwhile.)"""
        self.port = port
        """The port under the name when the call began; None for a port set."""
        self.limit = limit
        self.large = large
        self.trailer = trailer

    def show(self, task: Task) -> snapshot.PendingCall:
        port = None if self.port is None else self.port.number
        return snapshot.PendingCall(call=self.call, name=self.name, port=port, limit=self.limit, large=self.large, trailer=self.trailer)


class PausedCreation(Wait):
    """A creation between its steps: the child exists, and doesn't have its own tokens yet (hazard H-2)."""

    call = "host_security_create_task_token"

    def __init__(self, child: Task, tokens: Tokens, privileged: bool) -> None:
        self.child = child
        self.tokens = tokens
        self.privileged = privileged

    @property
    def created_task(self) -> int | None:
        return self.child.number

    def show(self, task: Task) -> snapshot.PendingCall:
        port = self.child.port
        if port.alive:
            port.shown_by.add((task, NULL_NAME))
        return snapshot.PendingCall(
            call=self.call,
            child=self.child.number if port.alive else None,
            security_token=self.tokens.security,
            audit_token=self.tokens.audit,
            privileged=self.privileged,
        )


class PausedReplacement(Wait):
    """A replacement between its steps: the special port is set, and the old right isn't released yet."""

    call = "task_set_special_port"

    def __init__(self, old: Right) -> None:
        self.old = old

    @property
    def rights(self) -> tuple[Right, ...]:
        return (self.old,)

    def show(self, task: Task) -> snapshot.PendingCall:
        return snapshot.PendingCall(call=self.call, held=self.old.show(task))


class BlockedWait(Wait):
    """A wait for the end of a child that lives."""

    call = "wait4"
    must = True

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def show(self, task: Task) -> snapshot.PendingCall:
        return snapshot.PendingCall(call=self.call, pid=self.pid)


class PausedExec(Wait):
    """An exec between two phases: the new task exists, and hasn't begun."""

    call = "execve"

    def __init__(self, new: Task, phase: int, set_user: int = UNSET, set_group: int = UNSET) -> None:
        self.new = new
        self.phase = phase
        """How many phases are over."""
        self.set_user, self.set_group = set_user, set_group
        """What the second phase needs."""

    @property
    def created_task(self) -> int | None:
        return self.new.number

    def show(self, task: Task) -> snapshot.PendingCall:
        return snapshot.PendingCall(call=self.call, child=self.new.number, phase=self.phase, set_user=self.set_user, set_group=self.set_group)
