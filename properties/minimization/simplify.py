"""Simplifications of one call, for the minimizer. Each is strictly simpler, so minimizing terminates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from sendright.mach.abi.descriptors import CopyOption, is_array, is_memory
from sendright.mach.abi.rights import Disposition
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType
from sendright.properties.minimization.symbolic_calls import NAMES, Name, ResultRef, SymbolicCall, names_in, with_names

SIMPLE_DISPOSITIONS = (Disposition.COPY_SEND, Disposition.MAKE_SEND, Disposition.MOVE_SEND, Disposition.MAKE_SEND_ONCE, Disposition.MOVE_SEND_ONCE)
"""The simplest first; all other dispositions are less simple."""
PLAIN_TOKENS: dict[ArgumentType, tuple[int, ...]] = {ArgumentType.SECURITY_TOKEN: (0, 0), ArgumentType.AUDIT_TOKEN: (0,) * 8}


def simpler(call: SymbolicCall, names: Sequence[ResultRef]) -> Iterator[SymbolicCall]:
    """Versions of ``call`` with one simplification, the simplest first. ``names``: results of earlier calls, the
    earliest first."""
    for shortage in _lower_numbers(call.shortage):
        yield msgspec.structs.replace(call, shortage=shortage)
    if call.stop:
        yield msgspec.structs.replace(call, stop=False)
    signature = SIGNATURES[call.name]
    for name, value in call.arguments.items():
        for plainer in _simpler_values(signature.argument(name), value, names):
            yield msgspec.structs.replace(call, arguments={**call.arguments, name: plainer})


def _simpler_values(argument: Argument, value: Any, names: Sequence[ResultRef]) -> Iterator[Any]:
    kind = argument.type
    names = [name for name in names if (name.output == "pid") is (kind is ArgumentType.PID)]
    if kind in (ArgumentType.PORTS, ArgumentType.DESCRIPTORS):
        yield from _simpler_arrays(kind, value, names)
    elif kind in NAMES or isinstance(value, ResultRef):
        yield from _simpler_names(value, names)
    elif kind in PLAIN_TOKENS:
        if value != PLAIN_TOKENS[kind]:
            yield PLAIN_TOKENS[kind]
    elif kind is ArgumentType.BOOLEAN:
        if value:
            yield False
    elif kind is ArgumentType.DISPOSITION:
        yield from _simpler_dispositions(value)
    elif kind is ArgumentType.LIMITS:
        yield from (value[:index] + value[index + 1 :] for index in range(len(value)))
        yield from ((*value[:index], lower, *value[index + 1 :]) for index in range(len(value)) for lower in _lower_numbers(value[index]))
    elif kind is ArgumentType.EXCEPTION_MASK and value > 0:
        yield from (value & ~(1 << bit) for bit in range(value.bit_length()) if value >> bit & 1)
    elif kind in (ArgumentType.SIZE, ArgumentType.TRAILER, ArgumentType.QUEUE_LIMIT):
        if value != argument.default:
            yield argument.default
    elif kind is ArgumentType.COUNTER:
        yield from (lower for lower in _lower_numbers(value) if lower >= 0)
    else:
        yield from _lower_numbers(value)


def _simpler_arrays(kind: ArgumentType, value: tuple[Any, ...], names: Sequence[ResultRef]) -> Iterator[tuple[Any, ...]]:
    for index in range(len(value)):
        yield (*value[:index], *value[index + 1 :])
    for index, element in enumerate(value):
        plainer = _simpler_names(element, names) if kind is ArgumentType.PORTS else _simpler_descriptors(element, names)
        yield from ((*value[:index], plain, *value[index + 1 :]) for plain in plainer)


def _simpler_descriptors(descriptor: tuple[Any, ...], names: Sequence[ResultRef]) -> Iterator[tuple[Any, ...]]:
    """A port is simpler than an array. The simplest page has address 0, is copied, and isn't deallocated."""
    if is_memory(descriptor):
        page, copied, gone = descriptor
        if gone:
            yield page, copied, False
        if copied != CopyOption.PHYSICAL:
            yield page, int(CopyOption.PHYSICAL), gone
        yield from ((lower, copied, gone) for lower in _lower_numbers(page))
        return
    name, disposition = descriptor
    if is_array(descriptor):
        yield from ((one, disposition) for one in name)
        yield from ((shorter, disposition) for shorter in _simpler_arrays(ArgumentType.PORTS, name, names))
        yield from ((name, how) for how in _simpler_dispositions(disposition))
        return
    yield from ((plain, disposition) for plain in _simpler_names(name, names))
    yield from ((name, how) for how in _simpler_dispositions(disposition))


def _simpler_names(name: Name, names: Sequence[ResultRef]) -> Iterator[Name]:
    """A number is simpler than a call's result, and an earlier call's result is simpler than a later one's."""
    if isinstance(name, ResultRef):
        yield from (0, 1, 2, 3, 4, 5)
        yield from (other for other in names if (other.call, other.output, other.index) < (name.call, name.output, name.index))
    else:
        yield from _lower_numbers(name)


def _simpler_dispositions(disposition: int) -> Iterator[int]:
    rank = SIMPLE_DISPOSITIONS.index(Disposition(disposition)) if disposition in SIMPLE_DISPOSITIONS else len(SIMPLE_DISPOSITIONS)
    yield from (int(how) for how in SIMPLE_DISPOSITIONS[:rank])


def _lower_numbers(number: int) -> Iterator[int]:
    """Numbers closer to 0, and positive instead of negative ones."""
    if number < 0:
        yield -number
    seen = {number}
    for lower in (0, 1, -1, 2, number // 2, number - 1 if number > 0 else number + 1):
        if lower not in seen and (abs(lower), lower < 0) < (abs(number), number < 0):
            seen.add(lower)
            yield lower


def with_lower_literals(calls: Sequence[SymbolicCall]) -> Iterator[list[SymbolicCall]]:
    """``calls`` with a number that is used as a name replaced everywhere by a lower one."""
    literals = sorted({name for call in calls for name in names_in(call) if isinstance(name, int)}, reverse=True)
    for literal in literals:
        for lower in range(1, min(literal, 16)):
            renamed = _renamed(literal, lower)
            yield [with_names(call, renamed) for call in calls]


def _renamed(old: int, new: int) -> Callable[[Name], Name]:
    return lambda name: new if isinstance(name, int) and name == old else name
