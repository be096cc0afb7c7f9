"""Rights that stay where they are, in kernels that have such (``ip_immovable_send``, ``ip_immovable_receive`` in ``ipc/ipc_right.c``).

A send right to a task's port goes into calls of the kernel, but to no other task. A receive right that was made immovable is not carried at all.
"""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import Right
from sendright.impl.reference.space import Entry
from sendright.mach.codes import ReturnCode
from sendright.mach.rights import Disposition


def is_immovable(entry: Entry, disposition: int, into_kernel: bool = False) -> bool:
    """Whether a right that fits ``disposition`` can't be carried out of ``entry``, be it into the kernel or to whoever receives from a port."""
    if disposition == Disposition.MOVE_RECEIVE:
        return entry.port.immovable
    return entry.port.send_rights_stay and not into_kernel


def check_can_be_kept(right: Right) -> None:
    """Raises KERN_INVALID_RIGHT for a right that must not be kept in a place, where others could get it from."""
    if right.port.send_rights_stay:
        raise Failure(ReturnCode.KERN_INVALID_RIGHT)
