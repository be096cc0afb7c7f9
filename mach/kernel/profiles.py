"""Profiles: the known differences between Mach kernels, as switches.

The specification's rules and the reference kernel's branches read the profile; neither has a copy per kernel.
``docs/profiles.md`` gives the reasons for the choices of the ``manual`` profile.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import (
    BEHAVIOUR_BITS,
    EXCEPTION_PLACES,
    MACH_EXCEPTION_TYPES,
    REGISTERED_PLACES,
    Behaviour,
    Place,
    PortObject,
    combined,
    exception_mask,
)
from sendright.mach.signatures import SIGNATURES
from sendright.mach.signatures.processes import PROCESS_CALLS
from sendright.mach.suggestions import perhaps_meant


class LedgerRule(Enum):
    """The ledgers that a new task draws on."""

    MANUAL = "manual"  # the array if it has exactly two ledgers, else the parent's ledgers
    PARENT_SLOT = "parent-slot"  # the ledgers in the parent's special ports; the array is ignored
    NONE = "none"  # the kernel has no ledgers


class HostSelf(Enum):
    """The right that ``mach_host_self`` returns."""

    SLOT = "slot"  # a clone of the caller's settable host port
    MADE = "made"  # a send right made from the real host port at each call


ADDED_CALLS: dict[str, Callable[[Profile], bool]] = {}
"""Calls that plugins add -> whether a profile's kernels have them."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One kernel's behaviour where kernels differ (numbers in parentheses refer to the sources' list of
    disagreements)."""

    name: str
    title: str
    based_on: str = ""
    """Of an added profile: the one of sendright's own whose kernel it describes, with other switches."""
    lacks: frozenset[str] = frozenset()
    """Calls that this kernel does not serve: they return MIG_BAD_ID and change nothing."""
    lacks_arguments: frozenset[str] = frozenset()
    """Arguments (``call.argument``) that this kernel's calls don't have: they are ignored, and their rights are not
    copied in."""
    special_ports: dict[int, Place]
    """``task_get/set_special_port``: selector -> place."""
    flavour_ports: dict[int, PortObject] = {}
    """``task_get_special_port``: selector -> a further port of the task, with less authority. The kernel makes a send
    right to it, and the first time the port, too. ``task_set_special_port`` doesn't know them."""
    flavours_that_stay: frozenset[PortObject] = frozenset()
    """Those of these ports whose send rights are immovable, as ``task_ports_stay`` says."""
    protected_places: frozenset[Place] = frozenset()
    """Places that ``task_set_special_port`` doesn't set: KERN_NO_ACCESS."""
    set_once_places: frozenset[Place] = frozenset()
    """Places that ``task_set_special_port`` doesn't set while a live right is there: KERN_NO_ACCESS."""
    registered_ports: int = 3
    """``TASK_PORT_REGISTER_MAX``."""
    register_counts_first: bool = False
    """Whether ``mach_ports_register`` refuses more rights than places before it makes a request."""
    task_is_target: bool = False
    """Whether the two token calls are sent to the task's port, with the security port in the body (18)."""
    token_flavours: tuple[int, ...] = (13, 15)
    """``task_info`` flavours that return tokens."""
    tokens_in_trailer: bool = True
    """Whether the trailer of a received message can contain tokens."""
    audit_tokens: bool = True
    trailer_is_senders: bool = True
    """Whether trailers carry the sender's tokens; False: always the kernel's (15, hazard H-3)."""
    host_place: bool = True
    """Whether tasks have a settable host port (Place.HOST), which ``host_security_set_task_token`` sets."""
    host_self: HostSelf = HostSelf.SLOT
    ledger_rule: LedgerRule = LedgerRule.MANUAL
    null_parent_code: ReturnCode = ReturnCode.KERN_INVALID_ARGUMENT
    """What ``task_create`` returns when the parent is not a task."""
    hole_code: ReturnCode = ReturnCode.KERN_INVALID_ADDRESS
    """What ``vm_inherit`` and ``vm_deallocate`` return for unallocated memory (11)."""
    host_is_checked: bool = True
    """Whether the ``host`` argument of the token calls grants the privileged host port only if it is that port;
    False: if it is any host port (18, hazard H-4)."""
    tokens_in_two_steps: bool = False
    """Whether ``host_security_create_task_token`` creates the child with its parent's tokens and then sets the
    requested ones, so that another task can make calls in between (hazard H-2)."""
    trailer_elements: int = 3
    """The highest trailer element that this kernel knows; 0: it has no trailers, and the header carries the sequence
    number."""
    reserved_names_pass: bool = False
    """Whether port calls treat the names NULL and DEAD as a special case; False: as names that denote nothing (5)."""
    reserved_before_space: bool = False
    """Whether ``mach_port_allocate_name`` refuses a reserved name before it looks whether there is a space."""
    wrapped_calls: frozenset[str] = frozenset()
    """Calls of a space whose wrapper refuses a target that isn't a task: KERN_INVALID_ARGUMENT; the others:
    KERN_INVALID_TASK."""
    attributes_told: frozenset[int] = frozenset({1, 2, 3})
    """Flavours that ``mach_port_get_attributes`` knows; the others: KERN_INVALID_ARGUMENT."""
    attributes_set: frozenset[int] = frozenset({1, 3})
    """Flavours that ``mach_port_set_attributes`` knows."""
    sets_table_size: bool = True
    """Whether ``mach_port_set_attributes`` makes a port's table of dead-name requests as large as the caller says;
    False: that flavour does nothing."""
    info_words: int = 10
    """How many words ``mach_port_get_attributes`` tells at most."""
    has_ipc_debug: bool = True
    """Whether the kernel is built with ``MACH_IPC_DEBUG``; False: the calls of ``ipc/mach_debug.c`` only return
    KERN_FAILURE."""
    device_port_has_type: bool = True
    """Whether the device port has its type, IKOT_MASTER_DEVICE; False: it tells 0, as a user's port does."""
    dead_name_is_no_name: bool = False
    """Whether the calls that want a receive right or a port set take a dead name for a name that denotes nothing:
    KERN_INVALID_NAME; False: for one without that right."""
    name_index_max: int = 0
    """The highest index that a name which a caller chooses can have; 0: names have no form. Such a name consists of an
    index, from 1 on, and of a generation: its index times 256, plus the generation, which is 3 more than a multiple
    of 4. At most one generation of an index is in use."""
    looks_up_both: frozenset[str] = frozenset()
    """Calls on a port and a port set that look up both names before they look at what either denotes."""
    right_number: int = 5
    """``MACH_PORT_RIGHT_NUMBER``: the first number that isn't a kind of right. Number 5 was one, which no name has any
    more."""
    many_sets: bool = True
    """Whether a port can be in any number of port sets; False: in at most one, and no task can receive from it
    directly then (3)."""
    moved_receive_code: ReturnCode = ReturnCode.MACH_RCV_PORT_CHANGED
    """What a blocked receive returns when the receive right leaves its space."""
    dead_receive_code: ReturnCode = ReturnCode.MACH_RCV_PORT_DIED
    """What a blocked receive returns when its port, or its port set, dies."""
    lost_size_is_header: bool = False
    """What size a receive tells when it destroys a message that is too large. True: that of a bare header; False: the
    message's."""
    no_room_code: ReturnCode = ReturnCode.MACH_RCV_TOO_LARGE
    """What a receive with no room at all returns when the message is destroyed."""
    destination_tested_first: bool = False
    """Whether a destination that can't have a live right, and one name for both rights with a MOVE_SEND_ONCE, are
    refused before the kernel looks at the reply."""
    null_fits_any_disposition: bool = False
    """Whether a descriptor's NULL, DEAD or empty array passes with any disposition, also with a number that isn't
    one."""
    full_before_circular: bool = False
    """Whether a circular message is returned to its sender while the queue is full; False: it is destroyed at once."""
    null_move_code: ReturnCode = ReturnCode.KERN_NOT_IN_SET
    """What ``mach_port_move_member`` out of all sets returns for a port that is in none (4)."""
    resume_at_zero_code: ReturnCode = ReturnCode.KERN_FAILURE
    """What ``task_resume`` returns for a task that isn't suspended (9)."""
    resume_ports: bool = False
    """Whether ``task_suspend`` leaves its caller a send right to the task's resume port (``TASK_RESUME``), so that a
    task's suspensions end with the last of these rights; False: suspensions are only counted."""
    allocate_name_takes_dead_name: bool = True
    """Whether ``mach_port_allocate_name`` of a dead name uses the requested name; False: another one (17, hazard
    H-10)."""
    send_survives_rescue: bool = True
    """What a name with SEND and RECEIVE keeps when RECEIVE is taken from it and a port-destroyed request redirects
    the receive right: SEND; False: a dead name (14, hazard H-8)."""
    circular_rescue_is_silent: bool = False
    """Whether a port-destroyed request whose message would be circular is given up without a send-once notification;
    False: the message is made and destroyed, which sends one to the request's port, and then the port dies."""
    places_end_first: bool = True
    """Whether a task's places (special, registered, exception) end before its names; False: after them."""
    ledger_places_end_last: bool = False
    """Whether a task's ledger places end after its port has died; False: with its other places."""
    queue_ends_whole: bool = False
    """Whether a dying port hands its whole queue to the list of messages to destroy before any of them is destroyed,
    and before it gives up its no-senders request (message 71). False: it gives up that request first. Then what one
    message leads to is over before the next is touched; a message that is destroyed inside another's destruction waits
    for that one only."""
    requests_grow_by_half: bool = False
    """Whether a port's table of dead-name requests grows by half of the largest power of two in its size; False: it
    doubles, at least while it is small. The slots decide in which order the requests of one port fire."""
    room_is_given: bool = False
    """Whether room that comes in a queue is at once the first waiting sender's, and a limit that is raised lets as many
    in as it rose by, even above it; False: the sender that comes first gets the room."""
    kernel_reply_needs_room: bool = False
    """Whether the kernel's answer to a plain send right needs room in the queue. If there is none, the answer waits if
    the sender would; otherwise it is destroyed. Then, and if the task ends while its answer waits, the kernel loses the
    answer's send right: the port counts it for ever, and no slot has it. False: the answer is queued all the same."""
    exception_types: int = MACH_EXCEPTION_TYPES
    """For how many types of exception a task has a port each; 0: for none."""
    exception_groups_by_port: bool = False
    """Whether ``task_get_exception_ports`` compares the ports that it was given for the types, also those that have
    died since; False: it compares each with what it reports of the earlier ones. Then a type whose port has died joins
    no group, and one that was set to DEAD joins the first that reports DEAD. (The swap call of every kernel does
    that.)"""
    host_priv_is_callers: bool = False
    """Whether the calls that want the privileged host port take it only if it is in the caller's place HOST."""
    host_special_ports: int = 0
    """``host_get/set_special_port``: the highest number; 0: the host has no special ports."""
    queue_limit_max: int = 16
    """``MACH_PORT_QLIMIT_MAX``: the highest limit that ``mach_port_set_attributes`` takes."""
    bootstrap_names: tuple[str, ...] = ("host_priv", "device_priv", "host_security", "root_ledger_wired", "root_ledger_paged")
    """The send rights of the bootstrap task at boot, under the names 1, 2, 3 …"""
    urefs_max: int = 65535
    """``MACH_PORT_UREFS_MAX``: the most user references of a dead name; a send right has one fewer (but see
    ``pegged_urefs``)."""
    queue_limit: int = 5
    """``MACH_PORT_QLIMIT_DEFAULT``: messages that fit in a port's queue."""
    has_processes: bool = False
    """Whether this kernel has processes, and their calls: who a task is follows from its process."""
    processes: int = 0
    """How many tasks of boot, from the first on, are those of processes, so that ``task_terminate`` doesn't end them:
    KERN_FAILURE. No process is behind the further tasks of boot. A process is behind the task that ``fork`` makes."""
    only_init_sets_host_ports: bool = False
    """Whether only the first task, which is that of launchd or init, sets the host's special ports; the others:
    KERN_NO_ACCESS."""
    pages: int = 16
    """Size of an address space, in pages."""
    boot_tasks: int = 1
    """How many tasks there are at boot."""
    pegged_urefs: bool = False
    """Whether user references that reach ``urefs_max`` stay there until all are released at once, so that none
    overflow (1)."""
    deallocate_destroys_set: bool = False
    """Whether ``mach_port_deallocate`` of a port set destroys it (6)."""
    sync_fires_dead_name: bool = True
    """Whether a dead-name request with sync on a dead name fires at once; False: it fails like one without sync (7)."""
    cancels_nothing: bool = False
    """Whether cancelling a dead-name request that doesn't exist succeeds for every name; False: only on a right to a
    live port (7)."""
    port_destroyed_stays: bool = False
    """Whether a port-destroyed request can't be replaced or cancelled: KERN_FAILURE (8)."""
    dead_reply_refused: bool = False
    """Whether a dead name as the reply is MACH_SEND_INVALID_REPLY; False: the message carries a dead right (12)."""
    body_checked_first: bool = False
    """Whether the kernel checks descriptors and their copy options before it copies in the header's rights, so that
    no right is lost; False: after it."""
    task_ports_stay: bool = False
    """Whether send rights to tasks' ports are immovable: they can't be sent to a user's port, be a reply right, be
    extracted by other tasks, or be put in a place."""
    kernel_ports_kept_as_null: bool = False
    """Whether a right to a kernel object's port that is set as an exception port is kept as null, and one that is set
    as a special port comes back as null (the kernel's own special ports don't)."""
    dead_names_are_lazy: bool = False
    """Whether a name whose port died is a dead name only after a call has looked at it. Until then it passes as what it
    was: for a reply, and a send-once right for a destination. Its reference for a dead-name notification comes then."""
    request_tests_no_reply: bool = False
    """Whether a ``mach_msg`` that waits in both halves, and whose header is that of a request, takes the reply port
    without a test that the caller has its receive right: then the kernel panics."""
    forgets_large: bool = False
    """Whether a ``mach_msg`` that waits in both halves forgets ``MACH_RCV_LARGE``, unless a waiting receiver takes the
    message at once."""
    send_possible: bool = False
    """Whether a request on a name can be for send-possible, too (message 66): it fires when a message is received from
    a port whose queue was full."""
    own_calls_are_traps: frozenset[str] = frozenset()
    """Calls that a task makes on itself by a trap: the right is copied in by the call's routine, and its failure is a
    KERN_ code. On another task they are messages."""
    set_membership_is_flag: bool = False
    """Whether RECEIVE_STATUS reports only that a port is in a set; False: in how many, or in which."""
    behaviours: frozenset[int] = frozenset({1, 2, 3})
    """The behaviours that a live exception port can have."""
    codes_required: bool = False
    """Whether the behaviour IDENTITY_PROTECTED and the bit for backtraces need the bit for codes, with any exception
    port and with none."""
    state_flavours: frozenset[int] | None = None
    """Flavours of thread state that an exception port can have; None: any."""

    @property
    def send_urefs_max(self) -> int:
        """The most user references of a send right: one below ``urefs_max``, as a dead-name request may add one,
        unless they are pegged."""
        return self.urefs_max if self.pegged_urefs else self.urefs_max - 1

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that a task of this kernel has."""
        return (*self.special_ports.values(), *self.registered_places, *self.exception_places)

    @property
    def exception_places(self) -> tuple[Place, ...]:
        """The places of the types of exception, in their order."""
        return EXCEPTION_PLACES[: self.exception_types]

    @property
    def exception_mask(self) -> int:
        """The mask of all types of exception that this kernel has (``EXC_MASK_ALL``, ``EXC_MASK_VALID``)."""
        return exception_mask(self.exception_types)

    @property
    def further_ports(self) -> tuple[PortObject, ...]:
        """The further ports that a task of this kernel can have."""
        flavours = tuple(sorted(self.flavour_ports.values()))
        return (*flavours, PortObject.TASK_RESUME) if self.resume_ports else flavours

    @property
    def immovable_objects(self) -> frozenset[PortObject]:
        """The kernel objects to whose ports send rights are immovable."""
        return self.flavours_that_stay | ({PortObject.TASK} if self.task_ports_stay else set())

    @property
    def registered_places(self) -> tuple[Place, ...]:
        return REGISTERED_PLACES[: self.registered_ports]

    def chosen_name(self, index: int) -> int:
        """A name that a task can choose: another one for each ``index``, and of that index where names have a form."""
        return 256 * index + 3 if self.name_index_max else index

    @property
    def first_task_is_privileged(self) -> bool:
        """Whether the first task has the privileged host port in the place HOST at boot."""
        return self.host_priv_is_callers or self.has_processes

    def serves(self, call: str) -> bool:
        """Whether this kernel has the call named ``call``."""
        if call in PROCESS_CALLS and not self.has_processes:
            return False
        return call not in self.lacks and (call not in ADDED_CALLS or ADDED_CALLS[call](self))

    @property
    def has_guards(self) -> bool:
        """Whether ports can be guarded."""
        return self.serves("mach_port_guard")

    def takes(self, call: str, argument: str) -> bool:
        """Whether this kernel's ``call`` has the argument."""
        return f"{call}.{argument}" not in self.lacks_arguments


