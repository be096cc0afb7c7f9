"""Calls that haven't ended: what they wait for, or stopped at, and what they hold meanwhile.

The routine of such a call is a generator. Where other tasks may come between it yields a ``Wait``, which says what a snapshot shows of it; the
kernel goes on with it when the task's call is resumed. What it returns is the call's result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

from sendright.impl.reference.message import Message, Tokens
from sendright.impl.reference.port import Port, Right
from sendright.mach import snapshot
from sendright.mach.calls import Result
from sendright.mach.codes import ReturnCode
from sendright.mach.rights import NULL_NAME

if TYPE_CHECKING:
    from sendright.impl.reference.task import Task


class Wait(ABC):
    """A point at which a call can rest."""

    call: str
    code = ReturnCode.MACH_RCV_IN_PROGRESS
    """What the call answers for now."""
    must = False
    """There is nothing to go on with yet; False: it rests only if its caller wants it to (``Call.stop``)."""

    @property
    def created_task(self) -> int | None:
        """The task that the call has made so far."""
        return None

    @property
    def rights(self) -> tuple[Right, ...]:
        """What the call has in its hands, in the order in which it is given up if the task ends."""
        return ()

    @abstractmethod
    def show(self, task: Task) -> snapshot.PendingCall:
        """This call, which ``task`` waits in, as a snapshot has it."""


Steps: TypeAlias = Generator[Wait, None, Result]
"""A routine that may rest."""
Rests: TypeAlias = Generator[Wait, None, None]
"""A part of one, with no result of its own."""


class Sending(Wait):
    """A message before a full queue."""

    call = "mach_msg_send"
    code = ReturnCode.MACH_SEND_IN_PROGRESS
    must = True

    def __init__(self, message: Message) -> None:
        self.message = message

    @property
    def rights(self) -> tuple[Right, ...]:
        return self.message.rights

    def show(self, task: Task) -> snapshot.PendingCall:
        return snapshot.PendingCall(call=self.call, message=self.message.show(task))


class Receiving(Wait):
    """A receiver before an empty queue, or a port set without messages."""

    call = "mach_msg_receive"
    must = True

    def __init__(self, name: int, port: Port | None, limit: int, large: bool, trailer: int) -> None:
        self.name = name
        """The one that what it waits at has by now."""
        self.port = port
        """The port that the name then denoted; None: it waits at a port set."""
        self.limit = limit
        self.large = large
        self.trailer = trailer

    def show(self, task: Task) -> snapshot.PendingCall:
        port = None if self.port is None else self.port.number
        return snapshot.PendingCall(call=self.call, name=self.name, port=port, limit=self.limit, large=self.large, trailer=self.trailer)


class Creating(Wait):
    """A child is there, and isn't yet who it shall be (hazard H-2)."""

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


class Setting(Wait):
    """A special port is set; the right that was there isn't released yet."""

    call = "task_set_special_port"

    def __init__(self, old: Right) -> None:
        self.old = old

    @property
    def rights(self) -> tuple[Right, ...]:
        return (self.old,)

    def show(self, task: Task) -> snapshot.PendingCall:
        return snapshot.PendingCall(call=self.call, held=self.old.show(task))
