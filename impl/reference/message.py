"""A message between sender and receiver."""

from __future__ import annotations

from typing import NamedTuple

from sendright.impl.reference.port import NULL_RIGHT, Port, Right
from sendright.mach import snapshot
from sendright.mach.rights import Disposition, SlotKind
from sendright.mach.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN, AuditToken, SecurityToken

SEND_ONCE_NOTIFICATION = 71
"""``MACH_NOTIFY_SEND_ONCE``: msgh_id of the message that a send-once right turns into when it ends unused (semantics 7)."""

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

    def show(self) -> snapshot.Descriptor:
        """This descriptor as a snapshot has it."""
        return snapshot.Descriptor(self.right.show(), int(self.form))


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
    from_kernel: bool = False

    @property
    def cargo(self) -> tuple[Right, ...]:
        """The rights that the message carries *to* someone: reply and body, in order."""
        return (self.reply.right, *(descriptor.right for descriptor in self.body))

    @property
    def moved_ports(self) -> list[Port]:
        """The ports whose receive rights travel in the body."""
        return [descriptor.right.port for descriptor in self.body if descriptor.right.kind is SlotKind.RECEIVE]

    def show(self) -> snapshot.Message:
        """This message as a snapshot has it."""
        return snapshot.Message(
            self.serial,
            self.id,
            self.destination.show(),
            self.reply.show(),
            tuple([descriptor.show() for descriptor in self.body]),
            self.tokens.security,
            self.tokens.audit,
            self.from_kernel,
        )