TOKEN_CALLS = frozenset({"host_security_create_task_token", "host_security_set_task_token"})
LEDGER_CALLS = frozenset(name for name, signature in SIGNATURES.items() if signature.targets_ledger)
EXCEPTION_CALLS = frozenset(name for name, signature in SIGNATURES.items() if signature.selects_exceptions)
HOST_PORT_CALLS = frozenset({"host_get_special_port", "host_set_special_port"})
MEMBER_CALLS = frozenset({"mach_port_insert_member", "mach_port_extract_member"})
GUARD_CALLS = frozenset({"mach_port_construct", "mach_port_destruct", "mach_port_guard", "mach_port_unguard", "mach_port_peek"})
"""Calls of later kernels: guarded ports, and peeking into queues."""
DEBUG_CALLS = frozenset({"mach_port_get_srights", "mach_port_dnrequest_info", "mach_port_kernel_object", "mach_port_space_info"})
"""Calls of ``ipc/mach_debug.c``. OSF's PRODUCTION kernel, which MkLinux builds, has none of them
(``conf/config.debug``), and no manual page describes them."""
CONTEXT_CALLS = frozenset(
    {"mach_port_get_context", "mach_port_set_context", "mach_port_guard_with_flags", "mach_port_swap_guard"}
    | {"mach_port_assert_attributes", "mach_port_kobject", "mach_port_space_basic_info"}
)
"""Further calls of later kernels (``mach/mach_port.defs`` of XNU 11417)."""

