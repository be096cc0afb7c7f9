"""The constants of the kernels' headers: which names each profile's kernel has, and their numbers.

A script may use these names. What a kernel has and no rule here covers is in ``mach/kernel/unmodelled.py``. The numbers
were read in these files, which name each constant once:

- all: ``mach/port.h``, ``mach/message.h``, ``mach/notify.h``, ``mach/exception.h`` (``exception_types.h`` in XNU),
  ``mach/task_special_ports.h``, ``mach/task_info.h``, ``mach/vm_inherit.h``, ``kern/ipc_kobject.h``;
- XNU also: ``mach/host_special_ports.h``;
- versions: OSF MK of MkLinux (``osfmk/src/mach_kernel``), XNU 792.25.20 and 11417.101.15 (``osfmk``), GNU Mach at
  eb7b9cf2 (``include``).

``manual`` has the names of ``osf`` and of ``xnu-792``: the manual pages describe both. GNU Mach has a call for each set
of a port's attributes; here they are flavours of one call, as elsewhere, so it has their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from sendright.mach.kernel.bases import base_of

_EXCEPTIONS = ("BAD_ACCESS", "BAD_INSTRUCTION", "ARITHMETIC", "EMULATION", "SOFTWARE", "BREAKPOINT")


def _types(*names: str, first: int) -> dict[str, int]:
    """Types of exceptions, from the number ``first`` on."""
    return {f"EXC_{name}": first + index for index, name in enumerate(names)}


def _masks(*names: str, first: int) -> dict[str, int]:
    """The masks of these types of exceptions."""
    return {f"EXC_MASK_{name}": 1 << (first + index) for index, name in enumerate(names)}


_MACH: dict[str, int] = {
    # mach/port.h
    "MACH_PORT_NULL": 0,
    "MACH_PORT_DEAD": 0xFFFFFFFF,
    "MACH_PORT_RIGHT_SEND": 0,
    "MACH_PORT_RIGHT_RECEIVE": 1,
    "MACH_PORT_RIGHT_SEND_ONCE": 2,
    "MACH_PORT_RIGHT_PORT_SET": 3,
    "MACH_PORT_RIGHT_DEAD_NAME": 4,
    "MACH_PORT_TYPE_NONE": 0,
    "MACH_PORT_TYPE_SEND": 1 << 16,
    "MACH_PORT_TYPE_RECEIVE": 1 << 17,
    "MACH_PORT_TYPE_SEND_ONCE": 1 << 18,
    "MACH_PORT_TYPE_PORT_SET": 1 << 19,
    "MACH_PORT_TYPE_DEAD_NAME": 1 << 20,
    "MACH_PORT_TYPE_SEND_RECEIVE": 3 << 16,
    "MACH_PORT_TYPE_SEND_RIGHTS": 5 << 16,
    "MACH_PORT_TYPE_PORT_RIGHTS": 7 << 16,
    "MACH_PORT_TYPE_PORT_OR_DEAD": 23 << 16,
    "MACH_PORT_TYPE_ALL_RIGHTS": 31 << 16,
    "MACH_PORT_TYPE_DNREQUEST": 0x80000000,
    # mach/message.h
    "MACH_MSG_SUCCESS": 0,
    "MACH_MSG_TIMEOUT_NONE": 0,
    "MACH_MSG_OPTION_NONE": 0,
    "MACH_MSG_TYPE_PORT_NAME": 15,
    "MACH_MSG_TYPE_MOVE_RECEIVE": 16,
    "MACH_MSG_TYPE_MOVE_SEND": 17,
    "MACH_MSG_TYPE_MOVE_SEND_ONCE": 18,
    "MACH_MSG_TYPE_COPY_SEND": 19,
    "MACH_MSG_TYPE_MAKE_SEND": 20,
    "MACH_MSG_TYPE_MAKE_SEND_ONCE": 21,
    "MACH_MSG_TYPE_PORT_RECEIVE": 16,
    "MACH_MSG_TYPE_PORT_SEND": 17,
    "MACH_MSG_TYPE_PORT_SEND_ONCE": 18,
    "MACH_MSGH_BITS_COMPLEX": 0x80000000,
    "MACH_SEND_MSG": 0x1,
    "MACH_RCV_MSG": 0x2,
    "MACH_SEND_TIMEOUT": 0x10,
    "MACH_SEND_INTERRUPT": 0x40,
    "MACH_RCV_TIMEOUT": 0x100,
    "MACH_RCV_INTERRUPT": 0x400,
    # mach/notify.h
    "MACH_NOTIFY_FIRST": 64,
    "MACH_NOTIFY_PORT_DELETED": 65,
    "MACH_NOTIFY_PORT_DESTROYED": 69,
    "MACH_NOTIFY_NO_SENDERS": 70,
    "MACH_NOTIFY_SEND_ONCE": 71,
    "MACH_NOTIFY_DEAD_NAME": 72,
    "MACH_NOTIFY_LAST": 77,
    # mach/exception.h
    **_types(*_EXCEPTIONS, first=1),
    # mach/task_special_ports.h, mach/task_info.h, mach/vm_inherit.h
    "TASK_KERNEL_PORT": 1,
    "TASK_BOOTSTRAP_PORT": 4,
    "TASK_EVENTS_INFO": 2,
    "TASK_THREAD_TIMES_INFO": 3,
    "VM_INHERIT_SHARE": 0,
    "VM_INHERIT_COPY": 1,
    "VM_INHERIT_NONE": 2,
    "VM_INHERIT_DEFAULT": 1,
}
"""Names that all of the kernels have."""


_KERNEL_OBJECTS: dict[str, int] = {
    "IKOT_NONE": 0,
    "IKOT_TASK": 2,
    "IKOT_HOST": 3,
    "IKOT_HOST_PRIV": 4,
    "IKOT_HOST_SECURITY": 17,
    "IKOT_LEDGER": 18,
    "IKOT_MASTER_DEVICE": 19,
}
"""Kinds of kernel objects, as all kernels before XNU 11417 name them (``kern/ipc_kobject.h``)."""

_SINCE_OSF: dict[str, int] = {
    **_KERNEL_OBJECTS,
    **_masks(*_EXCEPTIONS, first=1),
    **_types("SYSCALL", "MACH_SYSCALL", "RPC_ALERT", first=7),
    **_masks("SYSCALL", "MACH_SYSCALL", "RPC_ALERT", first=7),
    "EXC_MASK_ALL": 0x3FE,
    "EXCEPTION_DEFAULT": 1,
    "EXCEPTION_STATE": 2,
    "EXCEPTION_STATE_IDENTITY": 3,
    "MACH_PORT_LIMITS_INFO": 1,
    "MACH_PORT_RECEIVE_STATUS": 2,
    "MACH_PORT_DNREQUESTS_SIZE": 3,
    "MACH_PORT_LIMITS_INFO_COUNT": 1,
    "MACH_PORT_RECEIVE_STATUS_COUNT": 10,
    "MACH_PORT_DNREQUESTS_SIZE_COUNT": 1,
    "MACH_PORT_SRIGHTS_NONE": 0,
    "MACH_PORT_SRIGHTS_PRESENT": 1,
    "MACH_MSG_PHYSICAL_COPY": 0,
    "MACH_MSG_VIRTUAL_COPY": 1,
    "MACH_MSG_ALLOCATE": 2,
    "MACH_MSG_OVERWRITE": 3,
    "MACH_MSG_PORT_DESCRIPTOR": 0,
    "MACH_MSG_OOL_DESCRIPTOR": 1,
    "MACH_MSG_OOL_PORTS_DESCRIPTOR": 2,
    "MACH_SEND_TRAILER": 0x20000,
    "MACH_MSG_TRAILER_FORMAT_0": 0,
    "MACH_RCV_TRAILER_NULL": 0,
    "MACH_RCV_TRAILER_SEQNO": 1,
    "MACH_RCV_TRAILER_SENDER": 2,
    "TASK_BASIC_INFO": 4,
    "TASK_SCHED_TIMESHARE_INFO": 10,
    "TASK_SCHED_RR_INFO": 11,
    "TASK_SCHED_FIFO_INFO": 12,
    "TASK_SECURITY_TOKEN": 13,
    "TASK_SECURITY_TOKEN_COUNT": 2,
    "VM_INHERIT_DONATE_COPY": 3,
    "VM_INHERIT_LAST_VALID": 2,
}
"""Names that OSF MK and its descendants have."""

_OSF_TO_792: dict[str, int] = {
    "MACH_PORT_RIGHT_NUMBER": 5,
    "MACH_SEND_CANCEL": 0x80,
    "MACH_RCV_NOTIFY": 0x200,
    "MACH_RCV_OVERWRITE": 0x1000,
    "TASK_WIRED_LEDGER_PORT": 5,
    "TASK_PAGED_LEDGER_PORT": 6,
    "LEDGER_ITEM_INFINITY": -1,
}
"""Names that OSF MK and XNU 792 have, and XNU 11417 lacks or has with another number."""

_OSF: dict[str, int] = {
    **_SINCE_OSF,
    **_OSF_TO_792,
    "MACH_PORT_RIGHT_RECEIVE_NO_NMS": 6,
    "MACH_PORT_SRIGHTS_NO_INFO": 2,
    "TASK_USER_DATA": 5,
}

_DARWIN: dict[str, int] = {
    **_SINCE_OSF,
    "MACH_MSG_TYPE_PORT_NONE": 0,
    "MACH_MSG_TYPE_COPY_RECEIVE": 22,
    "MACH_RCV_LARGE": 0x4,
    "MACH_RCV_TRAILER_AUDIT": 3,
    "HOST_SECURITY_PORT": 0,
    "HOST_PORT": 1,
    "HOST_PRIV_PORT": 2,
    "HOST_IO_MASTER_PORT": 3,
    "HOST_MAX_SPECIAL_KERNEL_PORT": 7,
    "HOST_DYNAMIC_PAGER_PORT": 8,
    "HOST_AUDIT_CONTROL_PORT": 9,
    "HOST_USER_NOTIFICATION_PORT": 10,
    "HOST_LOCAL_NODE": -1,
    "TASK_HOST_PORT": 2,
    "TASK_NAME_PORT": 3,
    "TASK_ABSOLUTETIME_INFO": 1,
    "TASK_BASIC_INFO_32": 4,
    "TASK_BASIC_INFO_64": 5,
    "TASK_SCHED_INFO": 14,
    "TASK_AUDIT_TOKEN": 15,
    "TASK_AUDIT_TOKEN_COUNT": 8,
    "x86_THREAD_STATE32": 1,
    "x86_FLOAT_STATE32": 2,
    "x86_EXCEPTION_STATE32": 3,
    "x86_THREAD_STATE64": 4,
    "x86_FLOAT_STATE64": 5,
    "x86_EXCEPTION_STATE64": 6,
    "x86_THREAD_STATE": 7,
    "x86_FLOAT_STATE": 8,
    "x86_EXCEPTION_STATE": 9,
    "x86_DEBUG_STATE32": 10,
    "x86_DEBUG_STATE64": 11,
    "x86_DEBUG_STATE": 12,
    "THREAD_STATE_NONE": 13,
    "MACHINE_THREAD_STATE": 7,
}
"""Names that XNU has had from 792 on. Flavours of thread state are those of Intel's machines
(``mach/i386/thread_status.h``)."""

_XNU_792: dict[str, int] = {
    **_KERNEL_OBJECTS,
    **_DARWIN,
    **_OSF_TO_792,
    "HOST_MAX_SPECIAL_PORT": 15,
}

_GNUMACH: dict[str, int] = {
    **_KERNEL_OBJECTS,
    "MACH_PORT_LIMITS_INFO": 1,
    "MACH_PORT_RECEIVE_STATUS": 2,
    "MACH_PORT_LIMITS_INFO_COUNT": 1,
    "MACH_PORT_RECEIVE_STATUS_COUNT": 10,
    "MACH_PORT_RIGHT_NUMBER": 5,
    "MACH_NOTIFY_MSG_ACCEPTED": 66,
    "MACH_MSG_TYPE_PROTECTED_PAYLOAD": 23,
    "MACH_SEND_NOTIFY": 0x20,
    "MACH_SEND_CANCEL": 0x80,
    "MACH_RCV_NOTIFY": 0x200,
    "MACH_RCV_LARGE": 0x800,
    "TASK_EXCEPTION_PORT": 3,
    "TASK_BASIC_INFO": 1,
}

_XNU: dict[str, int] = {
    **_DARWIN,
    "IKOT_NONE": 0,
    "IKOT_TASK_CONTROL": 2,
    "IKOT_HOST": 3,
    "IKOT_HOST_PRIV": 4,
    "IKOT_MAIN_DEVICE": 19,
    **_types("CRASH", "RESOURCE", "GUARD", "CORPSE_NOTIFY", first=10),
    **_masks("CRASH", "RESOURCE", "GUARD", "CORPSE_NOTIFY", first=10),
    "EXC_MASK_ALL": 0x1BFE,
    "EXC_MASK_VALID": 0x3FFE,
    "EXCEPTION_IDENTITY_PROTECTED": 4,
    "EXCEPTION_STATE_IDENTITY_PROTECTED": 5,
    "MACH_EXCEPTION_BACKTRACE_PREFERRED": 0x20000000,
    "MACH_EXCEPTION_ERRORS": 0x40000000,
    "MACH_EXCEPTION_CODES": 0x80000000,
    "MACH_EXCEPTION_MASK": 0xE0000000,
    "MACH_PORT_RIGHT_LABELH": 5,
    "MACH_PORT_RIGHT_NUMBER": 6,
    "MACH_PORT_TYPE_LABELH": 1 << 21,
    "MACH_PORT_TYPE_SPREQUEST": 0x40000000,
    "MACH_PORT_TYPE_SPREQUEST_DELAYED": 0x20000000,
    "MACH_PORT_QLIMIT_ZERO": 0,
    "MACH_PORT_QLIMIT_BASIC": 5,
    "MACH_PORT_QLIMIT_SMALL": 16,
    "MACH_PORT_QLIMIT_LARGE": 1024,
    "MACH_PORT_QLIMIT_KERNEL": 65534,
    "MACH_PORT_QLIMIT_MIN": 0,
    "MACH_PORT_STATUS_FLAG_TEMPOWNER": 0x01,
    "MACH_PORT_STATUS_FLAG_GUARDED": 0x02,
    "MACH_PORT_STATUS_FLAG_STRICT_GUARD": 0x04,
    "MACH_PORT_STATUS_FLAG_IMP_DONATION": 0x08,
    "MACH_PORT_STATUS_FLAG_REVIVE": 0x10,
    "MACH_PORT_STATUS_FLAG_TASKPTR": 0x20,
    "MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE": 0x40,
    "MACH_PORT_STATUS_FLAG_NO_GRANT": 0x80,
    "MACH_PORT_TEMPOWNER": 4,
    "MACH_PORT_IMPORTANCE_RECEIVER": 5,
    "MACH_PORT_DENAP_RECEIVER": 6,
    "MACH_PORT_INFO_EXT": 7,
    "MACH_PORT_GUARD_INFO": 8,
    "MACH_PORT_SERVICE_THROTTLED": 9,
    "MACH_PORT_INFO_EXT_COUNT": 17,
    "MACH_PORT_GUARD_INFO_COUNT": 2,
    "MACH_PORT_SERVICE_THROTTLED_COUNT": 1,
    "MPO_CONTEXT_AS_GUARD": 0x01,
    "MPO_QLIMIT": 0x02,
    "MPO_TEMPOWNER": 0x04,
    "MPO_IMPORTANCE_RECEIVER": 0x08,
    "MPO_INSERT_SEND_RIGHT": 0x10,
    "MPO_STRICT": 0x20,
    "MPO_DENAP_RECEIVER": 0x40,
    "MPO_IMMOVABLE_RECEIVE": 0x80,
    "MPO_FILTER_MSG": 0x100,
    "MPO_TG_BLOCK_TRACKING": 0x200,
    "MPO_SERVICE_PORT": 0x400,
    "MPO_CONNECTION_PORT": 0x800,
    "MPO_REPLY_PORT": 0x1000,
    "MPO_ENFORCE_REPLY_PORT_SEMANTICS": 0x2000,
    "MPO_PROVISIONAL_REPLY_PORT": 0x4000,
    "MPO_EXCEPTION_PORT": 0x8000,
    "MPG_FLAGS_NONE": 0,
    "MPG_STRICT": 0x01,
    "MPG_IMMOVABLE_RECEIVE": 0x02,
    "MACH_NOTIFY_SEND_POSSIBLE": 66,
    "MACH_MSG_TYPE_DISPOSE_RECEIVE": 24,
    "MACH_MSG_TYPE_DISPOSE_SEND": 25,
    "MACH_MSG_TYPE_DISPOSE_SEND_ONCE": 26,
    "MACH_MSG_GUARDED_PORT_DESCRIPTOR": 4,
    "MACH_MSG_STRICT_REPLY": 0x200,
    "MACH_RCV_LARGE_IDENTITY": 0x8,
    "MACH_SEND_OVERRIDE": 0x20,
    "MACH_SEND_NOTIFY": 0x80,
    "MACH_SEND_FILTER_NONFATAL": 0x10000,
    "MACH_SEND_NOIMPORTANCE": 0x40000,
    "MACH_SEND_SYNC_OVERRIDE": 0x100000,
    "MACH_SEND_PROPAGATE_QOS": 0x200000,
    "MACH_SEND_SYNC_BOOTSTRAP_CHECKIN": 0x800000,
    "MACH_RCV_NOTIFY": 0,
    "MACH_RCV_VOUCHER": 0x800,
    "MACH_RCV_OVERWRITE": 0,
    "MACH_RCV_GUARDED_DESC": 0x1000,
    "MACH_RCV_SYNC_WAIT": 0x4000,
    "MACH_RCV_SYNC_PEEK": 0x8000,
    "MACH_RCV_TRAILER_CTX": 4,
    "MACH_RCV_TRAILER_AV": 7,
    "MACH_RCV_TRAILER_LABELS": 8,
    "ARM_THREAD_STATE": 1,
    "ARM_VFP_STATE": 2,
    "ARM_EXCEPTION_STATE": 3,
    "ARM_DEBUG_STATE": 4,
    "ARM_THREAD_STATE64": 6,
    "ARM_EXCEPTION_STATE64": 7,
    "ARM_THREAD_STATE32": 9,
    "ARM_EXCEPTION_STATE64_V2": 10,
    "ARM_DEBUG_STATE32": 14,
    "ARM_DEBUG_STATE64": 15,
    "ARM_NEON_STATE": 16,
    "ARM_NEON_STATE64": 17,
    "ARM_PAGEIN_STATE": 27,
    "x86_AVX_STATE32": 16,
    "x86_AVX512_STATE32": 19,
    "TASK_INSPECT_PORT": 5,
    "TASK_READ_PORT": 6,
    "TASK_ACCESS_PORT": 9,
    "TASK_DEBUG_CONTROL_PORT": 10,
    "TASK_RESOURCE_NOTIFY_PORT": 11,
    "TASK_MAX_SPECIAL_PORT": 11,
    "TASK_FLAVOR_CONTROL": 0,
    "TASK_FLAVOR_READ": 1,
    "TASK_FLAVOR_INSPECT": 2,
    "TASK_FLAVOR_NAME": 3,
    "TASK_FLAVOR_MAX": 3,
    "TASK_BASIC2_INFO_32": 6,
    "TASK_KERNELMEMORY_INFO": 7,
    "TASK_AFFINITY_TAG_INFO": 16,
    "TASK_DYLD_INFO": 17,
    "TASK_BASIC_INFO": 18,
    "TASK_BASIC_INFO_64_2": 18,
    "TASK_EXTMOD_INFO": 19,
    "MACH_TASK_BASIC_INFO": 20,
    "TASK_POWER_INFO": 21,
    "TASK_VM_INFO": 22,
    "TASK_VM_INFO_PURGEABLE": 23,
    "TASK_TRACE_MEMORY_INFO": 24,
    "TASK_WAIT_STATE_INFO": 25,
    "TASK_POWER_INFO_V2": 26,
    "TASK_VM_INFO_PURGEABLE_ACCOUNT": 27,
    "TASK_FLAGS_INFO": 28,
    "TASK_DEBUG_INFO_INTERNAL": 29,
    "TASK_SUSPEND_STATS_INFO": 30,
    "TASK_SUSPEND_SOURCES_INFO": 31,
    "HOST_IO_MAIN_PORT": 3,
    "HOST_AUTOMOUNTD_PORT": 11,
    "HOST_LOCKD_PORT": 12,
    "HOST_KTRACE_BACKGROUND_PORT": 13,
    "HOST_SEATBELT_PORT": 14,
    "HOST_KEXTD_PORT": 15,
    "HOST_LAUNCHCTL_PORT": 16,
    "HOST_CHUD_PORT": 16,
    "HOST_UNFREED_PORT": 17,
    "HOST_AMFID_PORT": 18,
    "HOST_GSSD_PORT": 19,
    "HOST_TELEMETRY_PORT": 20,
    "HOST_ATM_NOTIFICATION_PORT": 21,
    "HOST_COALITION_PORT": 22,
    "HOST_SYSDIAGNOSE_PORT": 23,
    "HOST_XPC_EXCEPTION_PORT": 24,
    "HOST_CONTAINERD_PORT": 25,
    "HOST_NODE_PORT": 26,
    "HOST_RESOURCE_NOTIFY_PORT": 27,
    "HOST_CLOSURED_PORT": 28,
    "HOST_SYSPOLICYD_PORT": 29,
    "HOST_FILECOORDINATIOND_PORT": 30,
    "HOST_FAIRPLAYD_PORT": 31,
    "HOST_IOCOMPRESSIONSTATS_PORT": 32,
    "HOST_MEMORY_ERROR_PORT": 33,
    "HOST_MANAGEDAPPDISTD_PORT": 34,
    "HOST_DOUBLEAGENTD_PORT": 35,
    "HOST_MAX_SPECIAL_PORT": 35,
}

NUMBERS: dict[str, dict[str, int]] = {
    "manual": _MACH | _OSF | _XNU_792 | {"HOST_MAX_SPECIAL_PORT": 11},
    "osf": _MACH | _OSF,
    "xnu-792": _MACH | _XNU_792,
    "gnumach": _MACH | _GNUMACH,
    "xnu": _MACH | _XNU,
}
"""Profile -> name -> number."""


class Headers(msgspec.Struct, frozen=True):
    """The constants of one profile's kernel."""

    profile: str
    numbers: Mapping[str, int]

    def bits(self, name: str) -> int:
        """The bits of a flag; 0 for one that this kernel doesn't have."""
        return self.numbers.get(name, 0)


@cache
def headers_of(profile: str) -> Headers:
    """The constants of a profile, or of the one on which it is based; those of ``manual`` for an unknown profile."""
    return Headers(profile, NUMBERS.get(base_of(profile), NUMBERS["manual"]))


def profiles_with(name: str) -> list[str]:
    """The profiles in whose headers ``name`` is."""
    return [profile for profile, numbers in NUMBERS.items() if name in numbers]
