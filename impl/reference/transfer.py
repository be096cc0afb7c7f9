"""Rights on their way out of a space (copy-in: into the kernel) and into one (copy-out).

Mach's ``ipc/ipc_right.c``; semantics 6.2 and 6.5.
"""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import is_immovable
from sendright.impl.reference.notifications import release_send
from sendright.impl.reference.port import DEAD_RIGHT, NULL_RIGHT, Right
from sendright.impl.reference.space import HAS_RECEIVE, HAS_SEND, Entry, Space
from sendright.mach.codes import ReturnCode
from sendright.mach.rights import DEAD_NAME, NULL_NAME, Disposition, SlotKind

_SEND_OR_DEAD = (*HAS_SEND, SlotKind.DEAD_NAME)

_FIT: dict[int, tuple[SlotKind, ...]] = {
    Disposition.MOVE_RECEIVE: HAS_RECEIVE,
    Disposition.MOVE_SEND: _SEND_OR_DEAD,
    Disposition.MOVE_SEND_ONCE: (SlotKind.SEND_ONCE, SlotKind.DEAD_NAME),
    Disposition.COPY_SEND: _SEND_OR_DEAD,
    Disposition.MAKE_SEND: HAS_RECEIVE,
    Disposition.MAKE_SEND_ONCE: HAS_RECEIVE,
}
"""What a name must have for each disposition."""


def is_disposition(number: int) -> bool:
    """Whether ``number`` says how to carry a right (16 … 21)."""
    return number in _FIT


def fits(entry: Entry, disposition: int) -> bool:
    """Whether a right can be carried so from what ``entry`` has."""
    return entry.kind in _FIT[disposition]


def copy_in_entry(space: Space, name: int, entry: Entry, disposition: int) -> Right:
    """Carry a right out of ``entry``, which ``name`` denotes and which fits the disposition."""
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
        # With the last reference the entry's own right goes, so that in all the copy has merely taken its place.
        space.give_up_reference(name)
    return right


def copy_in(space: Space, name: int, disposition: int, into_kernel: bool = True) -> Right:
    """Carry a right out of ``space``, as for the body of a message, to the kernel or to whoever receives from a port.

    The names NULL and DEAD carry a null and a dead right, whatever the ``disposition``, which must be one. Raises MACH_SEND_INVALID_RIGHT, with
    nothing changed, if ``name`` does not fit it, or the right stays where it is. (``ipc_right_copyin``)
    """
    if name == NULL_NAME:
        return NULL_RIGHT
    if name == DEAD_NAME:
        return DEAD_RIGHT
    entry = space.lookup(name)
    if entry is None or not fits(entry, disposition) or is_immovable(entry, disposition, into_kernel):
        raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
    return copy_in_entry(space, name, entry, disposition)


def copy_out(space: Space, right: Right) -> int:
    """Put ``right`` into ``space`` and return its name: 0 for no right, DEAD_NAME for a dead one. (``ipc_right_copyout``)

    A send right joins the name that the space has for the port, and is silently dropped there at the limit of user references.
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
