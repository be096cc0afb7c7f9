"""Messages, from their sender to their receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sendright.impl.reference.changes import Holder
from sendright.impl.reference.port import NULL_RIGHT, Port, Right
from sendright.mach.abi.descriptors import PORT, Layout, natural_size
from sendright.mach.abi.rights import Disposition, SlotKind
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN, AuditToken, SecurityToken
from sendright.mach.state import snapshot

REPLY_OFFSET = 100
"""MIG's reply has the msgh_id of the request plus this."""


class Tokens(NamedTuple):
    """A task's identity. Both tokens are one value, so that half a change is never visible."""

    security: SecurityToken
    audit: AuditToken


KERNEL_TOKENS = Tokens(KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)


class Descriptor(NamedTuple):
    """A right in a message, and the disposition that the receiver sees (also if the right is dead by then)."""

    right: Right
    form: Disposition

    def show(self, holder: Holder) -> snapshot.Descriptor:
        """This descriptor, in a message that ``holder`` has, as a snapshot has it."""
        return snapshot.Descriptor(self.right.show(holder), int(self.form))


NO_REPLY = Descriptor(NULL_RIGHT, Disposition.NONE)


class Message(NamedTuple):
    """A message and the rights in it. It owns these, including the destination right, until it is received or
    destroyed.
    """

    serial: int
    id: int
    destination: Right
    reply: Descriptor
    body: tuple[Descriptor, ...]
    tokens: Tokens
    """The sender's tokens when the send began. Later changes of the sender don't matter."""
    layout: Layout
    """How the body's rights and pages are arranged."""
    memory: tuple[int, ...]
    """The contents of the body's pages, copied when the message was sent."""
    size: int
    """In bytes, as the sender declared it."""
    data: int
    """The first word of the body's inline data. A sender can put the content of a notification there; the tokens
    show that it wasn't the kernel.
    """
    from_kernel: bool = False

    @property
    def rights(self) -> tuple[Right, ...]:
        """All its rights, in the order in which they are released."""
        return (self.destination, *self.cargo)

    @property
    def cargo(self) -> tuple[Right, ...]:
        """The rights that the receiver gets: reply and body, in order."""
        return (self.reply.right, *(descriptor.right for descriptor in self.body))

    @property
    def moved_ports(self) -> list[Port]:
        """The ports whose receive rights are in the body."""
        return [descriptor.right.port for descriptor in self.body if descriptor.right.kind is SlotKind.RECEIVE]

    @property
    def circular(self) -> bool:
        """Whether a receive right in the body leads, through any number of queued messages, to its own port.

        Such a queue could never be received from, and would never die. A message to a dead port leads nowhere.
        """
        moved = self.moved_ports
        if not moved:
            return False
        port: Port | None = self.destination.port
        while port is not None and port.alive and port not in moved:
            port = port.in_transit_to
        return port is not None and port.alive

    def set_out(self) -> None:
        """Mark this message, which isn't circular, as in transit: it is in a queue, or blocked before one."""
        for moved in self.moved_ports:
            moved.in_transit_to = self.destination.port

    def send_off(self) -> None:
        """Put this message, which isn't circular, into its destination's queue."""
        self.set_out()
        self.destination.port.enqueue(self)

    def show(self, holder: Holder) -> snapshot.Message:
        """This message, which ``holder`` has, as a snapshot has it."""
        return snapshot.Message(
            self.serial,
            self.id,
            self.destination.show(holder),
            self.reply.show(holder),
            tuple([descriptor.show(holder) for descriptor in self.body]),
            self.tokens.security,
            self.tokens.audit,
            self.data,
            self.from_kernel,
            layout=self.layout,
            memory=self.memory,
            size=self.size,
        )


def from_kernel(serials: Iterator[int], id: int, right: Right, data: int = 0, body: tuple[Descriptor, ...] = ()) -> Message:
    """A message from the kernel on ``right``. Its body has only ports."""
    layout = (PORT,) * len(body)
    return Message(next(serials), id, right, NO_REPLY, body, KERNEL_TOKENS, layout, (), natural_size(layout), data, from_kernel=True)
