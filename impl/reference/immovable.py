"""Immovable rights, in kernels that have them (``ip_immovable_send``, ``ip_immovable_receive`` in ``ipc/ipc_right.c``).

An immovable send right (one to a task's port) can be an argument of a kernel call, but can't be sent to another task.
An immovable receive right can't be copied in at all.
"""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import Right
from sendright.impl.reference.space import Entry
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition


def is_immovable(entry: Entry, disposition: int, into_kernel: bool = False) -> bool:
    """Whether the right in ``entry`` that fits ``disposition`` is immovable: it can't be copied in, for a kernel
    call (``into_kernel``) or for a message to another receiver.
    """
    if disposition == Disposition.MOVE_RECEIVE:
        return entry.port.immovable
    return entry.port.immovable_send and not into_kernel


def check_can_be_kept(right: Right) -> None:
    """Raises KERN_INVALID_RIGHT for an immovable send right: from a special port's place other tasks could get it."""
    if right.port.immovable_send:
        raise Failure(ReturnCode.KERN_INVALID_RIGHT)
