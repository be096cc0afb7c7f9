"""What the profiles' kernels have and sendright doesn't model: numbers and bits of arguments.

A call with such a number gets no verdict: it is NOT MODELLED, whether a script names the number or writes it. The
ranges follow from the kernels' headers (``mach/abi/headers.py``) and from what the profile models, so a number leaves
its range when a rule for it arrives. ``_DECLARED`` has those that no header tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import msgspec

from sendright.mach.abi.descriptors import HEADER_SIZE, dispositions_in
from sendright.mach.abi.headers import Headers, headers_of
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import NULL_NAME, REQUESTABLE, RESERVED_NAMES, Disposition, Notification, Right, SlotKind
from sendright.mach.abi.tokens import NO_ID
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES, Argument, Signature
from sendright.mach.signatures import ArgumentType as T
from sendright.mach.signatures.guards import CONSTRUCT_FLAGS
from sendright.mach.signatures.messages import MESSAGE_CALLS, MESSAGE_OPTIONS
from sendright.mach.signatures.processes import CREDENTIALS, LIVES
from sendright.mach.signatures.widths import FIELD, Width, as_seen, is_plain_body, width_of
from sendright.mach.state.snapshot import Snapshot, Task


class Unmodelled(NotMade):
    """A call that sendright doesn't model; the text says which argument, and why. No implementation has seen it."""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers or bits of one argument that a profile doesn't model."""

    call: str
    argument: str
    """An argument of the signature, or ``flags`` and ``options``, whose bits are arguments of their own here."""
    lowest: int = 0
    highest: int = -1
    bit: int = 0
    """Instead of numbers: one bit, whatever the others are."""
    name: str = ""
    """Its name in the kernel's headers, if it has one."""
    why: str = ""
    """Why it isn't modelled, if that needs words."""

    def covers(self, number: int) -> bool:
        """Whether ``number`` is in the range."""
        return bool(number & self.bit) or self.lowest <= number <= self.highest

    @property
    def words(self) -> str:
        """The range, for a reader: ``3 (TASK_NAME_PORT)``."""
        if self.bit:
            number = f"bit {self.bit:#x}"
        elif self.lowest == self.highest:
            number = str(self.lowest)
        else:
            number = f"{self.lowest} to {self.highest}"
        return number + "".join(f" ({each})" for each in (self.name, self.why) if each)


FAMILIES: dict[T, str] = {
    T.RIGHT: r"MACH_PORT_RIGHT_(?!NUMBER$)\w+",
    T.DISPOSITION: r"MACH_MSG_TYPE_\w+",
    T.SELECTOR: r"TASK_(?!MAX_)\w+_PORT",
    T.FLAVOUR: r"(?:MACH_)?TASK_(?!FLAVOR_)\w+(?<!_PORT)(?<!_COUNT)",
    T.TASK_FLAVOUR: r"TASK_FLAVOR_(?!MAX$)\w+",
    T.ATTRIBUTES: r"MACH_PORT_(?:LIMITS_INFO|RECEIVE_STATUS|DNREQUESTS_SIZE|TEMPOWNER|\w+_RECEIVER|INFO_EXT|GUARD_INFO|SERVICE_THROTTLED)",
    T.NOTIFICATION: r"MACH_NOTIFY_(?!FIRST$|LAST$)\w+",
    T.EXCEPTION_MASK: r"EXC_MASK_\w+",
    T.BEHAVIOUR: r"(?:MACH_)?EXCEPTION_\w+",
    T.HOST_SELECTOR: r"HOST_(?!MAX_)(?:\w+_)?PORT",
    T.INHERITANCE: r"VM_INHERIT_\w+",
    T.TRAILER: r"MACH_RCV_TRAILER_\w+",
    T.LIMITS: r"MACH_PORT_QLIMIT_\w+",
    T.QUEUE_LIMIT: r"MACH_PORT_QLIMIT_\w+",
}
"""Argument type -> the constants of the headers that are meant for it."""


