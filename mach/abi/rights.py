"""Port rights, dispositions and port names (``mach/port.h``, ``mach/message.h``)."""

from __future__ import annotations

from enum import IntEnum
from itertools import combinations

NULL_NAME = 0
"""``MACH_PORT_NULL``: names no right."""

DEAD_NAME = 0xFFFFFFFF
"""``MACH_PORT_DEAD``: the value that a right has when its port has died."""

RESERVED_NAMES = (NULL_NAME, DEAD_NAME)


class Right(IntEnum):
    """``mach_port_right_t``: the number by which a call selects one kind of right."""

    SEND = 0
    RECEIVE = 1
    SEND_ONCE = 2
    PORT_SET = 3
    DEAD_NAME = 4

    @property
    def type_bit(self) -> int:
        """The bit that stands for this right in ``mach_port_type_t``."""
        return 1 << (self + 16)


class Disposition(IntEnum):
    """``mach_msg_type_name_t``: how a right is carried. ``MOVE_*`` are also the forms in which rights arrive."""

    NONE = 0
    MOVE_RECEIVE = 16
    MOVE_SEND = 17
    MOVE_SEND_ONCE = 18
    COPY_SEND = 19
    MAKE_SEND = 20
    MAKE_SEND_ONCE = 21

    @property
    def received_form(self) -> Disposition:
        """The form in which the receiver sees a right sent with this disposition: PORT_RECEIVE, PORT_SEND or
        PORT_SEND_ONCE."""
        return _RECEIVED_FORM[self]


_RECEIVED_FORM = {
    Disposition.NONE: Disposition.NONE,
    Disposition.MOVE_RECEIVE: Disposition.MOVE_RECEIVE,
    Disposition.MOVE_SEND: Disposition.MOVE_SEND,
    Disposition.COPY_SEND: Disposition.MOVE_SEND,
    Disposition.MAKE_SEND: Disposition.MOVE_SEND,
    Disposition.MOVE_SEND_ONCE: Disposition.MOVE_SEND_ONCE,
    Disposition.MAKE_SEND_ONCE: Disposition.MOVE_SEND_ONCE,
}


class SlotKind(IntEnum):
    """What a slot contains; slots are the names of a space, the places of a message, and places where the kernel
    holds a right."""

    NONE = 0
    SEND = 1
    RECEIVE = 2
    SEND_RECEIVE = 3
    SEND_ONCE = 4
    DEAD_NAME = 5
    PORT_SET = 6

    @property
    def type_bits(self) -> int:
        """``mach_port_type_t`` of a name that contains this."""
        return _TYPE_BITS[self]


_TYPE_BITS = {
    SlotKind.NONE: 0,
    SlotKind.SEND: Right.SEND.type_bit,
    SlotKind.RECEIVE: Right.RECEIVE.type_bit,
    SlotKind.SEND_RECEIVE: Right.SEND.type_bit | Right.RECEIVE.type_bit,
    SlotKind.SEND_ONCE: Right.SEND_ONCE.type_bit,
    SlotKind.DEAD_NAME: Right.DEAD_NAME.type_bit,
    SlotKind.PORT_SET: Right.PORT_SET.type_bit,
}


class PortObject(IntEnum):
    """The kernel object behind a port (``kern/ipc_kobject.h``); NONE: a port that a user made."""

    NONE = 0
    TASK = 1
    HOST = 2
    HOST_PRIV = 3
    HOST_SECURITY = 4
    LEDGER = 5
    DEVICE = 6
    TASK_NAME = 7
    TASK_INSPECT = 8
    TASK_READ = 9
    TASK_RESUME = 10
    TASK_ID_TOKEN = 11


TASK_FLAVOURS = (PortObject.TASK_NAME, PortObject.TASK_INSPECT, PortObject.TASK_READ)
"""What stands for a task, too, and lets its holder do less (``mach_task_flavor_t``, ``osfmk/mach/task_info.h``)."""

FURTHER_TASK_PORTS = (*TASK_FLAVOURS, PortObject.TASK_RESUME)
"""What belongs to a task beside its own port. Tasks make no calls on the resume port: those that suspended the task
hold rights to it (``itk_resume`` in ``osfmk/kern/task.h``)."""

TASK_FLAVOUR_PORTS: dict[int, PortObject] = {
    0: PortObject.TASK,
    1: PortObject.TASK_READ,
    2: PortObject.TASK_INSPECT,
    3: PortObject.TASK_NAME,
}
"""``TASK_FLAVOR_CONTROL`` and the others (``osfmk/mach/mach_types.h``) -> the port of a task that each means."""


KERNEL_OBJECT_TYPES: dict[PortObject, int] = {
    PortObject.NONE: 0,
    PortObject.TASK: 2,
    PortObject.HOST: 3,
    PortObject.HOST_PRIV: 4,
    PortObject.HOST_SECURITY: 17,
    PortObject.LEDGER: 18,
    PortObject.DEVICE: 19,
    PortObject.TASK_NAME: 20,
    PortObject.TASK_INSPECT: 44,
    PortObject.TASK_READ: 45,
    PortObject.TASK_RESUME: 36,
    PortObject.TASK_ID_TOKEN: 50,
}
"""Their numbers in every kernel that has them: ``IKOT_NONE``, ``IKOT_TASK``, … (``kern/ipc_kobject.h``)."""


