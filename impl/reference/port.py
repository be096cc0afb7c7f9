"""Ports, and rights to them on their way from one holder to the next.

Each ``Right`` has exactly one holder: a place of a task, a message, a request, or the routine that works on it. While
it is live, its port counts it: a send right in ``send_rights``, a send-once right in ``send_once_rights``. A routine
must put each right somewhere or release it (``core.release``). To drop one leaks a count, as in a real kernel.

When a port dies, the rights to it aren't searched for. ``alive`` becomes False, and a later use of such a right finds
it dead (ports die eagerly, names learn of it lazily).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from sendright.impl.reference.changes import Changes, Holder
from sendright.impl.reference.requests import RequestTable
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import PortObject, SlotKind
from sendright.mach.state import snapshot

if TYPE_CHECKING:
    from sendright.impl.reference.ledger import Ledger
    from sendright.impl.reference.message import Message
    from sendright.impl.reference.task import Task
    from sendright.impl.reference.waiting import BlockedSend

DEAD_ENTRY = snapshot.Entry(SlotKind.DEAD_NAME)


class Port:
    """A port: a queue of messages, one receive right, and counted send and send-once rights."""

    __slots__ = (
        "alive",
        "changes",
        "context",
        "guarded",
        "image",
        "immovable",
        "immovable_send",
        "imp_donation",
        "in_transit_to",
        "ledger",
        "lost_send_rights",
        "make_send_count",
        "no_senders",
        "number",
        "object",
        "port_destroyed",
        "purpose",
        "queue",
        "queue_limit",
        "requests",
        "send_once_rights",
        "send_rights",
        "sequence_number",
        "serials",
        "service",
        "shown_by",
        "strict",
        "task",
        "temp_owner",
        "throttled",
        "waiting_senders",
    )

    def __init__(
        self,
        number: int,
        object: PortObject,
        queue_limit: int,
        serials: Iterator[int],
        changes: Changes,
        requests: RequestTable,
    ) -> None:
        self.number = number
        self.object = object
        """The kind of kernel object that the port stands for; NONE for a port that a task made and can receive from."""
        self.task: Task | None = None
        """The task that the port stands for, if any; of an identity token: the task of which it was made."""
        self.ledger: Ledger | None = None
        """The ledger that the port stands for, if any."""
        self.image: tuple[int, int] | None = None
        """Of the port of a task identity token: the pid and the pid version of the image that it names."""
        self.alive = True
        self.make_send_count = 0
        self.sequence_number = 0
        self.send_rights = 0
        self.lost_send_rights = 0
        """Those of ``send_rights`` that the kernel has lost."""
        self.send_once_rights = 0
        self.queue_limit = queue_limit
        self.queue: deque[Message] = deque()
        self.waiting_senders: list[BlockedSend] = []
        """The sends that are blocked by the full queue, in their order."""
        self.in_transit_to: Port | None = None
        """While the receive right is in a queued message: the port with that queue."""
        self.no_senders: Right | None = None
        """The no-senders request: the send-once right for its notification."""
        self.port_destroyed: Right | None = None
        """The port-destroyed request: the send-once right over which the receive right is sent instead of dying."""
        self.requests = requests
        """The dead-name requests: they fire when this port dies."""
        self.immovable_send = False
        """Whether its send rights are immovable: they can't be sent to another task or be put into special ports
        (``ip_immovable_send``).
        """
        self.context = 0
        """A word that the receiver set; if the port is guarded, its guard."""
        self.guarded = False
        self.strict = False
        """Of a guarded port: no call returns the guard."""
        self.immovable = False
        """Whether the receive right is immovable: it can't be copied in (``ip_immovable_receive``)."""
        self.imp_donation = False
        """Whether messages to it can donate importance (``ip_impdonation``)."""
        self.temp_owner = False
        """Whether its receiver gets none of that, as it will hand the receive right on (``ip_tempowner``)."""
        self.purpose = PortPurpose.NONE
        """What the port was made for (``ip_reply_port_semantics``)."""
        self.service = False
        self.throttled = False
        """Of a service port: whether it is marked as throttled."""
        self.serials = serials
        """Serial numbers for messages, by which snapshots identify them. All ports of a kernel share this source."""
        self.changes = changes
        """The register of what has changed since the last snapshot."""
        self.shown_by: set[tuple[Holder, int]] = set()
        """The holders, each with a place, whose right to this port was in a snapshot."""
        self.changed()

    def changed(self, place: int = 0) -> None:
        """Register that this port has changed since the last snapshot."""
        self.changes.ports.add(self.number)

    def make_send(self) -> Right:
        """Make a send right from the receive right. The make-send count counts it."""
        self.make_send_count += 1
        return self.copy_send()

    def copy_send(self) -> Right:
        """Make a send right from another send right. The make-send count doesn't count it."""
        self.send_rights += 1
        self.changed()
        return Right(SlotKind.SEND, self)

    def make_send_once(self) -> Right:
        """Make a send-once right."""
        self.send_once_rights += 1
        self.changed()
        return Right(SlotKind.SEND_ONCE, self)

    def drop_send_once(self) -> None:
        """Count a send-once right less: it was used for a message."""
        self.send_once_rights -= 1
        self.changed()

    def lose_send(self) -> None:
        """Lose a send right: it stays counted, though nothing has it any more."""
        self.lost_send_rights += 1
        self.changed()

    def take_receive(self) -> Right:
        """Take the receive right out of the space that had it. The receiver's counts restart at 0, and the guard is
        removed. (``ipc_port_clear_receiver``, ``ipc_importance_check_circularity``)
        """
        self.make_send_count = 0
        self.sequence_number = 0
        self.context = 0
        self.guarded = self.strict = self.immovable = self.temp_owner = False
        self.changed()
        return Right(SlotKind.RECEIVE, self)

    def accepts_reply(self, reply: Port) -> bool:
        """Whether a message to it can have a reply right to the live port ``reply``
        (``ip_violates_reply_port_semantics``).
        """
        return self.purpose is not PortPurpose.ENFORCED or reply.purpose is PortPurpose.REPLY

    def enqueue(self, message: Message) -> None:
        """Append ``message``, whose destination right is one to this port, regardless of the queue limit."""
        self.queue.append(message)
        self.changed()

    def dequeue(self) -> Message:
        """Take the oldest message out. The sequence number increases."""
        self.sequence_number += 1
        self.changed()
        return self.queue.popleft()

    @property
    def message_count(self) -> int:
        """The number of messages in the queue, and of those that room was given to (``imq_msgcount``)."""
        return len(self.queue) + sum(sender.has_room for sender in self.waiting_senders)

    @property
    def full(self) -> bool:
        """Whether a sender with a send right is blocked."""
        return self.message_count >= self.queue_limit

    def give_room(self) -> None:
        """Give room to the first blocked send that has none. (``IPC_MQUEUE_FULL``)"""
        for sender in self.waiting_senders:
            if not sender.has_room:
                sender.give_room()
                return

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
            lost_send_rights=self.lost_send_rights,
            request_slots=self.requests.size,
            imp_donation=self.imp_donation,
            temp_owner=self.temp_owner,
            purpose=self.purpose,
            service=self.service,
            throttled=self.throttled,
            image=self.image,
        )