_SEND_NOTIFY = frozenset({"mach_msg_send.send_notify", "mach_msg.send_notify"})
"""Only where ``send_possible``."""

MANUAL = Profile(
    name="manual",
    title="the manual pages, with the recommended fixes",
    lacks=GUARD_CALLS | DEBUG_CALLS | CONTEXT_CALLS,
    lacks_arguments=frozenset({"host_security_create_task_token.host", *_SEND_NOTIFY}),
    special_ports={1: Place.KERNEL, 2: Place.HOST, 4: Place.BOOTSTRAP, 5: Place.WIRED_LEDGER, 6: Place.PAGED_LEDGER},
    resume_at_zero_code=ReturnCode.KERN_SUCCESS,
    host_special_ports=11,
    attributes_told=frozenset({1, 2}),
    attributes_set=frozenset({1}),
)

_ROOM_FOR_GROUPS = frozenset({"task_get_exception_ports.count", "task_swap_exception_ports.count"})
"""In ``mach/task.defs`` of XNU and ``mach/mach_host.defs`` of OSF the groups are results of up to 32 elements: how many
a caller has room for isn't part of the request."""

_LOOKS_UP_BOTH = frozenset({"mach_port_insert_member", "mach_port_extract_member"})
"""``ipc_object_translate_two`` of XNU 792, ``ipc_object_translate_port_pset`` of XNU 11417."""

