"""Looks at names whose ports have died.

In XNU 11417 a port's death leaves the names of its send and send-once rights as they are. Such a name becomes a dead
name when a call looks at it (``ipc_right_check`` in ``ipc/ipc_right.c``). Most calls look: at the right to their
target, at other rights in their request, at a name of their target's. They do so before their own rules run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import z3

from sendright.mach.abi.rights import NULL_NAME, Disposition, PortObject, Right
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.model.language.evidence import ran, read, rests_on
from sendright.model.language.rule import ANY_RIGHT, LOOK, LOOK_AT_NAME, LOOK_AT_RIGHT, Case, Context, rule
from sendright.model.language.sequences import Run, run
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Int, Name

LOOKING = (Disposition.MOVE_SEND, Disposition.MOVE_SEND_ONCE, Disposition.COPY_SEND)
"""The dispositions with which a kernel looks whether a send or send-once right is alive."""

_SEEN = rests_on(
    xnu=read("ipc/ipc_right.c: ipc_right_check")
    + ran(
        "XNU 11417's own code made a name dead when a call looked at it, and left it as it was when none did.",
        "the name's port has died: it is a dead name from now on",
        "nothing changes",
    )
)


def _is_lazy(profile: Profile) -> bool:
    return profile.dead_names_are_lazy


def _looks(k: Context, entry: Term, when: Term) -> Iterator[Case]:
    """The entry's name is looked at, if ``when``."""

    def see(after: After) -> None:
        k.look_at(after, entry)

    yield k.continues("the name's port has died: it is a dead name from now on", z3.And(when, k.is_unlooked(entry)), see)
    yield k.continues("nothing changes", k.otherwise(z3.Not(z3.And(when, k.is_unlooked(entry)))))


@rule(LOOK, applies=_is_lazy, evidence=_SEEN)
def look(k: Context, name: Name) -> Iterator[Case]:
    """Look at a name of the caller's: the target of a call, or a message's destination.

    A dead name whose request for dead-name has fired gets its reference now. Source: ``ipc_right_check`` in
    ``ipc/ipc_right.c`` of XNU 11417.
    """
    # RIGHTS
    yield from _looks(k, k.slot(name), z3.BoolVal(True))


@rule(LOOK_AT_RIGHT, applies=_is_lazy, evidence=_SEEN)
def look_at_right(k: Context, control: Name, first: Name, second: Name, name: Name) -> Iterator[Case]:
    """Look at a right in a request to ``control``, which is copied in if the target and the rights before it are.

    Source: ``ipc_kmsg_copyin_header`` and ``ipc_kmsg_copyin_body`` in ``ipc/ipc_kmsg.c`` of XNU 11417.
    """
    # NAMES
    copied = z3.And(k.sends(control), k.carriable(first), k.carriable(second))
    # RIGHTS
    yield from _looks(k, k.slot(name), copied)


@rule(LOOK_AT_NAME, applies=_is_lazy, evidence=_SEEN)
def look_at_name(k: Context, control: Name, name: Name, right: Int) -> Iterator[Case]:
    """Look at a name of the task behind ``control``, for this ``right``.

    The right DEAD_NAME looks in any case, another right only if the name was one. Source: ``ipc_right_info``,
    ``ipc_right_dealloc`` and ``ipc_right_delta`` in ``ipc/ipc_right.c`` of XNU 11417.
    """
    # NAMES
    entry = k.slot(name, k.task_behind(control))
    was = k.before.unlooked(entry)
    counted = [z3.And(right == int(Right.SEND), was == KIND.SEND), z3.And(right == int(Right.SEND_ONCE), was == KIND.SEND_ONCE)]
    asked = z3.Or(right == ANY_RIGHT, right == int(Right.DEAD_NAME), *counted)
    # RIGHTS
    yield from _looks(k, entry, z3.And(k.object(control, PortObject.TASK), asked))


Asked = Callable[[Mapping[str, Any], Profile], int | None]
"""For a call's arguments, the right for which it looks at its name; None: it doesn't look."""

_NAMES: dict[str, Asked] = {}


def looks_at_its_name(call: str, asked: Asked) -> None:
    """Declare that ``call`` looks at the name in its target's space that it is about, before its own rules run."""
    _NAMES[call] = asked


def looks_before(call: str, arguments: Mapping[str, Any], profile: Profile) -> Iterator[Run]:
    """The looks of a call before its own rules: at its target, at the rights in its request, at its name.

    A library may count the rights in an array before it makes the request (``register_counts_first``).
    """
    signature = SIGNATURES[call]
    if signature.target is None:
        return
    target, rights = arguments[signature.target], list[Any]()
    for argument in signature.arguments:
        if argument.type is ArgumentType.PORT and argument.name != signature.target:
            rights.append(arguments[argument.name])
        elif argument.type is ArgumentType.PORTS:
            length = arguments[f"{argument.name}_length"]
            if profile.register_counts_first and length > profile.registered_ports:
                return
            rights += map(arguments[argument.name], range(length))
    yield run(LOOK, name=target)
    for index, name in enumerate(rights):
        first, second = (NULL_NAME, NULL_NAME, *rights)[index : index + 2]
        yield run(LOOK_AT_RIGHT, control=target, first=first, second=second, name=name)
    right = _NAMES[call](arguments, profile) if call in _NAMES else None
    if right is not None:
        yield run(LOOK_AT_NAME, control=target, name=arguments["name"], right=right)
