"""Readers for the values in scripts.

A reader takes a JSON value, and the headers of the profile, and returns a value of ``values.py``. It raises
``WrongValue`` for a value that no script should contain, and ``NotModelled`` for one that may be right but that
sendright doesn't support.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sendright.mach.abi.descriptors import CopyOption
from sendright.mach.abi.headers import Headers
from sendright.mach.abi.rights import Disposition
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS
from sendright.mach.signatures import Argument, ArgumentType
from sendright.mach.signatures.widths import NATURAL, WIDTHS
from sendright.properties.scripts.constants import NoExpression, UnknownConstant, constant, evaluate
from sendright.properties.scripts.values import AUDIT_WORDS, KNOWN_WORDS, NULL, Limit, Symbol, TaskPort, TokenOf, Value, is_identifier


class WrongValue(ValueError):
    """A value that no script may have; the message says what was expected. ``place`` is the place inside it, such as
    ``[1]``."""

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(what)
        self.place = place


class NotModelled(Exception):
    """Possibly right, but sendright doesn't model it; the message says why."""


Reader = Callable[[object, Headers], Any]

_LIMITS = {
    "MACH_PORT_UREFS_MAX": "urefs_max",
    "UREFS_MAX": "urefs_max",
    "MACH_PORT_QLIMIT_DEFAULT": "queue_limit",
    "MACH_PORT_QLIMIT_MAX": "queue_limit_max",
}

_OF_TASK = re.compile(
    r"(?P<kind>mach_task_self|task_self|security_token|audit_token|" + "|".join(AUDIT_WORDS) + r")\(\s*(?P<task>[A-Za-z_]\w*)\s*\)"
    r"(?:\.(?P<field>[a-z]+)|\.?(?:val)?\[(?P<index>\d)\])?",
    re.ASCII,
)
_OF_TOKEN = re.compile(r"audit_token_to_(?P<field>[a-z]+)\(\s*audit_token\(\s*(?P<task>[A-Za-z_]\w*)\s*\)\s*\)", re.ASCII)
_LIMIT = re.compile(r"([A-Z][A-Z0-9_]*)\s*(?:([+-])\s*(\d{1,9}))?", re.ASCII)
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]+", re.ASCII)


def quoted(value: object, limit: int = 40) -> str:
    """``value`` for a message: JSON on one line, as the script has it, shortened to ``limit`` characters."""
    text = msgspec.json.encode(_as_written(value), order="sorted").decode().encode("ascii", "backslashreplace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _as_written(value: object) -> object:
    """``value`` with the text of each symbol."""
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, list):
        return [_as_written(each) for each in value]
    return {key: _as_written(each) for key, each in value.items()} if isinstance(value, dict) else value


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    for kind, word in ((bool, "a boolean"), (int, "a number"), (float, "a fraction"), (str | Symbol, "a string"), (list, "an array")):
        if isinstance(value, kind):
            return word
    return "an object"


def wrong(expected: str, value: object) -> WrongValue:
    """The error for a ``value`` where ``expected`` (in words) belongs."""
    return WrongValue(f"expected {expected}, got {_kind_of(value)}" + (f": {quoted(value)}" if value is not None else ""))