OSF = Profile(
    name="osf",
    title="OSF MK as shipped in MkLinux",
    lacks=HOST_PORT_CALLS | MEMBER_CALLS | GUARD_CALLS | DEBUG_CALLS | CONTEXT_CALLS,
    trailer_elements=2,
    lacks_arguments=frozenset(
        {
            "host_security_create_task_token.audit_token",
            "host_security_create_task_token.host",
            "host_security_set_task_token.audit_token",
            "host_security_set_task_token.host",
            *_ROOM_FOR_GROUPS,
            *_SEND_NOTIFY,
        }
    ),
    special_ports={1: Place.KERNEL, 4: Place.BOOTSTRAP, 5: Place.WIRED_LEDGER, 6: Place.PAGED_LEDGER},
    task_is_target=True,
    token_flavours=(13,),
    audit_tokens=False,
    trailer_is_senders=False,
    host_place=False,
    host_self=HostSelf.MADE,
    ledger_rule=LedgerRule.PARENT_SLOT,
    many_sets=False,
    moved_receive_code=ReturnCode.MACH_RCV_PORT_DIED,
    lost_size_is_header=True,
    null_fits_any_disposition=True,
    send_survives_rescue=False,
    circular_rescue_is_silent=True,
    ledger_places_end_last=True,
    allocate_name_takes_dead_name=False,
    hole_code=ReturnCode.KERN_SUCCESS,
)