def family(headers: Headers, type_: T) -> dict[str, int]:
    """The constants of the headers that are meant for arguments of this type."""
    pattern = FAMILIES.get(type_)
    return {} if pattern is None else {name: number for name, number in headers.numbers.items() if re.fullmatch(pattern, name)}


def _modelled(profile: Profile, type_: T) -> Iterable[int] | None:
    """The numbers of a type that the profile's rules are about; None: the rules cover every number of the type."""
    if type_ is T.SELECTOR:
        return (*profile.special_ports, *profile.flavour_ports)
    if type_ is T.FLAVOUR:
        return profile.token_flavours
    if type_ is T.ATTRIBUTES:
        asks = PortAttributes.DNREQUESTS_SIZE in profile.attributes_told  # then the others are those that we read
        return [int(each) for each in PortAttributes] if asks else profile.attributes_told
    if type_ is T.HOST_SELECTOR:
        return range(profile.host_special_ports + 1)
    if type_ is T.NOTIFICATION:
        possible = (Notification.SEND_POSSIBLE,) if profile.send_possible else ()
        return [int(each) for each in (*REQUESTABLE, *possible, *_NEVER_REQUESTED.get(base_of(profile.name), _OWN_NOTIFICATIONS))]
    return None


_OWN_NOTIFICATIONS = (65, 71)
"""The kernels send these without a request, and refuse a request for them."""
_NEVER_REQUESTED = {"gnumach": (*_OWN_NOTIFICATIONS, 66)}
"""GNU Mach refuses a request for MACH_NOTIFY_MSG_ACCEPTED, too (``ipc/mach_port.c``)."""


def _modelled_bits(profile: Profile, type_: T) -> int | None:
    """The bits of a type that the profile's rules are about; None: the type isn't one of bits."""
    if type_ is T.EXCEPTION_MASK:
        return profile.exception_mask
    if type_ is T.BEHAVIOUR:
        bits = 0x1FFFFFFF
        for behaviour in profile.behaviours:
            bits |= behaviour
        return bits
    return None


_COPIED_IN = (
    *((name, "descriptors") for name, signature in SIGNATURES.items() if signature.takes(T.DESCRIPTORS)),
    ("mach_port_insert_right", "disposition"),
    ("mach_port_request_notification", "notify_disposition"),
)
"""Calls whose message has a descriptor of the caller's choice, and the argument with its disposition."""

_DECLARED: dict[str, tuple[Range, ...]] = {
    "osf": (
        *(
            Range(
                call=call,
                argument="right",
                lowest=6,
                highest=6,
                name="MACH_PORT_RIGHT_RECEIVE_NO_NMS",
                why="only in kernels of clusters, mach/port.h",
            )
            for call in ("mach_port_allocate", "mach_port_allocate_name", "mach_port_allocate_full")
        ),
        *(
            Range(call=call, argument=argument, lowest=lowest, highest=highest, why="that kernel panics, ipc_object_copyin_type, hazard H-13")
            for call, argument in _COPIED_IN
            for lowest, highest in ((1, 15), (22, 255))
        ),
    ),
    "xnu-792": (
        Range(
            call="host_get_special_port",
            argument="which",
            lowest=-(1 << 31),
            highest=-1,
            why="that kernel reads before its array, kern/host.c, hazard H-14",
        ),
    ),
    "xnu": (
        *(
            Range(call=call, argument="new_flavor", lowest=lowest, highest=highest, why="a flavour of only some machines, mach/*/thread_status.h")
            for call in ("task_set_exception_ports", "task_swap_exception_ports")
            for lowest, highest in ((8, 8), (11, 12), (14, 15), (18, 25), (27, 27))
        ),
        *(
            Range(call=signature.name, argument=argument.name, lowest=NO_ID, highest=NO_ID, name=name, why="that kernel takes it for no id")
            for signature in (*CREDENTIALS, *LIVES)
            for argument in signature.arguments
            for name in [{T.USER: "KAUTH_UID_NONE", T.GROUP: "KAUTH_GID_NONE"}.get(argument.type)]
            if name is not None
        ),
        *(
            Range(call="wait4", argument="pid", lowest=lowest, highest=highest, why="a process group")
            for lowest, highest in ((1 - (1 << 31), -2), (0, 0))
        ),
        Range(call="task_name_for_pid", argument="pid", lowest=0, highest=0, why="the kernel's own task"),
    ),
}
"""Ranges of one profile that the headers don't tell."""