def read_integer(value: object, expected: str = "a number", bits: int = 32) -> int:
    """A whole number of at most this many ``bits``, with or without a sign."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(expected, value)
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise WrongValue(f"{quoted(value)} is not a number of {bits} bits")
    return value


def read_name(value: object, words: Headers) -> Value:
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
    if of_task and of_task["kind"] in ("mach_task_self", "task_self") and not (of_task["field"] or of_task["index"]):
        return TaskPort(of_task["task"])
    if is_identifier(value):
        return Symbol(value)
    try:
        return read_integer(evaluate(value, lambda name: constant(name, words))) & 0xFFFFFFFF
    except (NoExpression, UnknownConstant):
        raise NotModelled(f"{quoted(value)} is not modelled as a port name") from None


def read_constant(
    expected: str,
    prefixes: tuple[str, ...],
    suffixes: tuple[str, ...] = (),
    others: dict[str, int] | None = None,
    means: Callable[[str], str] = str,
) -> Callable[[object, Headers], int]:
    """A reader of numbers that have names, with or without one of ``prefixes`` and ``suffixes``, and of expressions of
    such names. An array is as its elements joined by ``|``.

    A name stands for the constant that ``means`` gives, but in a macro, and as a number of bits to shift, for itself.
    """

    def look_up(name: str, words: Headers) -> int:
        if others is not None and name in others:
            return others[name]
        try:
            return constant(name, words, prefixes, suffixes)
        except UnknownConstant as error:
            raise NotModelled(f"{quoted(name)} is not {expected} that sendright models: it {error}") from None

    def read(value: object, words: Headers) -> int:
        if isinstance(value, Symbol):
            value = value.name
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            value = "|".join(value)
        if not isinstance(value, str):
            return read_integer(value, expected)
        try:
            number = evaluate(value, lambda name: look_up(means(name), words), lambda name: look_up(name, words))
            return read_integer(number, expected)
        except NoExpression as error:
            raise NotModelled(f"{quoted(value)} is not {expected} that sendright models: {error}") from None

    return read


read_right = read_constant("a kind of right (RECEIVE, SEND, …)", ("MACH_PORT_RIGHT_",))
read_inheritance = read_constant("an inheritance (SHARE, COPY, NONE)", ("VM_INHERIT_",))
read_behaviour = read_constant("a behaviour (EXCEPTION_DEFAULT, …)", ("EXCEPTION_", "MACH_EXCEPTION_", "MACH_"))
read_flavour = read_constant("a flavour", ("TASK_", "MACH_"))
read_task_flavour = read_constant("a flavour of a task's port (TASK_FLAVOR_CONTROL, …)", ("TASK_FLAVOR_", "TASK_"))
read_disposition = read_constant("a disposition (MOVE_SEND, MAKE_SEND_ONCE, …)", ("MACH_MSG_TYPE_",), (), {"NONE": int(Disposition.NONE)})
read_host_port = read_constant("a special port of the host (HOST_PRIV_PORT, …)", ("HOST_",), ("_PORT",))
read_selector = read_constant("a special port (TASK_BOOTSTRAP_PORT, …)", ("TASK_",), ("_PORT",))
_read_attributes = read_constant("a set of attributes (MACH_PORT_LIMITS_INFO, …)", ("MACH_PORT_",))
_read_notification = read_constant("a notification (MACH_NOTIFY_NO_SENDERS, …)", ("MACH_NOTIFY_",))
_read_copy_option = read_constant(
    "a copy option (PHYSICAL, VIRTUAL)", ("MACH_MSG_",), ("_COPY",), {option.name: int(option) for option in CopyOption}
)
read_exception_mask = read_constant(
    "an exception mask (EXC_MASK_ALL, …)", ("EXC_MASK_", "EXC_"), means=lambda name: re.sub(r"\AEXC_(?!MASK_)", "EXC_MASK_", name)
)
"""A type's name (``EXC_CRASH``) means its bit, but ``1 << EXC_CRASH`` is that bit, too."""
_read_trailer = read_constant("an element of a trailer (MACH_RCV_TRAILER_SENDER, …)", ("MACH_RCV_TRAILER_", "MACH_RCV_", "MACH_"))
read_thread_state = read_constant("a flavour of thread state (THREAD_STATE_NONE, …)", ())
read_type = read_constant("a kind of right that a name can have (SEND, RECEIVE, …)", ("MACH_PORT_TYPE_",))


def read_notification(value: object, words: Headers) -> int:
    """``MACH_NOTIFY_NO_SENDERS`` and its like, in capitals or not."""
    return _read_notification(value.upper().replace("-", "_") if isinstance(value, str) and "<" not in value else value, words)


