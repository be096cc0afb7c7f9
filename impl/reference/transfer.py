"""Moving rights out of a space into the kernel (copy-in), and from the kernel into a space (copy-out).

Mach's ``ipc/ipc_right.c``.
"""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import is_immovable
from sendright.impl.reference.notifications import release_send
from sendright.impl.reference.port import DEAD_RIGHT, NULL_RIGHT, Right
from sendright.impl.reference.space import HAS_RECEIVE, HAS_SEND, Entry, Space
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, SlotKind

_SEND_OR_DEAD = (*HAS_SEND, SlotKind.DEAD_NAME)

_FIT: dict[int, tuple[SlotKind, ...]] = {
    Disposition.MOVE_RECEIVE: HAS_RECEIVE,
    Disposition.MOVE_SEND: _SEND_OR_DEAD,
    Disposition.MOVE_SEND_ONCE: (SlotKind.SEND_ONCE, SlotKind.DEAD_NAME),
    Disposition.COPY_SEND: _SEND_OR_DEAD,
    Disposition.MAKE_SEND: HAS_RECEIVE,
    Disposition.MAKE_SEND_ONCE: HAS_RECEIVE,
}
"""The kinds of entry that fit each disposition."""


LOOKING = (Disposition.MOVE_SEND, Disposition.MOVE_SEND_ONCE, Disposition.COPY_SEND)
"""The dispositions that look at the name."""


def is_disposition(number: int) -> bool:
    """Whether ``number`` is a disposition (16 … 21)."""
    return number in _FIT


def fits(entry: Entry, disposition: int) -> bool:
    """Whether ``entry`` has a right that fits ``disposition``."""
    return entry.kind in _FIT[disposition]


def entry_to_copy_in(space: Space, name: int, disposition: int) -> Entry | None:
    """The entry of ``name``, from which a right is copied in. A disposition that takes a send or send-once right looks
    at the entry. (``ipc_right_copyin``)
    """
    return space.lookup(name) if disposition in LOOKING else space.entry(name)


def copy_in_entry(space: Space, name: int, entry: Entry, disposition: int) -> Right:
    """Copy in a right from ``entry``, which is the entry of ``name`` and fits the disposition."""
    port = entry.port
    if disposition == Disposition.MAKE_SEND:
        return port.make_send()
    if disposition == Disposition.MAKE_SEND_ONCE:
        return port.make_send_once()
    if disposition == Disposition.MOVE_RECEIVE:
        space.leave_receive(name)
        return port.take_receive()
    if entry.kind is SlotKind.DEAD_NAME:
        if disposition != Disposition.COPY_SEND:
            space.give_up_reference(name)
        return DEAD_RIGHT
    if disposition == Disposition.MOVE_SEND_ONCE:
        space.free(name)
        return Right(SlotKind.SEND_ONCE, port)
    right = port.copy_send()
    if disposition == Disposition.MOVE_SEND:
        # Giving up the last reference releases the entry's own right, so the copy replaces it and counts don't change.
        space.give_up_reference(name)
    return right


def copy_in(space: Space, name: int, disposition: int, into_kernel: bool = True) -> Right:
    """Copy in a right from ``space``, as for the body of a message: for a kernel call (``into_kernel``), or for a
    receiver.

    The names NULL and DEAD give a null and a dead right, with any valid ``disposition``. Raises
    MACH_SEND_INVALID_RIGHT, with nothing changed, if ``name`` doesn't fit the disposition, or if the right is
    immovable. (``ipc_right_copyin``)
    """
    if name == NULL_NAME:
        return NULL_RIGHT
    if name == DEAD_NAME:
        return DEAD_RIGHT
    entry = entry_to_copy_in(space, name, disposition)
    if entry is None or not fits(entry, disposition) or is_immovable(entry, disposition, into_kernel):
        raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
    return copy_in_entry(space, name, entry, disposition)


def copy_in_by_trap(space: Space, name: int, disposition: int, into_kernel: bool) -> Right:
    """Copy in a right from ``space``, as the routine of a trap does: also NULL and DEAD have to denote something, and
    the ``disposition`` can be any number.

    Raises KERN_INVALID_NAME, KERN_INVALID_RIGHT; KERN_INVALID_CAPABILITY if the right is immovable.
    (``ipc_object_copyin``)
    """
    entry = entry_to_copy_in(space, name, disposition)
    if entry is None:
        raise Failure(ReturnCode.KERN_INVALID_NAME)
    if not is_disposition(disposition) or not fits(entry, disposition):
        raise Failure(ReturnCode.KERN_INVALID_RIGHT)
    if is_immovable(entry, disposition, into_kernel):
        raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)
    return copy_in_entry(space, name, entry, disposition)


def copy_out(space: Space, right: Right) -> int:
    """Put ``right`` into ``space`` and return its name: NULL_NAME for a null right, DEAD_NAME for a dead one.
    (``ipc_right_copyout``)

    A send right joins the name that the space has for the port. At that name's limit of user references it is silently
    dropped.
    """
    kind, port = right
    if not port.alive:
        return NULL_NAME if kind is SlotKind.NONE else DEAD_NAME
    if kind is SlotKind.RECEIVE:
        port.in_transit_to = None
    name = None if kind is SlotKind.SEND_ONCE else space.name_of(port)
    if name is None:
        name = space.fresh_name()
        space.enter(name, kind, port)
    elif kind is SlotKind.SEND and space.at_limit(name):
        release_send(port)
    else:
        space.join(name, right)
    return name