GNUMACH = Profile(
    name="gnumach",
    title="GNU Mach",
    lacks=TOKEN_CALLS
    | LEDGER_CALLS
    | EXCEPTION_CALLS
    | HOST_PORT_CALLS
    | MEMBER_CALLS
    | GUARD_CALLS
    | CONTEXT_CALLS
    | {"mach_port_allocate_full", "mach_port_space_info"},
    trailer_elements=0,
    lacks_arguments=frozenset({"task_create.ledgers", "mach_msg_receive.trailer", "mach_msg.trailer", *_SEND_NOTIFY}),
    special_ports={1: Place.KERNEL, 3: Place.EXCEPTION, 4: Place.BOOTSTRAP},
    registered_ports=4,
    token_flavours=(),
    tokens_in_trailer=False,
    audit_tokens=False,
    host_place=False,
    host_self=HostSelf.MADE,
    ledger_rule=LedgerRule.NONE,
    null_parent_code=ReturnCode.KERN_INVALID_TASK,
    many_sets=False,
    moved_receive_code=ReturnCode.MACH_RCV_PORT_DIED,
    full_before_circular=True,
    send_survives_rescue=False,
    circular_rescue_is_silent=True,
    request_tests_no_reply=True,
    exception_types=0,
    hole_code=ReturnCode.KERN_SUCCESS,
    bootstrap_names=("host_priv", "device_priv"),
    attributes_told=MANUAL.attributes_told,
    attributes_set=MANUAL.attributes_set,
    device_port_has_type=False,
)

