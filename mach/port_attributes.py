"""What ``mach_port_get_attributes`` tells of a port (``mach/port.h``)."""

from __future__ import annotations

from enum import IntEnum


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
"""Their words, in order, as ``mach_port_limits`` and ``mach_port_status`` call them, without ``mpl_`` and ``mps_``."""
