"""Readers for the values in scripts.

A reader takes a JSON value and returns a value of ``values.py``. It raises ``WrongValue`` for a value that no
script should contain, and ``NotModelled`` for one that may be right but that sendright doesn't support.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

import msgspec

from sendright.mach.abi.descriptors import CopyOption
from sendright.mach.abi.port_attributes import FIELDS, PortAttributes
from sendright.mach.abi.rights import EXC_MASK_ALL, EXCEPTION_PLACES, Behaviour, Disposition, HostPort, Inheritance, Notification, Place, Right
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS, TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.mach.signatures import Argument, ArgumentType
from sendright.properties.scripts.values import KNOWN_WORDS, NULL, Limit, SpecialPort, Symbol, TaskPort, TokenOf, Value, is_identifier


class WrongValue(ValueError):
    """A value that no script may have; the message says what was expected. ``place`` is the place inside it, such as
    ``[1]``."""

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(what)
        self.place = place


class NotModelled(Exception):
    """Possibly right, but sendright doesn't model it; the message says why."""


_CONSTANTS: dict[str, int] = {
    "TASK_SECURITY_TOKEN": TASK_SECURITY_TOKEN,
    "TASK_AUDIT_TOKEN": TASK_AUDIT_TOKEN,
    "TASK_SECURITY_TOKEN_COUNT": SECURITY_TOKEN_WORDS,
    "TASK_AUDIT_TOKEN_COUNT": AUDIT_TOKEN_WORDS,
    "MACH_PORT_LIMITS_INFO_COUNT": len(FIELDS[PortAttributes.LIMITS_INFO]),
    "MACH_PORT_RECEIVE_STATUS_COUNT": len(FIELDS[PortAttributes.RECEIVE_STATUS]),
    "LEDGER_ITEM_INFINITY": -1,
}
TRAILER_ELEMENTS = {"NULL": 0, "SEQNO": 1, "SENDER": 2, "AUDIT": 3, "CTX": 4, "AV": 7, "LABELS": 7}
"""``MACH_RCV_TRAILER_…``: how far a trailer reaches."""
_LIMITS = {
    "MACH_PORT_UREFS_MAX": "urefs_max",
    "UREFS_MAX": "urefs_max",
    "MACH_PORT_QLIMIT_DEFAULT": "queue_limit",
    "MACH_PORT_QLIMIT_MAX": "queue_limit_max",
}

EXCEPTION_MASKS = {"EXC_MASK_ALL": EXC_MASK_ALL} | {f"EXC_MASK_{place.name[4:]}": 1 << number for number, place in enumerate(EXCEPTION_PLACES, 1)}
"""``exception_mask_t``: name -> bits."""

_SPECIAL_PORTS = {
    "KERNEL": Place.KERNEL,
    "HOST": Place.HOST,
    "EXCEPTION": Place.EXCEPTION,
    "BOOTSTRAP": Place.BOOTSTRAP,
    "WIRED_LEDGER": Place.WIRED_LEDGER,
    "PAGED_LEDGER": Place.PAGED_LEDGER,
    "ACCESS": Place.ACCESS,
    "DEBUG_CONTROL": Place.DEBUG_CONTROL,
    "RESOURCE_NOTIFY": Place.RESOURCE_NOTIFY,
}

_OF_TASK = re.compile(r"(mach_task_self|task_self|pid|security_token|audit_token)\(\s*([A-Za-z_]\w*)\s*\)", re.ASCII)
_CONSTANT = re.compile(r"([A-Z][A-Z0-9_]*)\s*(?:([+-])\s*(\d{1,9}))?", re.ASCII)
_LOWEST, _HIGHEST = -(2**31), 2**32 - 1


