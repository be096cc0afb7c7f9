"""User references that stay at their limit once they have reached it (``ipc_right_delta`` of later kernels).

A count that was too large to be kept is not known any more. So single references given up are not counted either: the name would go while
somebody still relied on it.
"""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.mach.codes import ReturnCode


def settled_delta(urefs: int, delta: int, limit: int) -> int:
    """By how much ``delta`` changes ``urefs``, which are pegged at ``limit``. Raises KERN_INVALID_VALUE."""
    if not -limit <= delta <= limit:
        raise Failure(ReturnCode.KERN_INVALID_VALUE)
    if urefs == limit:
        return delta if delta == -limit else 0
    if urefs + delta < 0:
        raise Failure(ReturnCode.KERN_INVALID_VALUE)
    return min(delta, limit - urefs)
