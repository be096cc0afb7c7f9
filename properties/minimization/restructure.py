"""Changes of a run's structure, for the minimizer: what its local reductions can't reach, because several things have
to change together.

A helper's right may come from boot, or from another call of the run. A task may not be needed if another one makes its
calls: then callers, targets and names change together. A call that takes no arguments may give the same right that two
others gave. Two calls may be needless only together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from msgspec.structs import replace

from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType
from sendright.properties.minimization.simplify import SIMPLE_DISPOSITIONS
from sendright.properties.minimization.symbolic_calls import NAMES, Name, ResultRef, SymbolicCall, names_in, with_names

Calls = list[SymbolicCall]
MOST_CALLS = 12
"""Runs of more calls are first made shorter in other ways than by other arguments."""
MOST_NAMES = 16
"""Names of the boot state that are tried in the place of a call's result."""


def traps(profile: Profile) -> tuple[tuple[str, str], ...]:
    """The calls of a profile that need no arguments and give a right, each with the output that names it."""
    return tuple(
        (name, output.name)
        for name, signature in SIGNATURES.items()
        if profile.serves(name) and not any(argument.required for argument in signature.arguments)
        for output in signature.outputs
        if output.type is OutputType.PORT
    )


def shorter(calls: Calls, boot_names: Sequence[int], simple: Sequence[tuple[str, str]]) -> Iterator[Calls]:
    """Runs with fewer calls than ``calls``, whose last call stays. ``boot_names``: names that the first task has at
    boot; ``simple``: ``traps``."""
    yield from _without_a_source(calls, boot_names)
    yield from _without_two(calls)
    for changed in _with_traps(calls, simple):
        yield from _without_a_source(changed, ())
        for at in range(len(changed) - 1):
            yield changed[:at] + changed[at + 1 :]
    if len(calls) <= MOST_CALLS:
        for at in range(len(calls) - 1):
            yield from _with_another_argument(calls[:at] + calls[at + 1 :], boot_names)


def plainer(calls: Calls, boot_names: Sequence[int], simple: Sequence[tuple[str, str]]) -> Iterator[Calls]:
    """Runs of as many calls, in which an earlier task makes one of them, or fewer tasks are made."""
    yield from _with_traps(calls, simple)
    callers = sorted({call.caller for call in calls})
    for at, call in enumerate(calls):
        for caller in callers:
            if caller < call.caller:
                yield from ([*calls[:at], moved, *calls[at + 1 :]] for moved in _moved(call, caller, _sources(calls[:at], boot_names)))


def _moved(call: SymbolicCall, caller: int, names: Sequence[Name]) -> Iterator[SymbolicCall]:
    """``call`` made by ``caller``, which calls the target something else."""
    other = replace(call, caller=caller)
    yield other
    target = SIGNATURES[call.name].target
    if target in call.arguments:
        yield from (replace(other, arguments={**call.arguments, target: name}) for name in names)
    for argument, value in call.arguments.items():
        if argument != target and SIGNATURES[call.name].argument(argument).type in NAMES[:1]:
            yield from (replace(other, arguments={**call.arguments, argument: name}) for name in names if name != value)


def _sources(calls: Calls, boot_names: Sequence[int]) -> list[Name]:
    """What may stand for a name: those of boot, and the results of ``calls``."""
    results: list[Name] = []
    for call in calls:
        results += [
            ResultRef(call.number, output.name, 0, -1)
            for output in SIGNATURES[call.name].outputs
            if output.type in (OutputType.PORT, OutputType.NAME)
        ]
    return [*boot_names, *results]


def _without_a_source(calls: Calls, boot_names: Sequence[int]) -> Iterator[Calls]:
    """Leave out a call; something else stands for its results, and if it made a task, another task makes its calls."""
    for at, gone in enumerate(calls[:-1]):
        rest = calls[:at] + calls[at + 1 :]
        used = {name for call in rest for name in names_in(call) if isinstance(name, ResultRef) and name.call == gone.number}
        callers = sorted({call.caller for call in rest} - {gone.creates}) if any(call.caller == gone.creates for call in rest) else []
        if not used and not callers:
            continue
        takers: list[int | None] = [*callers] or [None]
        for caller in takers:
            made = [replace(call, caller=caller) if caller is not None and call.caller == gone.creates else call for call in rest]
            for name in _sources(rest, boot_names) if used else [0]:
                yield [with_names(call, _instead_of({gone.number}, name)) for call in made]


def _with_another_argument(calls: Calls, boot_names: Sequence[int]) -> Iterator[Calls]:
    """One call gets another name or disposition, which needn't be a simpler one."""
    for at, call in enumerate(calls):
        for argument, value in call.arguments.items():
            kind = SIGNATURES[call.name].argument(argument).type
            others: Sequence[Any] = ()
            if kind in NAMES:
                others = _sources(calls[:at], boot_names)
            elif kind is ArgumentType.DISPOSITION:
                others = SIMPLE_DISPOSITIONS
            for other in others:
                if other != value:
                    yield [*calls[:at], replace(call, arguments={**call.arguments, argument: other}), *calls[at + 1 :]]


def _without_two(calls: Calls) -> Iterator[Calls]:
    for pair in combinations(range(len(calls) - 1), 2):
        yield [call for at, call in enumerate(calls) if at not in pair]


def _with_traps(calls: Calls, simple: Sequence[tuple[str, str]]) -> Iterator[Calls]:
    """In the place of a call that gives a name, one that needs no arguments; if it made a task, its maker or another
    task makes that task's calls."""
    for at, gone in enumerate(calls[:-1]):
        rest = calls[at + 1 :]
        if not any(isinstance(name, ResultRef) and name.call == gone.number for call in rest for name in names_in(call)):
            continue
        for name, output in simple:
            if name == gone.name:
                continue
            trap = SymbolicCall(gone.number, gone.caller, name, {})
            renamed = [with_names(call, _instead_of({gone.number}, ResultRef(gone.number, output, 0, -1))) for call in rest]
            yield [*calls[:at], trap, *[replace(call, caller=gone.caller) if call.caller == gone.creates else call for call in renamed]]


def _instead_of(gone: set[int], name: Name) -> Callable[[Name], Name]:
    return lambda each: name if isinstance(each, ResultRef) and each.call in gone else each
