"""Calls and results in the symbols of Mach's headers: ``disposition = MOVE_SEND``, ``host_security = name 3``."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, code_name
from sendright.mach.abi.descriptors import NO_PAGE, CopyOption, is_array, is_memory
from sendright.mach.abi.port_attributes import FIELDS, PortAttributes
from sendright.mach.abi.rights import (
    DEAD_NAME,
    EXC_MASK_ALL,
    EXCEPTION_PLACES,
    NULL_NAME,
    Behaviour,
    Disposition,
    HostPort,
    Inheritance,
    Notification,
    Right,
    exception_mask,
    exception_places,
)
from sendright.mach.abi.tokens import TASK_AUDIT_TOKEN, TASK_SECURITY_TOKEN
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType
from sendright.mach.state.snapshot import Entry, Slot, entry_in_words
from sendright.mach.state.trace import Step
from sendright.reports.history import USER_PORT, Moment

_ELEMENTS = {0: "its size", 1: "the sequence number", 2: "the security token", 3: "the audit token", 4: "the context", 7: "the labels"}
_AUDIT_WORDS = ("auid", "euid", "egid", "ruid", "rgid", "pid", "asid", "pidversion")


class Named(msgspec.Struct, frozen=True):
    """An argument or a result in words."""

    name: str
    value: str
    gloss: str = ""
    """What a name denotes at that moment; empty for anything else than a name."""


def arguments_in_words(moment: Moment, profile: str) -> tuple[Named, ...]:
    """The arguments of the moment's step in the signature's order. Arguments that the signature lacks come last,
    unchanged."""
    step = _step(moment)
    types = _argument_types(step.call)
    names = sorted(step.arguments, key=lambda name: (list(types).index(name) if name in types else len(types), name))
    return tuple(_argument(moment, profile, name, types.get(name), step.arguments[name]) for name in names)


def outputs_in_words(moment: Moment) -> tuple[Named, ...]:
    """The results of the moment's step."""
    step = _step(moment)
    signature = SIGNATURES.get(step.call)
    types = {output.name: output.type for output in signature.outputs} if signature else {}
    return tuple(_output(moment, name, types.get(name), value) for name, value in step.outputs.items())


def call_line(step: Step, profile: str) -> str:
    """The call and its code on one line: ``t0: mach_port_allocate(task = 6, right = RECEIVE) → KERN_SUCCESS``."""
    return f"t{step.task}: {made_call(step, profile)} → {answer_in_words(step)}{', and waits' if step.code in IN_PROGRESS else ''}"


def made_call(step: Step, profile: str) -> str:
    """The call with its arguments on one line."""
    types = _argument_types(step.call)
    arguments = ", ".join(f"{name} = {_value(types.get(name), value, profile)}" for name, value in step.arguments.items())
    shortage = f" with the kernel's allocation no. {step.shortage} failing" if step.shortage else ""
    stopped = " stopped between its steps" if step.stop else ""
    return f"resumes {step.call}" if step.resume else f"{step.call}({arguments}){shortage}{stopped}"


@cache
def _argument_types(call: str) -> dict[str, ArgumentType]:
    """The types of a call's arguments. Of a rule that calls share: of those parameters that mean one thing in all
    calls.
    """
    if call in SIGNATURES:
        return {argument.name: argument.type for argument in SIGNATURES[call].arguments}
    found: dict[str, set[ArgumentType]] = {}
    for signature in SIGNATURES.values():
        for argument in signature.arguments:
            found.setdefault(argument.name, set()).add(argument.type)
    return {name: next(iter(types)) for name, types in found.items() if len(types) == 1}


def answer_in_words(step: Step) -> str:
    """The name of the call's return code, or ``no answer``."""
    return "no answer" if step.missing == "answer" else code_name(step.code)


def _step(moment: Moment) -> Step:
    if moment.step is None:
        raise ValueError("the start of a run has no call")
    return moment.step


def _argument(moment: Moment, profile: str, name: str, type_: ArgumentType | None, value: Any) -> Named:
    step = _step(moment)
    gloss = ""
    if type_ in (ArgumentType.PORT, ArgumentType.RIGHT_NAME):
        gloss = _denoted(moment, step.task, value)
    elif type_ is ArgumentType.NAME:
        gloss = _denoted(moment, target_task(moment), value)
    elif type_ is ArgumentType.PORTS and isinstance(value, list | tuple):
        gloss = "; ".join(_denoted(moment, step.task, one) or "nothing" for one in value)
    elif type_ is ArgumentType.DESCRIPTORS and isinstance(value, list | tuple):
        gloss = "; ".join(_denoted(moment, step.task, one) or "nothing" for one in _names_in(value))
    return Named(name, _argument_value(name, type_, value, profile), gloss)


