"""The meanings of values in scripts: numbers, and values that only a running case can turn into numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import TypeAlias

import msgspec

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.state.boot import WELL_KNOWN_PORTS


class Symbol(msgspec.Struct, frozen=True):
    """A name that an earlier step bound, or a task."""

    name: str


class WellKnown(msgspec.Struct, frozen=True):
    """A port that every kernel has, or that the caller can make: see ``KNOWN_WORDS``."""

    word: str


class TaskPort(msgspec.Struct, frozen=True):
    """``mach_task_self(A)``: the port of a task; None: of the caller."""

    task: str | None


AUDIT_WORDS = ("auid", "euid", "egid", "ruid", "rgid", "pid", "asid", "pidversion")
"""The words of an audit token, in their order (``audit_token_to_pid`` and its like in ``bsm/libbsm.h``)."""


class TokenOf(msgspec.Struct, frozen=True):
    """``security_token(P)``, ``audit_token(A)``; with a word's ``index``: ``pid(B)``."""

    kind: str
    task: str
    index: int | None = None


class Limit(msgspec.Struct, frozen=True):
    """``MACH_PORT_UREFS_MAX`` or another limit of the profile, plus ``offset``."""

    offset: int
    field: str = "urefs_max"


Value: TypeAlias = "int | bool | Symbol | WellKnown | TaskPort | TokenOf | Limit | tuple[Value, ...]"


class Words(msgspec.Struct, frozen=True):
    """Some words of a token, or of what a call tells: (position, expected value) each."""

    pairs: tuple[tuple[int, Value], ...]


NULL = WellKnown("NULL")
VALID = WellKnown("valid")
USER_PORT = WellKnown("a user port")
DEAD_PORT = WellKnown("dead port")
HOST_SELF = WellKnown("mach_host_self")

KNOWN_WORDS: dict[str, int | WellKnown | TaskPort] = {
    **{word: WellKnown(word) for word in WELL_KNOWN_PORTS},
    "host port": WellKnown("host"),
    "host priv port": WellKnown("host_priv"),
    "host security port": WellKnown("host_security"),
    "device master": WellKnown("device_priv"),
    "valid": VALID,
    "a user port": USER_PORT,
    "user port": USER_PORT,
    "dead port": DEAD_PORT,
    "a dead port": DEAD_PORT,
    "dead name": DEAD_PORT,
    "a dead name": DEAD_PORT,
    "mach_host_self": HOST_SELF,
    "mach_host_self()": HOST_SELF,
    "mach_task_self": TaskPort(None),
    "mach_task_self()": TaskPort(None),
    "mach_task_self_": TaskPort(None),
    "NULL": NULL,
    "TASK_NULL": NULL,
    "HOST_NULL": NULL,
    "LEDGER_NULL": NULL,
    "MACH_PORT_NULL": NULL_NAME,
    "MACH_PORT_NAME_NULL": NULL_NAME,
    "MACH_PORT_DEAD": DEAD_NAME,
    "MACH_PORT_NAME_DEAD": DEAD_NAME,
}
"""Words that mean a port or a name without a binding."""

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TASK_LETTER = re.compile(r"[A-Z]\d*", re.ASCII)
_MACH_WORD = re.compile(r"(mach|task|host|thread|ipc|vm|kern|mig|exc|ip|io|bootstrap)_\w+|task\d*", re.ASCII | re.IGNORECASE)


def is_identifier(text: str) -> bool:
    """Whether ``text`` has the form of a symbol."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_task_letter(text: str) -> bool:
    """Whether ``text`` means a task without a binding: a capital letter, optionally with a number."""
    return _TASK_LETTER.fullmatch(text) is not None


def is_mach_word(text: str) -> bool:
    """Whether ``text`` looks like a word of Mach's (``mach_thread_self``, ``TASK_ACCESS_PORT``) and not like a
    symbol."""
    return _MACH_WORD.fullmatch(text) is not None


def mark_symbols(value: object, bound: Set[str]) -> object:
    """``value`` from a JSON file, with a Symbol for each string that an earlier step bound, even if it has another
    meaning."""
    if isinstance(value, str):
        return Symbol(value) if value in bound else value
    if isinstance(value, list):
        return [mark_symbols(element, bound) for element in value]
    if isinstance(value, dict):
        return {key: mark_symbols(element, bound) for key, element in value.items()}
    return value


def symbols_in(value: object) -> Iterator[str]:
    """The symbols and tasks that ``value`` refers to."""
    if isinstance(value, Symbol):
        yield value.name
    elif isinstance(value, TokenOf) or (isinstance(value, TaskPort) and value.task is not None):
        yield str(value.task)
    elif isinstance(value, tuple | Words):
        for element in value.pairs if isinstance(value, Words) else value:
            yield from symbols_in(element)