def _too_large() -> Iterator[Range]:
    """In every profile. (The kernels refuse the three sizes above as no multiples of 4.)"""
    for name, signature in SIGNATURES.items():
        if signature.takes(T.DESCRIPTORS) and signature.takes(T.SIZE):
            yield Range(call=name, argument="size", lowest=1 << 31, highest=(1 << 32) - 4, why="no kernel has a message so large")


@cache
def _ranges(name: str) -> tuple[Range, ...]:
    profile = PROFILES[name]
    found = [each for each in (*_too_large(), *_DECLARED.get(base_of(name), ())) if profile.serves(each.call)]
    for signature in SIGNATURES.values():
        if profile.serves(signature.name):
            for argument in signature.arguments:
                if profile.takes(signature.name, argument.name):
                    found += _of_argument(profile, signature, argument)
    for call, argument_name, prefixes, modelled in _BITS:
        if profile.serves(call):
            found += _of_bits(profile, call, argument_name, prefixes, modelled)
    return tuple(found)


def unmodelled_ranges(profile: Profile, call: str | None = None, argument: str | None = None) -> tuple[Range, ...]:
    """The ranges that ``profile`` doesn't model: all, those of a call, or those of one argument of it."""
    return tuple([each for each in _ranges(_known(profile)) if call in (None, each.call) and argument in (None, each.argument)])


def _of_argument(profile: Profile, signature: Signature, argument: Argument) -> Iterator[Range]:
    """The ranges of an argument that follow from the headers."""
    headers = headers_of(profile.name)
    named = family(headers, argument.type)
    bits = _modelled_bits(profile, argument.type)
    if bits is not None:
        for name, number in named.items():
            if number & ~bits and not number & (number - 1):
                yield Range(call=signature.name, argument=argument.name, bit=number, name=name)
        return
    modelled = _modelled(profile, argument.type)
    if modelled is None:
        return
    unnamed = range(headers.numbers.get("HOST_MAX_SPECIAL_PORT", -1) + 1) if argument.type is T.HOST_SELECTOR else ()
    for number in sorted({*named.values(), *unnamed} - set(modelled)):
        names = [name for name, each in named.items() if each == number]
        yield Range(call=signature.name, argument=argument.name, lowest=number, highest=number, name=", ".join(names))


_BITS: tuple[tuple[str, str, tuple[str, ...], Iterable[str]], ...] = (
    ("mach_port_construct", "flags", ("MPO_",), CONSTRUCT_FLAGS),
    *((call, "options", ("MACH_SEND_", "MACH_RCV_", "MACH_MSG_STRICT"), MESSAGE_OPTIONS) for call in MESSAGE_CALLS),
)
"""Calls whose bits are arguments of their own here: the call, the argument's name in the headers, the prefixes of the
names of its bits, and the names of those that are modelled."""

_WHY_NOT = {"MPO_CONNECTION_PORT": "the sandbox's filter of messages makes its label, ipc_service_port_derive_sblabel in ipc/ipc_service_port.c"}
"""Bits -> why they aren't modelled."""


def _of_bits(profile: Profile, call: str, argument: str, prefixes: tuple[str, ...], modelled: Iterable[str]) -> Iterator[Range]:
    numbers = headers_of(profile.name).numbers
    lacks = {MESSAGE_OPTIONS.get(name) for name in modelled} & {each.partition(".")[2] for each in profile.lacks_arguments}
    known = {numbers[name] for name in modelled if name in numbers and MESSAGE_OPTIONS.get(name) not in lacks - {None}}
    for name, number in numbers.items():
        if name.startswith(prefixes) and "_TRAILER_" not in name and number and number not in known:
            yield Range(call=call, argument=argument, bit=number, name=name, why=_WHY_NOT.get(name, ""))