class Place(IntEnum):
    """A place of a task, outside its port name space, where the kernel holds a right for it.

    KERNEL is the *settable* self port that ``mach_task_self`` clones (``itk_sself``), not the task's real port.
    """

    KERNEL = 0
    HOST = 1
    BOOTSTRAP = 2
    WIRED_LEDGER = 3
    PAGED_LEDGER = 4
    EXCEPTION = 5
    REGISTERED_0 = 6
    REGISTERED_1 = 7
    REGISTERED_2 = 8
    REGISTERED_3 = 9

    EXC_BAD_ACCESS = 10
    EXC_BAD_INSTRUCTION = 11
    EXC_ARITHMETIC = 12
    EXC_EMULATION = 13
    EXC_SOFTWARE = 14
    EXC_BREAKPOINT = 15
    EXC_SYSCALL = 16
    EXC_MACH_SYSCALL = 17
    EXC_RPC_ALERT = 18

    ACCESS = 19
    DEBUG_CONTROL = 20
    RESOURCE_NOTIFY = 21

    EXC_CRASH = 22
    EXC_RESOURCE = 23
    EXC_GUARD = 24
    EXC_CORPSE_NOTIFY = 25


REGISTERED_PLACES = (Place.REGISTERED_0, Place.REGISTERED_1, Place.REGISTERED_2, Place.REGISTERED_3)

EXCEPTION_PLACES = (
    Place.EXC_BAD_ACCESS,
    Place.EXC_BAD_INSTRUCTION,
    Place.EXC_ARITHMETIC,
    Place.EXC_EMULATION,
    Place.EXC_SOFTWARE,
    Place.EXC_BREAKPOINT,
    Place.EXC_SYSCALL,
    Place.EXC_MACH_SYSCALL,
    Place.EXC_RPC_ALERT,
    Place.EXC_CRASH,
    Place.EXC_RESOURCE,
    Place.EXC_GUARD,
    Place.EXC_CORPSE_NOTIFY,
)
"""One for each exception type: type 1 is the first. Only later kernels have all types."""


def exception_mask(types: int) -> int:
    """The mask of the first ``types`` types of exception: the bit of type 1 is 2."""
    return sum(1 << number for number in range(1, types + 1))


MACH_EXCEPTION_TYPES = 9
"""How many types of exception Mach has. Later kernels have more."""
EXC_MASK_ALL = exception_mask(MACH_EXCEPTION_TYPES)
"""``EXC_MASK_ALL`` of Mach: all of its types."""


def exception_places(mask: int) -> tuple[Place, ...]:
    """The places of the exception types in ``mask``, ascending; bits without a type are ignored."""
    return tuple([place for number, place in enumerate(EXCEPTION_PLACES, 1) if mask >> number & 1])


class HostPort(IntEnum):
    """``host_get_special_port``: the numbers that have names (with ``_PORT``) in every kernel. Numbers above 7 are
    for users' servers."""

    HOST_SECURITY = 0
    HOST = 1
    HOST_PRIV = 2
    HOST_IO_MASTER = 3


LAST_KERNEL_HOST_PORT = 7
"""``HOST_MAX_SPECIAL_KERNEL_PORT``: ``host_set_special_port`` sets only ports above this number."""


class Behaviour(IntEnum):
    """``exception_behavior_t``: what an exception message carries."""

    DEFAULT = 1
    STATE = 2
    STATE_IDENTITY = 3
    IDENTITY_PROTECTED = 4
    STATE_IDENTITY_PROTECTED = 5


MACH_EXCEPTION_CODES = 0x80000000
"""A bit of a behaviour, of later kernels: the message carries 64-bit codes."""
MACH_EXCEPTION_ERRORS = 0x40000000
"""Another: the message may fail to reach its port."""
MACH_EXCEPTION_BACKTRACE_PREFERRED = 0x20000000
"""Another: the message carries a backtrace, if there is one."""
BEHAVIOUR_BITS = (MACH_EXCEPTION_CODES, MACH_EXCEPTION_ERRORS, MACH_EXCEPTION_BACKTRACE_PREFERRED)
"""``MACH_EXCEPTION_MASK``: all of them."""


def combined(bits: tuple[int, ...]) -> tuple[int, ...]:
    """The sums of any of ``bits``, also of none."""
    return tuple(sum(chosen) for count in range(len(bits) + 1) for chosen in combinations(bits, count))


class Notification(IntEnum):
    """``MACH_NOTIFY_*`` (``mach/notify.h``): the ``msgh_id`` of each of the kernel's notifications.

    Any task can send a message with such an id; the message's tokens show the sender.
    """

    PORT_DELETED = 65
    SEND_POSSIBLE = 66
    """In later kernels (``Profile.send_possible``)."""
    PORT_DESTROYED = 69
    NO_SENDERS = 70
    SEND_ONCE = 71
    DEAD_NAME = 72


REQUESTABLE = (Notification.PORT_DESTROYED, Notification.NO_SENDERS, Notification.DEAD_NAME)
"""The notifications that ``mach_port_request_notification`` can request."""

NAME_NOTIFICATIONS = (Notification.PORT_DELETED, Notification.DEAD_NAME)
"""The notifications whose data is a name. (The data of ``NO_SENDERS`` is a make-send count.)"""


class Inheritance(IntEnum):
    """``vm_inherit_t``: how a child created with inherit_memory gets a region."""

    SHARE = 0
    COPY = 1
    NONE = 2
