"""What ``mach_port_get_attributes`` returns about a port (``mach/port.h``)."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class PortAttributes(IntEnum):
    """``mach_port_flavor_t``: which attributes."""

    LIMITS_INFO = 1
    RECEIVE_STATUS = 2
    DNREQUESTS_SIZE = 3
    TEMPOWNER = 4
    IMPORTANCE_RECEIVER = 5
    DENAP_RECEIVER = 6
    INFO_EXT = 7
    GUARD_INFO = 8
    SERVICE_THROTTLED = 9


_STATUS = ("pset", "seqno", "mscount", "qlimit", "msgcount", "sorights", "srights", "pdrequest", "nsrequest", "flags")
FIELDS: dict[int, tuple[str, ...]] = {
    PortAttributes.LIMITS_INFO: ("qlimit",),
    PortAttributes.RECEIVE_STATUS: _STATUS,
    PortAttributes.DNREQUESTS_SIZE: ("size",),
    PortAttributes.INFO_EXT: (*_STATUS, "boost_cnt", *(f"reserved[{index}]" for index in range(6))),
    PortAttributes.SERVICE_THROTTLED: ("throttled",),
}
"""Their words, in order, with the names in ``mach_port_limits``, ``mach_port_status`` and ``mach_port_info_ext``,
without ``mpl_``, ``mps_`` and ``mpie_``."""


class StatusFlags(IntFlag):
    """The modelled ``MACH_PORT_STATUS_FLAG_*``: the last word of ``RECEIVE_STATUS``, 0 in kernels without guards."""

    TEMPOWNER = 0x01
    GUARDED = 0x02
    STRICT_GUARD = 0x04
    IMP_DONATION = 0x08
    GUARD_IMMOVABLE_RECEIVE = 0x40
