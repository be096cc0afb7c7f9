"""A message between sender and receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sendright.impl.reference.changes import Holder
from sendright.impl.reference.port import NULL_RIGHT, Port, Right
from sendright.mach import snapshot
from sendright.mach.descriptors import PORT, Layout, natural_size
from sendright.mach.rights import Disposition, SlotKind
from sendright.mach.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN, AuditToken, SecurityToken

REPLY_OFFSET = 100
"""What MIG adds to a request's msgh_id to make that of the reply."""


class Tokens(NamedTuple):
    """Who a sender is. The two are one value, so that nobody can ever see half a change."""

    security: SecurityToken
    audit: AuditToken


KERNEL_TOKENS = Tokens(KERNEL_SECURITY_TOKEN, KERNEL_AUDIT_TOKEN)


class Descriptor(NamedTuple):
    """A right in a message, and the form in which the receiver will see it (which it keeps when the right dies)."""

    right: Right
    form: Disposition

    def show(self, holder: Holder) -> snapshot.Descriptor:
        """This descriptor, in a message that ``holder`` has, as a snapshot has it."""
        return snapshot.Descriptor(self.right.show(holder), int(self.form))


NO_REPLY = Descriptor(NULL_RIGHT, Disposition.NONE)


class Message(NamedTuple):
    """Rights on their way. It owns them all, the destination right too, until it is received or destroyed."""

    serial: int
    id: int
    destination: Right
    reply: Descriptor
    body: tuple[Descriptor, ...]
    tokens: Tokens
    """The sender's, as they were when the send began, whatever becomes of the sender since."""
    layout: Layout
    """How the body's rights and pages are arranged."""
    memory: tuple[int, ...]
    """What the body's pages contain: they were copied when the message was sent."""
    size: int
    """In bytes, as its sender says."""
    data: int
    """The first word of the body's inline data. Anybody can write there what a notification would say; the tokens tell who did."""
    from_kernel: bool = False

    @property
    def rights(self) -> tuple[Right, ...]:
        """All its rights, in the order in which they are given up."""
        return (self.destination, *self.cargo)

    @property
    def cargo(self) -> tuple[Right, ...]:
        """The rights that the message carries *to* someone: reply and body, in order."""
        return (self.reply.right, *(descriptor.right for descriptor in self.body))

    @property
    def moved_ports(self) -> list[Port]:
        """The ports whose receive rights travel in the body."""
        return [descriptor.right.port for descriptor in self.body if descriptor.right.kind is SlotKind.RECEIVE]

    @property
    def circular(self) -> bool:
        """Whether a receive right in the body is on its way, over however many messages, to itself. (semantics 6.6)

        In such a queue nobody could ever receive again, nor would it die. What waits for a dead port, to be destroyed, is on its way to none.
        """
        moved = self.moved_ports
        if not moved:
            return False
        port: Port | None = self.destination.port
        while port is not None and port.alive and port not in moved:
            port = port.in_transit_to
        return port is not None and port.alive

    def set_out(self) -> None:
        """Let this message, which isn't circular, be on its way, be it in a queue or before one."""
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
    """A message that the kernel sends by itself, on ``right``; its body has ports only."""
    layout = (PORT,) * len(body)
    return Message(next(serials), id, right, NO_REPLY, body, KERNEL_TOKENS, layout, (), natural_size(layout), data, from_kernel=True)
