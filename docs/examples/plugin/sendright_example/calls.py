"""A call: its signature, its rule, and the reference kernel's code, the last two written apart from each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import z3

from sendright.impl.reference.calls.names import entry_of, space_of
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures.signature import NAME, Output, OutputType, on_task
from sendright.model.calls.entry import Entry, on_space
from sendright.model.language.evidence import decided
from sendright.model.language.rule import Case, Context
from sendright.model.language.terms import Name
from sendright_example.plugin import plugin


def looks_at_once(profile: Profile) -> bool:
    """Kernels in which a name whose port has died is a dead name at once."""
    return not profile.dead_names_are_lazy


plugin.call(
    on_task(
        "mach_port_is_dead",
        "Say whether a name is a dead name.",
        "example",
        NAME,
        outputs=(Output("dead", OutputType.REFERENCES, "1 for a dead name, else 0"),),
    ),
    applies=looks_at_once,
)


@plugin.rule(evidence=decided("This call is an example: no kernel has it."))
def mach_port_is_dead(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Say whether a name is a dead name."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.unknown)
    # REPLY
    yield k.succeeds("a dead name", e.is_dead, dead=z3.IntVal(1))
    yield k.succeeds("any other name", k.otherwise(z3.Not(e.is_dead)), dead=z3.IntVal(0))


@plugin.code("mach_port_is_dead")
def is_dead(kernel: Any, caller: Task, task: Task | None, name: int) -> Result:
    """Say whether ``name`` is a dead name. KERN_INVALID_TASK, KERN_INVALID_NAME."""
    entry = entry_of(space_of(task), name)
    return Result(ReturnCode.KERN_SUCCESS, {"dead": int(entry.kind is SlotKind.DEAD_NAME)})


plugin.witnesses(Path(__file__).with_name("witnesses.json"))