XNU_792 = Profile(
    name="xnu-792",
    title="XNU 792, Mac OS X 10.4",
    lacks=GUARD_CALLS | CONTEXT_CALLS,
    lacks_arguments=_ROOM_FOR_GROUPS | _SEND_NOTIFY,
    has_ipc_debug=False,
    special_ports=MANUAL.special_ports,
    host_special_ports=15,
    host_is_checked=False,
    processes=1,
    tokens_in_two_steps=True,
    ledger_rule=LedgerRule.PARENT_SLOT,
    null_move_code=ReturnCode.KERN_SUCCESS,
    hole_code=ReturnCode.KERN_SUCCESS,
    allocate_name_takes_dead_name=False,
    send_survives_rescue=False,
    places_end_first=False,
    room_is_given=True,
    forgets_large=True,
    reserved_names_pass=True,
    dead_receive_code=ReturnCode.MACH_RCV_PORT_CHANGED,
    lost_size_is_header=True,
    null_fits_any_disposition=True,
    reserved_before_space=True,
    looks_up_both=_LOOKS_UP_BOTH,
)

_TRAPS = frozenset(
    {
        *("mach_port_allocate", "mach_port_deallocate", "mach_port_mod_refs", "mach_port_type", "mach_port_get_attributes"),
        *("mach_port_insert_right", "mach_port_request_notification"),
        *("mach_port_move_member", "mach_port_insert_member", "mach_port_extract_member"),
        *("mach_port_construct", "mach_port_destruct", "mach_port_guard", "mach_port_unguard"),
    }
)
"""``osfmk/ipc/mach_kernelrpc.c`` of XNU 11417: what libsyscall tries first."""

