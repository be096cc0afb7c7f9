"""What ``mach_port_get_attributes`` returns about a port (``mach/port.h``)."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class PortAttributes(IntEnum):
    """``mach_port_flavor_t``: which attributes."""

    LIMITS_INFO = 1
    RECEIVE_STATUS = 2


FIELDS: dict[int, tuple[str, ...]] = {
    PortAttributes.LIMITS_INFO: ("qlimit",),
    PortAttributes.RECEIVE_STATUS: (
        "pset",
        "seqno",
        "mscount",
        "qlimit",
        "msgcount",
        "sorights",
        "srights",
        "pdrequest",
        "nsrequest",
        "flags",
    ),
}
"""Their words, in order, with the names in ``mach_port_limits`` and ``mach_port_status``, without ``mpl_`` and
``mps_``."""


class StatusFlags(IntFlag):
    """The modelled ``MACH_PORT_STATUS_FLAG_*``: the last word of ``RECEIVE_STATUS``, 0 in kernels without guards."""

    GUARDED = 0x02
    STRICT_GUARD = 0x04
    GUARD_IMMOVABLE_RECEIVE = 0x40
