"""Return codes, with the kernel's own names and numbers (``mach/kern_return.h``, ``mach/message.h``,
``mach/mig_errors.h``, and ``sys/errno.h`` by way of ``unix_err`` in ``mach/error.h``)."""

from __future__ import annotations

from enum import IntEnum


class ReturnCode(IntEnum):
    """What a call returns: ``kern_return_t``, ``mach_msg_return_t`` and MIG's codes in one enumeration.

    ``MACH_MSG_SUCCESS`` is an alias of ``KERN_SUCCESS``: both are 0.
    """

    KERN_SUCCESS = 0
    MACH_MSG_SUCCESS = 0
    KERN_INVALID_ADDRESS = 1
    KERN_PROTECTION_FAILURE = 2
    KERN_NO_SPACE = 3
    KERN_INVALID_ARGUMENT = 4
    KERN_FAILURE = 5
    KERN_RESOURCE_SHORTAGE = 6
    KERN_NO_ACCESS = 8
    KERN_ALREADY_IN_SET = 11
    KERN_NOT_IN_SET = 12
    KERN_NAME_EXISTS = 13
    KERN_INVALID_NAME = 15
    KERN_INVALID_TASK = 16
    KERN_INVALID_RIGHT = 17
    KERN_INVALID_VALUE = 18
    KERN_UREFS_OVERFLOW = 19
    KERN_INVALID_CAPABILITY = 20
    KERN_RIGHT_EXISTS = 21
    KERN_INVALID_HOST = 22
    KERN_INVALID_LEDGER = 33
    KERN_INVALID_SECURITY = 35
    KERN_NOT_SUPPORTED = 46
    KERN_DENIED = 53
    KERN_NOT_FOUND = 56

    MIG_BAD_ID = -303
    MIG_BAD_ARGUMENTS = -304
    MIG_NO_REPLY = -305
    MIG_ARRAY_TOO_LARGE = -307
    MIG_SERVER_DIED = -308

    MACH_SEND_IN_PROGRESS = 0x10000001
    """The call is pending: the task waits for room in a queue."""
    MACH_SEND_INVALID_DATA = 0x10000002
    MACH_SEND_INVALID_DEST = 0x10000003
    MACH_SEND_TIMED_OUT = 0x10000004
    MACH_SEND_TIMED_OUT_VM_SPACE = 0x10001004
    """``MACH_SEND_TIMED_OUT | MACH_MSG_VM_SPACE``: in addition, there was no room for memory that was returned to
    the sender."""
    MACH_SEND_INTERRUPTED = 0x10000007
    MACH_SEND_MSG_TOO_SMALL = 0x10000008
    MACH_SEND_INVALID_REPLY = 0x10000009
    MACH_SEND_INVALID_RIGHT = 0x1000000A
    MACH_SEND_INVALID_NOTIFY = 0x1000000B
    MACH_SEND_INVALID_MEMORY = 0x1000000C
    MACH_SEND_NO_BUFFER = 0x1000000D
    MACH_SEND_TOO_LARGE = 0x1000000E
    MACH_SEND_INVALID_TYPE = 0x1000000F
    MACH_SEND_INVALID_HEADER = 0x10000010

    MACH_RCV_IN_PROGRESS = 0x10004001
    """The call is pending: the task waits for a message or for a kernel's answer."""
    MACH_RCV_INVALID_NAME = 0x10004002
    MACH_RCV_TIMED_OUT = 0x10004003
    MACH_RCV_TOO_LARGE = 0x10004004
    MACH_RCV_INTERRUPTED = 0x10004005
    MACH_RCV_PORT_CHANGED = 0x10004006
    MACH_RCV_INVALID_NOTIFY = 0x10004007
    MACH_RCV_INVALID_DATA = 0x10004008
    MACH_RCV_PORT_DIED = 0x10004009
    MACH_RCV_IN_SET = 0x1000400A
    MACH_RCV_HEADER_ERROR = 0x1000400B
    MACH_RCV_BODY_ERROR = 0x1000400C
    MACH_RCV_BODY_ERROR_VM_SPACE = 0x1000500C
    """``MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE``: there was no room for memory; all else was received."""

    EPERM = 0xC001
    """The errors of system calls: ``unix_err`` of their ``errno``. (``errno`` 1 alone would be
    ``KERN_INVALID_ADDRESS``.)"""
    ESRCH = 0xC003
    ECHILD = 0xC00A
    ENOMEM = 0xC00C
    EACCES = 0xC00D
    EINVAL = 0xC016
    EAGAIN = 0xC023


IN_PROGRESS = (ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS)
"""The codes of pending calls."""


RECEIVES = 0x10004000
"""The bits of every code of a receive; one that has them all isn't of a send."""


CALL_GOES_ON = -1
"""In a counterexample of a proof: the step is one rule of a call, after which the call goes on with the next."""


def code_name(code: int) -> str:
    """The symbolic name of ``code``, or its number in hexadecimal when the kernel's headers have none."""
    if code == CALL_GOES_ON:
        return "the call goes on"
    try:
        return ReturnCode(code).name
    except ValueError:
        return f"{code:#x}"
