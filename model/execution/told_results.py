"""A rule's outputs as the results of a call.

An output with the name of a result is that result. Terms can't say all: what has no fixed length, or a form of its own,
is said by outputs whose names say how the result is made of them. No call is known by name.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from sendright.mach.abi.rights import NULL_NAME, SlotKind
from sendright.model.execution.system import System


def told_results(system: System, results: Container[str], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What ``outputs`` say of the results with these names."""
    told: dict[str, Any] = {}
    for name, value in outputs.items():
        if name in results:
            told.setdefault(name, SlotKind(value).type_bits if name == "type" else value)
            continue
        whole, dot, part = name.partition(".")
        if dot and whole in results:  # one word of several, which may be left out
            word = (_sets(system, value) if part == "sets_of" else value,)
            told[whole] = told.get(whole, ()) + (word if outputs.get(f"told.{part}", True) else ())
        elif name.startswith("tells_"):
            if not value:
                told[name.removeprefix("tells_")] = ()
        elif name == "names_of":
            names = system.names(value)
            told |= {"names": tuple(names), "types": tuple(_type(system, value, name, kind) for name, kind in names.items())}
        elif name == "entries_of":
            told |= dict(zip(("names", "types", "urefs"), _columns(system.entries(value)), strict=True))
        elif name == "requests_of":
            told["used"] = len(system.requests_of(value))
        elif name == "count_of":
            told["table_inuse"] = len(system.names(value))
        elif name == "members_of":
            told["members"] = tuple(system.members(value))
        elif name.endswith("_length"):
            told[name.removesuffix("_length")] = ()
    return told


def _columns(entries: Mapping[int, tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Names, their types and their references."""
    kinds = tuple([SlotKind(kind).type_bits for kind, _ in entries.values()])
    return tuple(entries), kinds, tuple([urefs for _, urefs in entries.values()])


def _type(system: System, task: int, name: int, kind: int) -> int:
    """What the list of all names says of one. XNU adds the reference for a notification without regard to the limit: of
    a pegged name it ends up in the lowest bit of the type (``mach_port_names_helper`` in ``ipc/mach_port.c``).
    """
    overflows = SlotKind(kind) is SlotKind.DEAD_NAME and system.adds_a_reference_too_many(task, name)
    return SlotKind(kind).type_bits + (SlotKind.SEND.type_bits if overflows else 0)


def _sets(system: System, port: int) -> int:
    """What is said of the port sets that ``port`` is in: their number, whether there is one, or its name."""
    sets = system.sets_of(port)
    if not system.profile.many_sets:
        return next(iter(sets), NULL_NAME)
    return min(len(sets), 1) if system.profile.set_membership_is_flag else len(sets)