def read_limits(value: object, words: Headers) -> Value:
    """The words of ``mach_port_limits``: ``{"qlimit": 3}``, ``[3]`` or 3."""
    if isinstance(value, dict):
        bare = {key.removeprefix("mpl_"): each for key, each in value.items()}
        if len(value) != 1 or "qlimit" not in bare:
            raise NotModelled(f"limits {quoted(value)} are not just a qlimit")
        value = [bare["qlimit"]]
    return read_each(read_number)(value if isinstance(value, list) else [value], words)


def read_token_word(value: str) -> TokenOf | None:
    """``pid(B)``, ``audit_token(B)[5]``, ``audit_token(B).pid``, ``audit_token_to_pid(audit_token(B))``; None: it is
    none of these."""
    match = _OF_TASK.fullmatch(value)
    if match and match["kind"] in AUDIT_WORDS and not (match["field"] or match["index"]):
        return TokenOf("audit_token", match["task"], AUDIT_WORDS.index(match["kind"]))
    if match and match["kind"].endswith("_token") and (match["field"] or match["index"]):
        index = AUDIT_WORDS.index(match["field"]) if match["field"] in AUDIT_WORDS else int(match["index"]) if match["index"] else None
        count = SECURITY_TOKEN_WORDS if match["kind"] == "security_token" else AUDIT_TOKEN_WORDS
        if index is not None and index < count and not (match["field"] and count == SECURITY_TOKEN_WORDS):
            return TokenOf(match["kind"], match["task"], index)
    other = _OF_TOKEN.fullmatch(value)
    if other and other["field"] in AUDIT_WORDS:
        return TokenOf("audit_token", other["task"], AUDIT_WORDS.index(other["field"]))
    return None


def read_number(value: object, words: Headers, bits: int = 32) -> Value:
    """A number, an expression of Mach's constants, a word of a token, or a symbol."""
    if isinstance(value, Symbol):
        return value
    if not isinstance(value, str):
        return read_integer(value, bits=bits)
    limit = _LIMIT.fullmatch(value)
    if limit and limit[1] in _LIMITS:
        return Limit(int(f"{limit[2] or '+'}{limit[3] or 0}"), _LIMITS[limit[1]])
    word = read_token_word(value)
    if word is not None:
        return word
    if is_identifier(value) and not _CAPITALS.fullmatch(value):
        return Symbol(value)
    try:
        return read_integer(evaluate(value, lambda name: constant(name, words)), bits=bits)
    except UnknownConstant as error:
        raise NotModelled(f"{quoted(value)} is not a number that sendright models: it {error}") from None
    except NoExpression as error:
        raise NotModelled(f"{quoted(value)} is not a number that sendright models: {error}") from None


def read_guard(value: object, words: Headers) -> Value:
    """A context or guard: a number of 64 bits."""
    return read_number(value, words, WIDTHS[ArgumentType.GUARD].bits)


def read_boolean(value: object, words: Headers) -> bool:
    """true, false, 1, 0 or their C names."""
    if isinstance(value, str) and value.upper() in ("TRUE", "FALSE"):
        return value.upper() == "TRUE"
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise wrong("true or false", value)


def read_token(count: int) -> Reader:
    """A reader of tokens with this number of words: a list, or the token of a task."""

    def read(value: object, words: Headers) -> Value:
        if isinstance(value, Symbol):
            return value
        if isinstance(value, str):
            of_task = _OF_TASK.fullmatch(value)
            kind = "security_token" if count == SECURITY_TOKEN_WORDS else "audit_token"
            if of_task and of_task["kind"] == kind and not (of_task["field"] or of_task["index"]):
                return TokenOf(kind, of_task["task"])
            if is_identifier(value):
                return Symbol(value)
            raise NotModelled(f"{quoted(value)} is not a token that sendright models")
        if not isinstance(value, list):
            raise wrong(f"a token of {count} numbers", value)
        if len(value) != count:
            raise WrongValue(f"expected a token of {count} numbers, got {len(value)}")
        return unsigned(read_each(read_number)(value, words))

    return read