class Right(NamedTuple):
    """A right outside of a space: ``kind`` is SEND, RECEIVE or SEND_ONCE, or it is ``NULL_RIGHT`` or ``DEAD_RIGHT``."""

    kind: SlotKind
    port: Port

    @property
    def live(self) -> bool:
        """Whether it is a right to a live port."""
        return self.port.alive

    @property
    def settled(self) -> Right:
        """This right, or a dead right if its port has died."""
        return self if self.port.alive or self.kind is SlotKind.NONE else DEAD_RIGHT

    def clone(self) -> Right:
        """Make another right like this send right. A null right gives a null right, a dead right a dead one."""
        return self.port.copy_send() if self.port.alive else self.settled

    def show(self, holder: Holder, place: int = 0) -> snapshot.Entry:
        """This right, which ``holder`` has, as a snapshot has it."""
        if self.port.alive:
            self.port.shown_by.add((holder, place))
            return snapshot.Entry(self.kind, self.port.number)
        return snapshot.EMPTY if self.kind is SlotKind.NONE else DEAD_ENTRY


NO_PORT = Port(-1, PortObject.NONE, 0, iter(()), Changes(), RequestTable(grows_by_half=False))
"""Used where there is no port, so that code needn't test for None. It was never alive."""
NO_PORT.alive = False

NULL_RIGHT = Right(SlotKind.NONE, NO_PORT)
"""No right: ``MACH_PORT_NULL``, ``IP_NULL``."""
DEAD_RIGHT = Right(SlotKind.DEAD_NAME, NO_PORT)
"""A right whose port died before the right was used: ``MACH_PORT_DEAD``, ``IP_DEAD``."""