XNU = Profile(
    name="xnu",
    title="XNU 11417, macOS 15",
    lacks=TOKEN_CALLS | LEDGER_CALLS | {"task_create", "mach_port_rename"},
    lacks_arguments=_ROOM_FOR_GROUPS,
    boot_tasks=3,
    has_processes=True,
    processes=2,
    only_init_sets_host_ports=True,
    exception_types=13,
    exception_groups_by_port=True,
    kernel_reply_needs_room=True,
    host_priv_is_callers=True,
    trailer_elements=7,
    special_ports={1: Place.KERNEL, 2: Place.HOST, 4: Place.BOOTSTRAP, 9: Place.ACCESS, 10: Place.DEBUG_CONTROL, 11: Place.RESOURCE_NOTIFY},
    flavour_ports={3: PortObject.TASK_NAME, 5: PortObject.TASK_INSPECT, 6: PortObject.TASK_READ},
    flavours_that_stay=frozenset({PortObject.TASK_INSPECT, PortObject.TASK_READ}),
    resume_ports=True,
    protected_places=frozenset({Place.KERNEL, Place.HOST}),
    set_once_places=frozenset({Place.ACCESS}),
    register_counts_first=True,
    dead_receive_code=ReturnCode.MACH_RCV_PORT_CHANGED,
    lost_size_is_header=True,
    no_room_code=ReturnCode.MACH_RCV_INVALID_DATA,
    destination_tested_first=True,
    null_fits_any_disposition=True,
    host_special_ports=35,
    ledger_rule=LedgerRule.NONE,
    hole_code=ReturnCode.KERN_SUCCESS,
    reserved_names_pass=True,
    allocate_name_takes_dead_name=False,
    queue_limit_max=1024,
    bootstrap_names=("host_priv", "device_priv"),
    pegged_urefs=True,
    deallocate_destroys_set=True,
    sync_fires_dead_name=False,
    cancels_nothing=True,
    port_destroyed_stays=True,
    places_end_first=False,
    room_is_given=True,
    queue_ends_whole=True,
    requests_grow_by_half=True,
    dead_reply_refused=True,
    body_checked_first=True,
    kernel_ports_kept_as_null=True,
    dead_names_are_lazy=True,
    send_possible=True,
    own_calls_are_traps=_TRAPS,
    set_membership_is_flag=True,
    reserved_before_space=True,
    wrapped_calls=frozenset(
        {"mach_port_get_attributes", "mach_port_get_set_status", "mach_port_get_context"}
        | {"mach_port_kobject", "mach_port_kernel_object", "mach_port_space_info"}
    ),
    dead_name_is_no_name=True,
    attributes_told=frozenset({1, 2, 3, 7, 9}),
    attributes_set=frozenset({1, 3, 4, 5, 6, 9}),
    sets_table_size=False,
    info_words=17,
    looks_up_both=_LOOKS_UP_BOTH | {"mach_port_move_member"},
    right_number=6,
    name_index_max=305834,
    behaviours=frozenset(behaviour | bits for behaviour in Behaviour for bits in combined(BEHAVIOUR_BITS)),
    codes_required=True,
    state_flavours=frozenset(range(18)),
)

OWN_PROFILES: dict[str, Profile] = {profile.name: profile for profile in (MANUAL, OSF, XNU_792, GNUMACH, XNU)}
"""The profiles that come with sendright, by name."""
PROFILES: dict[str, Profile] = dict(OWN_PROFILES)
"""All profiles, by name: sendright's own, and those that were added (``profile_files.py``)."""


class UnknownProfile(ValueError):
    """No profile has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown profile {name!r}{perhaps_meant(name, PROFILES)}: choose one of {', '.join(PROFILES)}")


def profile_named(name: str) -> Profile:
    """The profile called ``name``; raises UnknownProfile."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UnknownProfile(name) from None