def unsigned(numbers: Sequence[Value]) -> tuple[Value, ...]:
    """Words of 32 bits without a sign."""
    return tuple([NATURAL.seen(each) if isinstance(each, int) else each for each in numbers])


def read_each(read: Reader) -> Callable[[object, Headers], tuple[Any, ...]]:
    """A reader of arrays whose elements ``read`` reads; null and ``NULL`` are the empty array."""

    def read_array(value: object, words: Headers) -> tuple[Any, ...]:
        if value is None or value == "NULL":
            return ()
        if not isinstance(value, list):
            raise wrong("an array", value)
        elements: list[Any] = []
        for index, element in enumerate(value):
            try:
                elements.append(read(element, words))
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


def read_descriptor(value: object, words: Headers) -> Value:
    """A descriptor of a message: ``["p", "MOVE_SEND"]`` or ``{"name": "p", "disposition": "MOVE_SEND"}`` for a port;
    ``[["p", "q"], "MOVE_SEND"]`` or ``{"names": ["p", "q"], "disposition": "MOVE_SEND"}`` for an array; ``{"page":
    1, "copy": "VIRTUAL", "deallocate": true}`` for memory."""
    if isinstance(value, dict):
        given = {_DESCRIPTOR_KEYS.get(key, key): each for key, each in value.items()}
        if "page" in given and given.keys() <= {"page", "copy", "deallocate"} and len(given) == len(value):
            copied = given.get("copy", int(CopyOption.PHYSICAL))
            return (read_number(given["page"], words), _read_copy_option(copied, words), read_boolean(given.get("deallocate", False), words))
        if given.keys() in ({"name", "disposition"}, {"names", "disposition"}) and len(value) == 2:
            value = [given.get("name", given.get("names")), given["disposition"]]
        else:
            raise NotModelled(f"descriptor {quoted(value)} is not a port, an array of ports or a page of memory")
    if isinstance(value, str):
        raise NotModelled(f"descriptor {quoted(value)} has no disposition")
    if not isinstance(value, list) or len(value) != 2:
        raise wrong("a descriptor: [name, disposition]", value)
    if isinstance(value[0], list):
        return (read_each(read_name)(value[0], words), read_disposition(value[1], words))
    return (read_name(value[0], words), read_disposition(value[1], words))


def read_trailer_elements(value: object, words: Headers) -> int:
    """``MACH_RCV_TRAILER_SENDER`` and its like, several of them (the highest counts), the number of the highest
    element, or the bits of it in ``mach_msg_option_t``."""
    if isinstance(value, str) and "|" in value and "(" not in value:
        value = value.split("|")
    if isinstance(value, list) and value:
        highest: int = max(read_each(read_trailer_elements)([each.strip() if isinstance(each, str) else each for each in value], words))
        return highest
    elements = _read_trailer(value, words)
    return elements >> 24 if elements >> 24 and not elements & ~0xF000000 else elements


_READERS: dict[ArgumentType, Reader] = {
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
    ArgumentType.FLAVOUR: read_flavour,
    ArgumentType.TASK_FLAVOUR: read_task_flavour,
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
    ArgumentType.NOTIFICATION: read_notification,
    ArgumentType.EXCEPTION_MASK: read_exception_mask,
    ArgumentType.BEHAVIOUR: read_behaviour,
    ArgumentType.STATE_FLAVOUR: read_thread_state,
    ArgumentType.HOST_SELECTOR: read_host_port,
    ArgumentType.AMOUNT: read_number,
    ArgumentType.GUARD: read_guard,
    ArgumentType.QUEUE_LIMIT: read_number,
    ArgumentType.USER: read_number,
    ArgumentType.GROUP: read_number,
    ArgumentType.PID: read_number,
    ArgumentType.SESSION: read_number,
    ArgumentType.STATUS: read_number,
}


def read_argument(argument: Argument, value: object, words: Headers) -> Value:
    """Read ``value`` as the value of ``argument``. Raises WrongValue, NotModelled."""
    read: Value = _READERS[argument.type](value, words)
    return read