def as_judged(call: Call, profile: Profile) -> Call:
    """``call`` with its numbers as the kernel sees them. Raises Unmodelled if the profile doesn't model one of them, or
    if it is a call of processes, which the profile doesn't have.
    """
    if call.resume or call.name not in SIGNATURES:
        return call
    missing = _without_processes(call.name, profile)
    if missing is not None:
        raise Unmodelled(missing)
    arguments = call.arguments
    for check in _of_call(_known(profile), call.name):
        if not check.ordinary(arguments.get(check.argument)):
            seen = as_seen(call, SIGNATURES[call.name], profile.name)
            unmodelled = why_unmodelled(seen, profile)
            if unmodelled is not None:
                raise Unmodelled(unmodelled)
            return seen
    return call


def _without_processes(call: str, profile: Profile) -> str | None:
    """That ``call`` is one of processes and ``profile`` has none, in words; None: it isn't so."""
    if profile.has_processes or not SIGNATURES[call].of_processes:
        return None
    others = [name for name, each in PROFILES.items() if each.has_processes]
    have = f"profile {others[0]} has" if len(others) == 1 else f"profiles {', '.join(others)} have"
    return f"{call} is not modelled in profile {profile.name}: it has no processes ({have} them)"


def why_unmodelled(call: Call, profile: Profile) -> str | None:
    """Why ``call`` isn't modelled, in words: the first argument whose number isn't, or that ``profile`` has no
    processes; None: it is modelled.

    The numbers must be as the kernel sees them (``widths.as_seen``).
    """
    if call.resume or call.name not in SIGNATURES:
        return None
    if not profile.serves(call.name):
        return _without_processes(call.name, profile)
    for check in _of_call(_known(profile), call.name):
        words = check.words(call.arguments.get(check.argument))
        if words is not None:
            return words
    return None


def why_unmodelled_there(caller: int, call: Call, state: Snapshot, profile: Profile) -> str | None:
    """Why what ``call`` of task ``caller`` leads to in ``state`` isn't modelled, in words; None: it is."""
    own = state.tasks.get(caller)
    if own is None or call.resume or not profile.serves(call.name):
        return None
    test = _IN_SOME_STATES.get(call.name)
    return None if test is None else test(own, call.arguments, state, profile)