def _names_in(descriptors: Any) -> Iterator[Any]:
    """The names in ``descriptors``, which may be malformed."""
    for one in descriptors:
        if isinstance(one, list | tuple) and one and not is_memory(one):
            yield from one[0] if is_array(one) else (one[0],)


def _argument_value(name: str, type_: ArgumentType | None, value: Any, profile: str) -> str:
    if type_ is ArgumentType.SIZE and value == -1:
        return "no limit" if name == "limit" else "the message's own size"
    return _value(type_, value, profile)


def target_task(moment: Moment) -> int | None:
    """The task in whose space the step's names denote: its ``task`` argument, or the caller if it has none. None:
    not known."""
    step = _step(moment)
    signature = SIGNATURES.get(step.call)
    if signature is None or signature.target != "task":
        return step.task
    entry = _entry(moment.before, step.task, step.arguments.get("task"))
    words = moment.ports.get(entry.port, "") if entry and entry.port is not None else ""
    return int(words.removeprefix("task t")) if words.startswith("task t") else None


def _entry(slots: Any, task: int | None, name: Any) -> Any:
    return slots.get(Slot("name", task, name)) if task is not None and isinstance(name, int) else None


def _denoted(moment: Moment, task: int | None, name: Any, after: bool = False) -> str:
    """What ``name`` denotes in the space of ``task``; empty for a reserved name, or if the space isn't known."""
    if task is None or not isinstance(name, int) or name in (NULL_NAME, DEAD_NAME):
        return ""
    entry = _entry(moment.after if after else moment.before, task, name)
    if entry is None:
        return f"denotes nothing in t{task}'s space"
    return f"{right_in_words(entry, moment)}{'' if entry.port is None or _stands_for(entry, moment) else f' ({USER_PORT})'}"


def right_in_words(entry: Entry, moment: Moment) -> str:
    """``entry`` for readers, with what its port stands for: "send right to port 7, 1 user reference (task t0)"."""
    what = _stands_for(entry, moment)
    return f"{entry_in_words(entry)} ({what})" if what else entry_in_words(entry)


def _stands_for(entry: Entry, moment: Moment) -> str:
    """The kernel object behind the right's port; empty if there is none."""
    what = "" if entry.port is None else moment.ports.get(entry.port, USER_PORT)
    return "" if what == USER_PORT else what


def _output(moment: Moment, name: str, type_: OutputType | None, value: Any) -> Named:
    step = _step(moment)
    gloss = ""
    if type_ is OutputType.WORDS and isinstance(value, list | tuple):
        return Named(name, _list_of_words(step, name, value))
    if type_ is OutputType.PORT:
        gloss = _denoted(moment, step.task, value, after=True)
    elif type_ is OutputType.NAME:
        gloss = _denoted(moment, target_task(moment), value, after=True)
    elif type_ is OutputType.PORTS and isinstance(value, list | tuple):
        gloss = "; ".join(_denoted(moment, step.task, one, after=True) or "nothing" for one in value)
    elif type_ is OutputType.DESCRIPTORS and isinstance(value, list | tuple):
        gloss = "; ".join(_denoted(moment, step.task, one, after=True) or "nothing" for one in _names_in(value))
    return Named(name, _value(type_, value, ""), gloss)


def _list_of_words(step: Step, name: str, value: Any) -> str:
    """A list of words, whose meaning depends on the call: a token, a port's attributes, exception masks …"""
    try:
        if name == "info":
            fields = FIELDS[step.arguments["flavor"]]
            return ", ".join(f"{field} {word}" for field, word in zip(fields, value, strict=True))
        if name in _WORD_LISTS:
            return "[" + ", ".join(_WORD_LISTS[name](word) for word in value) + "]"
        return _words(value)
    except (KeyError, ValueError, TypeError, IndexError):
        return _plain(value)


def _value(type_: ArgumentType | OutputType | None, value: Any, profile: str) -> str:
    """``value`` in symbols; a value that isn't of its type is written unchanged."""
    write = _WRITERS.get(type_.value) if type_ else None
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        if type_ is ArgumentType.SELECTOR:
            known = PROFILES[profile]
            return f"{(known.flavour_ports.get(value) or known.special_ports[value]).name} ({value})"
        return write(value) if write else _plain(value)
    except (KeyError, ValueError, TypeError, IndexError):
        return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _name(value: Any) -> str:
    if not isinstance(value, int):
        return _plain(value)
    if value in (NULL_NAME, DEAD_NAME):
        return "MACH_PORT_NULL" if value == NULL_NAME else "MACH_PORT_DEAD"
    return f"name {value}" if 0 <= value <= 0xFFFF else f"name {value:#x}"