def quoted(value: object, limit: int = 40) -> str:
    """``value`` for a message: JSON on one line, shortened to ``limit`` characters."""
    text = msgspec.json.encode(value, order="sorted").decode().encode("ascii", "backslashreplace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    for kind, word in ((bool, "a boolean"), (int, "a number"), (float, "a fraction"), (str, "a string"), (list, "an array")):
        if isinstance(value, kind):
            return word
    return "an object"


def wrong(expected: str, value: object) -> WrongValue:
    """The error for a ``value`` where ``expected`` (in words) belongs."""
    return WrongValue(f"expected {expected}, got {_kind_of(value)}" + (f": {quoted(value)}" if value is not None else ""))


def read_integer(value: object, expected: str = "a number") -> int:
    """A whole number of at most 32 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(expected, value)
    if not _LOWEST <= value <= _HIGHEST:
        raise WrongValue(f"{quoted(value)} is not a number of 32 bits")
    return value


def read_name(value: object) -> Value:
    """A port or a port name: a number, a symbol, or one of ``KNOWN_WORDS``; null is as ``NULL``."""
    if value is None:
        return NULL
    if isinstance(value, Symbol):
        return value
    if not isinstance(value, str):
        return read_integer(value, "a port name (a symbol, a well-known word or a number)") & 0xFFFFFFFF
    known = KNOWN_WORDS.get(value)
    if known is not None:
        return known
    of_task = _OF_TASK.fullmatch(value)
    if of_task and of_task[1] in ("mach_task_self", "task_self"):
        return TaskPort(of_task[2])
    if is_identifier(value):
        return Symbol(value)
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", value):
        return int(value, 16)
    raise NotModelled(f"{quoted(value)} is not modelled as a port name")


def read_enumerated(kind: type[IntEnum], prefixes: tuple[str, ...], expected: str) -> Callable[[object], int]:
    """A reader of numbers that have names, with or without one of ``prefixes``."""

    def read(value: object) -> int:
        if isinstance(value, Symbol):
            value = value.name
        if not isinstance(value, str):
            return read_integer(value, expected)
        bare = next((value.removeprefix(prefix) for prefix in prefixes if value.startswith(prefix)), value)
        if bare not in kind.__members__:
            raise NotModelled(f"{quoted(value)} is not {expected} that sendright models")
        return int(kind[bare])

    return read


read_right = read_enumerated(Right, ("MACH_PORT_RIGHT_",), "a kind of right (RECEIVE, SEND, …)")
read_inheritance = read_enumerated(Inheritance, ("VM_INHERIT_",), "an inheritance (SHARE, COPY, NONE)")
read_behaviour = read_enumerated(Behaviour, ("EXCEPTION_",), "a behaviour (EXCEPTION_DEFAULT, …)")
_read_attributes = read_enumerated(PortAttributes, ("MACH_PORT_",), "a set of attributes (MACH_PORT_LIMITS_INFO, …)")
_read_host_port = read_enumerated(HostPort, (), "a special port of the host (HOST_IO_MASTER_PORT, …)")
_read_notification = read_enumerated(Notification, ("MACH_NOTIFY_",), "a notification (MACH_NOTIFY_NO_SENDERS, …)")
_read_copy_option = read_enumerated(CopyOption, ("MACH_MSG_",), "a copy option (PHYSICAL, VIRTUAL)")
_read_sent_form = read_enumerated(Disposition, ("MACH_MSG_TYPE_",), "a disposition (MOVE_SEND, MAKE_SEND_ONCE, …)")


def read_disposition(value: object) -> int:
    """``MOVE_SEND`` and its like; ``PORT_SEND`` is the same number."""
    if isinstance(value, str):
        value = re.sub(r"^(MACH_MSG_TYPE_)?PORT_(?=SEND$|RECEIVE$|SEND_ONCE$)", "MOVE_", value)
    return _read_sent_form(value)


def read_notification(value: object) -> int:
    """``MACH_NOTIFY_NO_SENDERS`` and its like, in capitals or not."""
    return _read_notification(value.upper().replace("-", "_") if isinstance(value, str) else value)


def read_requested(value: object) -> int:
    """A notification that a task can request. Later kernels have kinds that aren't modelled."""
    id = read_notification(value)
    if isinstance(value, str) and id == Notification.SEND_POSSIBLE:
        raise NotModelled(f"{quoted(value)} can't be requested in the kernels that sendright models")
    return id


def read_host_port(value: object) -> int:
    """``HOST_PRIV_PORT`` and its like, or a number."""
    return _read_host_port(value.removesuffix("_PORT") if isinstance(value, str) else value)


def read_exception_mask(value: object) -> int:
    """Names of masks, together in one string or in an array, or a number."""
    names = value.split("|") if isinstance(value, str) else value
    if not isinstance(names, list):
        return read_integer(value, "an exception mask (EXC_MASK_ALL, …)")
    mask = 0
    for name in names:
        if not isinstance(name, str):
            raise wrong("an array of exception masks", value)
        bare = f"EXC_MASK_{name.strip().removeprefix('EXC_').removeprefix('MASK_')}"
        if bare not in EXCEPTION_MASKS:
            raise NotModelled(f"{quoted(name)} is not an exception mask that sendright models")
        mask |= EXCEPTION_MASKS[bare]
    return mask


def read_thread_state(value: object) -> int:
    """A flavour of thread state: a number, since its names have different numbers on different machines."""
    if isinstance(value, str):
        raise NotModelled(f"{quoted(value)} has different numbers on different machines: write the number")
    return read_integer(value, "a flavour of thread state")


def read_limits(value: object) -> Value:
    """The words of ``mach_port_limits``: ``{"qlimit": 3}``, ``[3]`` or 3."""
    if isinstance(value, dict):
        bare = {key.removeprefix("mpl_"): each for key, each in value.items()}
        if len(value) != 1 or "qlimit" not in bare:
            raise NotModelled(f"limits {quoted(value)} are not just a qlimit")
        value = [bare["qlimit"]]
    return read_each(read_number)(value if isinstance(value, list) else [value])


def read_number(value: object) -> Value:
    """A number, one of Mach's constants (plus or minus something), ``pid(B)``, or a symbol."""
    if isinstance(value, Symbol):
        return value
    if not isinstance(value, str):
        return read_integer(value)
    constant = _CONSTANT.fullmatch(value)
    if constant:
        offset = int(f"{constant[2] or '+'}{constant[3] or 0}")
        if constant[1] in _LIMITS:
            return Limit(offset, _LIMITS[constant[1]])
        if constant[1] in _CONSTANTS:
            return _CONSTANTS[constant[1]] + offset
    of_task = _OF_TASK.fullmatch(value)
    if of_task and of_task[1] == "pid":
        return TokenOf("pid", of_task[2])
    if is_identifier(value) and not constant:
        return Symbol(value)
    raise NotModelled(f"{quoted(value)} is not a number that sendright models")


def read_constant(value: object) -> Value:
    """A flavour: a number or the name of one."""
    if isinstance(value, str) and value not in _CONSTANTS:
        raise NotModelled(f"{quoted(value)} is not a flavour that sendright models")
    return read_number(value)


def read_selector(value: object) -> Value:
    """Which special port: a number, or a name such as ``TASK_BOOTSTRAP_PORT``, whose number depends on the profile."""
    if not isinstance(value, str):
        return read_integer(value, "a special port (TASK_BOOTSTRAP_PORT, …)")
    place = _SPECIAL_PORTS.get(value.removeprefix("TASK_").removesuffix("_PORT"))
    if place is None:
        raise NotModelled(f"{quoted(value)} is not a special port that sendright models")
    return SpecialPort(place, value)


def read_boolean(value: object) -> bool:
    """true, false, 1, 0 or their C names."""
    if isinstance(value, str) and value.upper() in ("TRUE", "FALSE"):
        return value.upper() == "TRUE"
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise wrong("true or false", value)


def read_token(words: int) -> Callable[[object], Value]:
    """A reader of tokens with this number of ``words``: a list, or the token of a task."""

    def read(value: object) -> Value:
        if isinstance(value, Symbol):
            return value
        if isinstance(value, str):
            of_task = _OF_TASK.fullmatch(value)
            if of_task and of_task[1] == ("security_token" if words == SECURITY_TOKEN_WORDS else "audit_token"):
                return TokenOf(of_task[1], of_task[2])
            if is_identifier(value):
                return Symbol(value)
            raise NotModelled(f"{quoted(value)} is not a token that sendright models")
        if not isinstance(value, list):
            raise wrong(f"a token of {words} numbers", value)
        if len(value) != words:
            raise WrongValue(f"expected a token of {words} numbers, got {len(value)}")
        read_words = read_each(read_number)(value)
        assert isinstance(read_words, tuple)
        return tuple(word & 0xFFFFFFFF if isinstance(word, int) else word for word in read_words)

    return read


def read_each(read: Callable[[object], Value]) -> Callable[[object], Value]:
    """A reader of arrays whose elements ``read`` reads; null and ``NULL`` are the empty array."""

    def read_array(value: object) -> Value:
        if value is None or value == "NULL":
            return ()
        if not isinstance(value, list):
            raise wrong("an array", value)
        elements: list[Value] = []
        for index, element in enumerate(value):
            try:
                elements.append(read(element))
            except WrongValue as error:
                raise WrongValue(str(error), f"[{index}]{error.place}") from None
        return tuple(elements)

    return read_array


_DESCRIPTOR_KEYS = {
    "port": "name",
    "ports": "names",
    "ool_ports": "names",
    "disp": "disposition",
    "address": "page",
    "copy_option": "copy",
}
"""Alternative keys of descriptors -> the keys that ``read_descriptor`` uses."""


def read_descriptor(value: object) -> Value:
    """A descriptor of a message: ``["p", "MOVE_SEND"]`` or ``{"name": "p", "disposition": "MOVE_SEND"}`` for a port;
    ``[["p", "q"], "MOVE_SEND"]`` or ``{"names": ["p", "q"], "disposition": "MOVE_SEND"}`` for an array; ``{"page":
    1, "copy": "VIRTUAL", "deallocate": true}`` for memory."""
    if isinstance(value, dict):
        given = {_DESCRIPTOR_KEYS.get(key, key): each for key, each in value.items()}
        if "page" in given and given.keys() <= {"page", "copy", "deallocate"} and len(given) == len(value):
            copied = given.get("copy", int(CopyOption.PHYSICAL))
            return (read_number(given["page"]), _read_copy_option(copied), read_boolean(given.get("deallocate", False)))
        if given.keys() in ({"name", "disposition"}, {"names", "disposition"}) and len(value) == 2:
            value = [given.get("name", given.get("names")), given["disposition"]]
        else:
            raise NotModelled(f"descriptor {quoted(value)} is not a port, an array of ports or a page of memory")
    if isinstance(value, str):
        raise NotModelled(f"descriptor {quoted(value)} has no disposition")
    if not isinstance(value, list) or len(value) != 2:
        raise wrong("a descriptor: [name, disposition]", value)
    if isinstance(value[0], list):
        return (read_each(read_name)(value[0]), read_disposition(value[1]))
    return (read_name(value[0]), read_disposition(value[1]))


def read_trailer_elements(value: object) -> int:
    """``MACH_RCV_TRAILER_SENDER`` and its like, or the number of the highest element."""
    if not isinstance(value, str):
        return read_integer(value, "an element of a trailer (MACH_RCV_TRAILER_SENDER, …)")
    bare = value.removeprefix("MACH_RCV_").removeprefix("TRAILER_")
    if bare not in TRAILER_ELEMENTS:
        raise NotModelled(f"{quoted(value)} is not an element of a trailer that sendright models")
    return TRAILER_ELEMENTS[bare]


_READERS: dict[ArgumentType, Callable[[object], Value]] = {
    ArgumentType.PORT: read_name,
    ArgumentType.PORTS: read_each(read_name),
    ArgumentType.RIGHT_NAME: read_name,
    ArgumentType.NAME: read_name,
    ArgumentType.RIGHT: read_right,
    ArgumentType.DISPOSITION: read_disposition,
    ArgumentType.DELTA: read_number,
    ArgumentType.SECURITY_TOKEN: read_token(SECURITY_TOKEN_WORDS),
    ArgumentType.AUDIT_TOKEN: read_token(AUDIT_TOKEN_WORDS),
    ArgumentType.BOOLEAN: read_boolean,
    ArgumentType.SELECTOR: read_selector,
    ArgumentType.FLAVOUR: read_constant,
    ArgumentType.COUNT: read_number,
    ArgumentType.PAGE: read_number,
    ArgumentType.INHERITANCE: read_inheritance,
    ArgumentType.WORD: read_number,
    ArgumentType.MESSAGE_ID: read_number,
    ArgumentType.DESCRIPTORS: read_each(read_descriptor),
    ArgumentType.SIZE: read_number,
    ArgumentType.TRAILER: read_trailer_elements,
    ArgumentType.COUNTER: read_number,
    ArgumentType.ATTRIBUTES: _read_attributes,
    ArgumentType.LIMITS: read_limits,
    ArgumentType.NOTIFICATION: read_requested,
    ArgumentType.EXCEPTION_MASK: read_exception_mask,
    ArgumentType.BEHAVIOUR: read_behaviour,
    ArgumentType.STATE_FLAVOUR: read_thread_state,
    ArgumentType.HOST_SELECTOR: read_host_port,
    ArgumentType.AMOUNT: read_number,
    ArgumentType.GUARD: read_number,
    ArgumentType.QUEUE_LIMIT: read_number,
}


def read_argument(argument: Argument, value: object) -> Value:
    """Read ``value`` as the value of ``argument``. Raises WrongValue, NotModelled."""
    return _READERS[argument.type](value)