def _loses_redirected(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    """Where a name loses a redirected RECEIVE and becomes a dead name (hazard H-8), the kernels leave its dead-name
    request with the port (``ipc_right_delta``, ``ipc_port_destroy``). The state has no place for such a request.
    """
    if profile.send_survives_rescue or arguments.get("right") != Right.RECEIVE:
        return None
    target = own.names.get(arguments.get("task", NULL_NAME))
    of = None if target is None or target.port is None else state.ports.get(target.port)
    task = None if of is None or of.task is None else state.tasks.get(of.task)
    name = arguments.get("name", NULL_NAME)
    entry = None if task is None else task.names.get(name)
    if task is None or entry is None or entry.kind is not SlotKind.SEND_RECEIVE or entry.port not in state.ports or name not in task.requests:
        return None
    if state.ports[entry.port].port_destroyed.kind is SlotKind.NONE:
        return None
    return f"what becomes of a dead-name request whose name loses a redirected receive right isn't modelled in profile {profile.name}"


def _left_as_it_was(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    """Of NULL and DEAD, XNU 792 tells that they have no requests, in as many words as its caller has room for. It
    writes only the first (``mach_port_get_attributes`` in ``ipc/mach_port.c``); XNU 11417 clears the others before.
    """
    if not profile.reserved_names_pass or profile.dead_names_are_lazy:
        return None
    if arguments.get("flavor") != PortAttributes.DNREQUESTS_SIZE or arguments.get("name") not in RESERVED_NAMES or arguments.get("count", 0) <= 1:
        return None
    return f"what is in the other words of flavour 3, of NULL or DEAD, isn't modelled in profile {profile.name}"


def _waits_in_both(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    """A ``mach_msg`` without time-outs takes a way of its own in some kernels (``mach_msg_trap`` and
    ``mach_msg_overwrite_trap`` in ``ipc/mach_msg.c``). GNU Mach doesn't test there that the reply port is the caller's,
    and panics. XNU 792 forgets ``MACH_RCV_LARGE`` there, unless a waiting receiver takes the message at once.
    """
    if not (arguments.get("send_wait") and arguments.get("receive_wait")):
        return None
    if profile.forgets_large and arguments.get("large"):
        return f"MACH_RCV_LARGE of a mach_msg that waits in both halves isn't modelled in profile {profile.name}: that kernel mostly forgets it"
    dest, replied = (own.names.get(arguments.get(name, NULL_NAME)) for name in ("dest", "reply"))
    size, how = arguments.get("size", -1), (arguments.get("dest_disposition"), arguments.get("reply_disposition"))
    taken = (
        how == (Disposition.COPY_SEND, Disposition.MAKE_SEND_ONCE)
        and arguments.get("reply") == arguments.get("port")
        and not arguments.get("descriptors")
        and (size == -1 or (size >= HEADER_SIZE and size % 4 == 0))
    )
    if not (profile.request_tests_no_reply and taken) or dest is None or replied is None:
        return None
    if dest.kind is not SlotKind.SEND or dest.port not in state.ports or replied.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE):
        return None
    return f"mach_msg with a reply port that isn't the caller's isn't modelled in profile {profile.name}: that kernel panics, mach_msg_trap"


def _frees_destination(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    """With MACH_SEND_NOTIFY, XNU 11417 reads the request of the destination's name after it has copied the right in. If
    that has freed the name, it reads the kernel's list of free names instead (``ipc_kmsg_copyin_header_rights`` in
    ``ipc/ipc_kmsg.c``).
    """
    dest = own.names.get(arguments.get("dest", NULL_NAME))
    if not arguments.get("send_notify") or dest is None or dest.kind is not SlotKind.SEND or dest.port not in state.ports:
        return None
    both = [arguments.get("dest_disposition")]
    if arguments.get("reply") == arguments.get("dest"):
        both.append(arguments.get("reply_disposition"))
    taken = sum(disposition == Disposition.MOVE_SEND for disposition in both)
    if taken == 0 or dest.urefs > taken or (profile.pegged_urefs and dest.urefs == profile.urefs_max):
        return None
    return f"MACH_SEND_NOTIFY with the last right to the destination isn't modelled in profile {profile.name}: that kernel reads what it has freed"


def _guards_service(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    """The guard of a service port comes back when a port-destroyed notification brings its receive right to launchd.
    The kernel panics if launchd has another name for it by then (``ipc_right_copyout`` in ``ipc/ipc_right.c``).
    """
    if not all(arguments.get(each) for each in ("service", "context_as_guard", "context")):
        return None
    return f"the guard of a service port, which comes back to launchd with the port, isn't modelled in profile {profile.name}"


def _ends_first_process(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    """When the first process ends, XNU panics (``proc_handle_critical_exit`` in ``bsd/kern/kern_exit.c``)."""
    if own.process is None or own.process.pid != 1:
        return None
    return f"exit of the first process isn't modelled in profile {profile.name}: that kernel panics, proc_handle_critical_exit"


def _of_both(own: Task, arguments: dict[str, Any], state: Snapshot, profile: Profile) -> str | None:
    return _waits_in_both(own, arguments, state, profile) or _frees_destination(own, arguments, state, profile)


_IN_SOME_STATES: dict[str, Callable[[Task, dict[str, Any], Snapshot, Profile], str | None]] = {
    "mach_port_mod_refs": _loses_redirected,
    "mach_port_get_attributes": _left_as_it_was,
    "mach_port_construct": _guards_service,
    "mach_msg_send": _frees_destination,
    "mach_msg": _of_both,
    "exit": _ends_first_process,
}
"""Call -> why it isn't modelled in a state; it gets the calling task, the arguments, the state and the profile."""


def _known(profile: Profile) -> str:
    """The name of the profile, or of the one whose ranges stand for those of a profile that isn't sendright's."""
    return profile.name if profile.name in PROFILES else "manual"


def is_ordinary(call: str, argument: str, value: Any, profile: Profile) -> bool:
    """Whether ``value`` is modelled, and is already what the kernel sees. (Nearly all values are.)"""
    check = _checks(_known(profile), call).get(argument)
    return check is None or check.ordinary(value)


def why_unmodelled_argument(signature: Signature, argument: Argument, value: Any, profile: Profile) -> str | None:
    """Why ``value``, as the kernel sees it, isn't modelled as this argument of a call; None: it is."""
    check = _checks(_known(profile), signature.name).get(argument.name)
    return None if check is None or not profile.serves(signature.name) else check.words(value)


class _Check:
    """Whether the numbers of an argument are modelled."""

    def __init__(self, profile: str, call: str, argument: str, width: Width | None) -> None:
        """``width`` is None for the body of a message."""
        self.argument = argument
        self._profile, self._call = profile, call
        self._ranges = tuple(each for each in _ranges(profile) if (each.call, each.argument) == (call, argument))
        self._is_body = width is None
        self._lowest, self._highest = (0, -1) if width is None else (width.lowest, width.highest)
        self._bits = 0
        for each in self._ranges:
            self._bits |= each.bit
        self._others = tuple((each.lowest, each.highest) for each in self._ranges if not each.bit)

    def ordinary(self, value: Any) -> bool:
        """Whether a value is modelled, and is already what the kernel sees."""
        if value.__class__ is int:
            return self._lowest <= value <= self._highest and (not self._ranges or self._passes(value))
        if self._is_body:
            return is_plain_body(value) and (not self._ranges or self._of_body(value) is None)
        try:
            return value is None or not value or (self._lowest <= min(value) and max(value) <= self._highest)
        except TypeError:
            return False

    def _passes(self, number: int) -> bool:
        if not self._lowest <= number <= self._highest or number & self._bits:
            return False
        return not self._others or all(not lowest <= number <= highest for lowest, highest in self._others)

    def words(self, value: Any) -> str | None:
        """Why a value isn't modelled; None: it is."""
        if self._is_body:
            return self._of_body(value)
        for number in value if isinstance(value, tuple) else (value,):
            if number.__class__ is int and not self._passes(number):
                found = [each for each in self._ranges if each.covers(number)]
                return not_modelled_words(found[0], self._profile) if found else self._does_not_fit(number)
        return None

    def _of_body(self, body: Any) -> str | None:
        if not isinstance(body, tuple) or (not self._ranges and is_plain_body(body)):
            return None
        for disposition in dispositions_in(body):
            if disposition.__class__ is int:
                found = next((each for each in self._ranges if each.covers(disposition)), None)
                if found is not None:
                    return not_modelled_words(found, self._profile)
                if not FIELD.fits(disposition):
                    return self._does_not_fit(disposition)
        return None

    def _does_not_fit(self, number: int) -> str:
        return f"{self.argument} of {self._call}: the kernel has no room for the number {number}"


@cache
def _checks(profile: str, call: str) -> dict[str, _Check]:
    return {check.argument: check for check in _of_call(profile, call)}


@cache
def _of_call(profile: str, call: str) -> tuple[_Check, ...]:
    """A check for each argument that has numbers of the kernel's."""
    signature = SIGNATURES[call]
    widths = [(argument, width_of(signature, argument, profile)) for argument in signature.arguments]
    return tuple([_Check(profile, call, each.name, width) for each, width in widths if width is not None or each.type is T.DESCRIPTORS])


def not_modelled_words(found: Range, profile: str) -> str:
    """Why a call that has a number of this range isn't modelled."""
    return f"{found.argument} {found.words} of {found.call} is not modelled in profile {profile}"