def _names(values: Any) -> str:
    return "[" + ", ".join(_name(value) for value in values) + "]"


def _member(kind: type[enum.IntEnum]) -> Callable[[Any], str]:
    return lambda value: kind(value).name


def _descriptors(values: Any) -> str:
    return "[" + ", ".join(_descriptor(value) for value in values) + "]"


def _descriptor(value: Any) -> str:
    """A descriptor of a message: a port, an array of ports, or memory."""
    if is_array(value):
        return f"array {_names(value[0])} as {_disposition(value[1])}" if value[0] else "empty array"
    if not is_memory(value):
        return f"{_name(value[0])} as {_disposition(value[1])}"
    if len(value) == 1:
        return f"memory at page {_plain(value[0])}" if value[0] != NO_PAGE else "memory that the receiver had no room for"
    page, copied, deallocated = value
    option = f"{CopyOption(copied).name} copy" if copied in tuple(CopyOption) else f"copy option {_plain(copied)} (invalid)"
    return f"memory at page {_plain(page)} ({option}{', then deallocated' if deallocated else ''})"


def _trailer(value: Any) -> str:
    """The elements of a trailer that a receiver requests: the given one and those before it."""
    return f"{value} (up to {_ELEMENTS[value]})" if value in _ELEMENTS else _plain(value)


def _disposition(value: Any) -> str:
    try:
        return Disposition(value).name
    except ValueError:
        return f"{_plain(value)} (not a disposition)"


def _flavour(value: Any) -> str:
    return {TASK_SECURITY_TOKEN: "TASK_SECURITY_TOKEN", TASK_AUDIT_TOKEN: "TASK_AUDIT_TOKEN"}.get(value, _plain(value))


def _security_token(value: Any) -> str:
    uid, gid = value
    return f"uid {uid}, gid {gid}"


def _audit_token(value: Any) -> str:
    return ", ".join(f"{word} {number}" for word, number in zip(_AUDIT_WORDS, value, strict=True))


def _message_id(value: Any) -> str:
    return f"{value} (MACH_NOTIFY_{Notification(value).name})" if value in tuple(Notification) else _plain(value)


def _host_port(value: Any) -> str:
    return f"{HostPort(value).name}_PORT ({value})" if value in tuple(HostPort) else _plain(value)


def _exception_mask(value: Any) -> str:
    if value == EXC_MASK_ALL:
        return "EXC_MASK_ALL"
    if value & ~exception_mask(len(EXCEPTION_PLACES)):
        return f"{value:#x} (not only exceptions)"
    return " | ".join(place.name for place in exception_places(value)) or "none"


def _limits(value: Any) -> str:
    return ", ".join([f"qlimit {value[0]}", *map(_plain, value[1:])]) if value else "empty"


def _words(value: Any) -> str:
    return _security_token(value) if len(value) == 2 else _audit_token(value)


def _type(value: Any) -> str:
    return " | ".join(_bits(value)) or "no right"


def _bits(value: Any) -> Iterator[str]:
    yield from (right.name for right in Right if value & right.type_bit)


def _types(values: Any) -> str:
    return "[" + ", ".join(_type(value) for value in values) + "]"


def _token(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: write(value) if value else "absent"


_WORD_LISTS: dict[str, Callable[[Any], str]] = {
    "masks": _exception_mask,
    "behaviors": lambda value: Behaviour(value).name if value in tuple(Behaviour) else _plain(value),
    "flavors": _plain,
}
"""How to write the words of these results."""

_WRITERS: dict[str, Callable[[Any], str]] = {
    "port": _name,
    "ports": _names,
    "right-name": _name,
    "name": _name,
    "names": _names,
    "right": _member(Right),
    "disposition": _disposition,
    "delta": lambda value: f"{value:+d}",
    "security-token": _token(_security_token),
    "audit-token": _token(_audit_token),
    "flavour": _flavour,
    "inheritance": _member(Inheritance),
    "descriptors": _descriptors,
    "notification": lambda value: f"MACH_NOTIFY_{Notification(value).name}",
    "message-id": _message_id,
    "attributes": lambda value: f"MACH_PORT_{PortAttributes(value).name}",
    "limits": _limits,
    "exception-mask": _exception_mask,
    "behaviour": lambda value: f"EXCEPTION_{Behaviour(value).name}",
    "host-selector": _host_port,
    "amount": lambda value: "infinite" if value == -1 else _plain(value),
    "type": _type,
    "types": _types,
    "page": lambda value: f"page {value}",
    "size": lambda value: f"{value} byte{'' if value == 1 else 's'}",
    "sequence-number": lambda value: "not requested" if value == -1 else _plain(value),
    "trailer": _trailer,
}
"""How to write a value of each type of the signature table, for arguments and results alike."""
