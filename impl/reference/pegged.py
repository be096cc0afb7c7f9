"""Pegged user references: once they reach their limit they stay there (``ipc_right_delta`` of later kernels).

Beyond the limit the true count is unknown. So giving up single references isn't counted either: otherwise the name
could be freed while a part of the program still uses it.
"""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.mach.abi.codes import ReturnCode


def settled_delta(urefs: int, delta: int, limit: int) -> int:
    """The effective change of ``urefs``, pegged at ``limit``, by ``delta``. Raises KERN_INVALID_VALUE."""
    if not -limit <= delta <= limit:
        raise Failure(ReturnCode.KERN_INVALID_VALUE)
    if urefs == limit:
        return delta if delta == -limit else 0
    if urefs + delta < 0:
        raise Failure(ReturnCode.KERN_INVALID_VALUE)
    return min(delta, limit - urefs)
