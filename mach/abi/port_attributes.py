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


class PortPurpose(IntEnum):
    """What ``mach_port_construct`` made a port for. It stays so for good. The numbers are ours; the kernel's are those
    of ``ip_reply_port_semantics`` in ``ipc/ipc_port.h``.
    """

    NONE = 0
    REPLY = 1
    """It counts as a reply port (``PORT_MARK_PROVISIONAL_REPLY_PORT``). Its rights go where any port's go."""
    ENFORCED = 2
    """A message to it has no live reply right but one to a reply port (``PORT_ENFORCE_REPLY_PORT_SEMANTICS``)."""
    EXCEPTION = 3
    """A port for exceptions: its receive right is immovable (``PORT_MARK_EXCEPTION_PORT``)."""


class StatusFlags(IntFlag):
    """The modelled ``MACH_PORT_STATUS_FLAG_*``: the last word of ``RECEIVE_STATUS``, 0 in kernels without guards."""

    TEMPOWNER = 0x01
    GUARDED = 0x02
    STRICT_GUARD = 0x04
    IMP_DONATION = 0x08
    GUARD_IMMOVABLE_RECEIVE = 0x40
