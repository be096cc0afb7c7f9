"""Ports, and rights to them on their way from one holder to the next.

A ``Right`` is a thing that exactly one holder has: a place of a task, a message, a request that waits, or the
routine at work on it. While it lives, its port counts it: a send right in ``send_rights``, a send-once right in
``send_once_rights``. A right ends by being put somewhere or by being released (``core.release``); forgetting one leaks a count, as
in a real kernel.

When a port dies nobody hunts for the rights to it. ``alive`` turns False, and whoever looks at such a right later finds it dead
(semantics 2: ports die eagerly, names learn of it lazily).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from sendright.impl.reference.changes import Changes, Holder
from sendright.mach import snapshot
from sendright.mach.rights import PortObject, SlotKind

if TYPE_CHECKING:
    from sendright.impl.reference.ledger import Ledger
    from sendright.impl.reference.message import Message
    from sendright.impl.reference.space import Entry, Space
    from sendright.impl.reference.task import Task

DEAD_ENTRY = snapshot.Entry(SlotKind.DEAD_NAME)


class Port:
    """A queue of messages with one receive right, somewhere, and counted rights to send to it."""

    __slots__ = (
        "alive",
        "changes",
        "context",
        "guarded",
        "immovable",
        "in_transit_to",
        "ledger",
        "make_send_count",
        "no_senders",
        "number",
        "object",
        "port_destroyed",
        "queue",
        "queue_limit",
        "send_once_rights",
        "send_rights",
        "send_rights_stay",
        "sequence_number",
        "serials",
        "shown_by",
        "strict",
        "task",
        "watchers",
    )

    def __init__(self, number: int, object: PortObject, queue_limit: int, serials: Iterator[int], changes: Changes) -> None:
        self.number = number
        self.object = object
        """The kernel object that the port stands for; NONE: a user made it, and may receive from it."""
        self.task: Task | None = None
        """That object, when it is a task."""
        self.ledger: Ledger | None = None
        """That object, when it is a ledger."""
        self.alive = True
        self.make_send_count = 0
        self.sequence_number = 0
        self.send_rights = 0
        self.send_once_rights = 0
        self.queue_limit = queue_limit
        self.queue: deque[Message] = deque()
        self.in_transit_to: Port | None = None
        """While the receive right is in a queued message: the port in whose queue that message waits."""
        self.no_senders: Right | None = None
        """The send-once right over which the end of the last send right is to be told."""
        self.port_destroyed: Right | None = None
        """The send-once right over which the receive right is to be sent when it would die."""
        self.watchers: dict[Entry, Space] = {}
        """The entries, each with its space, that have a dead-name request: whom to tell when this port dies."""
        self.send_rights_stay = False
        """Whether send rights can't be sent on or be kept in places (``ip_immovable_send``)."""
        self.context = 0
        """A word of the receiver's; if the port is guarded, the guard."""
        self.guarded = False
        self.strict = False
        """Of a guarded port: nobody is told the guard."""
        self.immovable = False
        """Whether the receive right can't be carried (``ip_immovable_receive``)."""
        self.serials = serials
        """Numbers for messages, by which snapshots can follow them; all ports of a kernel have them from one source."""
        self.changes = changes
        """Where everything that has changed since the last snapshot is told of."""
        self.shown_by: set[tuple[Holder, int]] = set()
        """Who has shown a right to this port, and in which place."""
        self.changed()

    def changed(self, place: int = 0) -> None:
        """This port is no more as the last snapshot shows it."""
        self.changes.ports.add(self.number)

    def make_send(self) -> Right:
        """A new send right, by the authority of the receive right: counted in the make-send count too."""
        self.make_send_count += 1
        return self.copy_send()

    def copy_send(self) -> Right:
        """A new send right, by the authority of another send right."""
        self.send_rights += 1
        self.changed()
        return Right(SlotKind.SEND, self)

    def make_send_once(self) -> Right:
        """A new send-once right."""
        self.send_once_rights += 1
        self.changed()
        return Right(SlotKind.SEND_ONCE, self)

    def drop_send_once(self) -> None:
        """A send-once right is no more: a message went through it."""
        self.send_once_rights -= 1
        self.changed()

    def take_receive(self) -> Right:
        """The receive right, leaving the space that had it: the counts that its holder sees start anew, and no guard is left (semantics 6.2)."""
        self.make_send_count = 0
        self.sequence_number = 0
        self.context = 0
        self.guarded = self.strict = self.immovable = False
        self.changed()
        return Right(SlotKind.RECEIVE, self)

    def enqueue(self, message: Message) -> None:
        """Append ``message``, whose destination right is one of this port's, whatever the queue limit."""
        self.queue.append(message)
        self.changed()

    def dequeue(self) -> Message:
        """The oldest message; it has used up a sequence number."""
        self.sequence_number += 1
        self.changed()
        return self.queue.popleft()

    @property
    def full(self) -> bool:
        """Whether a sender with a send right has to wait."""
        return len(self.queue) >= self.queue_limit

    def show(self) -> snapshot.Port:
        """This port as a snapshot has it."""
        return snapshot.Port(
            self.object,
            None if self.task is None else self.task.number,
            self.make_send_count,
            self.sequence_number,
            self.send_rights,
            self.send_once_rights,
            self.queue_limit,
            tuple([message.show(self) for message in self.queue]),
            snapshot.EMPTY if self.no_senders is None else self.no_senders.show(self),
            snapshot.EMPTY if self.port_destroyed is None else self.port_destroyed.show(self),
            ledger=None if self.ledger is None else self.ledger.show(),
            context=self.context,
            guarded=self.guarded,
            strict=self.strict,
            immovable=self.immovable,
        )


class Right(NamedTuple):
    """A right that no name denotes: ``kind`` is SEND, RECEIVE or SEND_ONCE, or else it is one of the two constants below."""

    kind: SlotKind
    port: Port

    @property
    def live(self) -> bool:
        """Whether it is a right to a live port."""
        return self.port.alive

    def clone(self) -> Right:
        """One more right like this send right; of no right, none; of a dead right, a dead one."""
        return self.port.copy_send() if self.port.alive else self

    def show(self, holder: Holder, place: int = 0) -> snapshot.Entry:
        """This right, which ``holder`` has, as a snapshot has it."""
        if self.port.alive:
            self.port.shown_by.add((holder, place))
            return snapshot.Entry(self.kind, self.port.number)
        return snapshot.EMPTY if self.kind is SlotKind.NONE else DEAD_ENTRY


NO_PORT = Port(-1, PortObject.NONE, 0, iter(()), Changes())
"""Stands where there is no port, so that nobody must test for None. It was never alive."""
NO_PORT.alive = False

NULL_RIGHT = Right(SlotKind.NONE, NO_PORT)
"""No right: ``MACH_PORT_NULL``, ``IP_NULL``."""
DEAD_RIGHT = Right(SlotKind.DEAD_NAME, NO_PORT)
"""What is left of a right whose port died before it was looked at: ``MACH_PORT_DEAD``, ``IP_DEAD``."""
