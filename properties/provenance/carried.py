"""Which rights a step of a trace carries, and which of its results name rights: read from the declared sequence of its
call.

The values of a trace drive the sequence (``model/language/sequences.py``), whatever they are. A condition that only a
kernel's state decides counts as met: the answer is what may be carried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sendright.mach.abi.descriptors import is_array, is_memory
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.trace import Step
from sendright.model import calls as _declared  # noqa: F401 - declares the sequences
from sendright.model.language.rule import COPY_IN, COPY_OUT
from sendright.model.language.sequences import ANYTHING, Part, RightPart, Run, begin

DESTINATION, REPLY = -2, -1
"""The places of a message that aren't in its body (``Slot.index``)."""


class Carried(NamedTuple):
    """A right that a call copies in to a message."""

    place: int
    """Of the message, as in ``Slot.index``."""
    name: Any
    disposition: Any
    control: Any
    """The caller's name for the task from whose space it is; None: it is the caller's own."""


class NamedResult(NamedTuple):
    """A right that a call copies out of a message, and the name that the caller was given for it."""

    place: int
    name: Any


def carried_by(step: Step) -> list[Carried]:
    """The rights that the call of ``step`` carries, each once."""
    found: dict[Any, Carried] = {}
    for run in _steps(step):
        if run.rule == COPY_IN:
            given = run.arguments
            carried = Carried(given["place"], given["name"], given["disposition"], given.get("control"))
            found.setdefault(carried.place, carried)
    return list(found.values())


def named_by(step: Step) -> list[NamedResult]:
    """The rights that the results of ``step`` name. (Of those in an array of ports the sequence doesn't say which is
    which.)"""
    found: list[NamedResult] = []
    for run in _steps(step):
        if run.rule == COPY_OUT:
            place, given = run.arguments["place"], step.outputs.get(run.to)
            if run.to == DESCRIPTORS:
                found.append(NamedResult(place, _names(given)[place]))
            elif not isinstance(given, (list, tuple)):
                found.append(NamedResult(place, given))
    return found


DESCRIPTORS = "descriptors"
"""The result that describes a message's body."""


def _names(value: object) -> list[int]:
    return [name for name, _ in rights_of(value)]


def _steps(step: Step) -> Iterator[Run]:
    """All steps of the sequence, as if every rule went on."""
    if step.call not in SIGNATURES:
        return
    given = {argument.name: step.arguments.get(argument.name, argument.default) for argument in SIGNATURES[step.call].arguments}
    steps = begin(_Reader(step), step.call, step.resume, given)
    try:
        run = next(steps)
        while True:
            yield run
            run = steps.send(ANYTHING)
    except StopIteration:
        return


class _Reader:
    """Drives a sequence with what a step of a trace says (see ``sequences.Driver``): there is one message, and
    places are ``Slot.index``."""

    def __init__(self, step: Step) -> None:
        self.caller = step.task
        self._body = _names(step.outputs.get(DESCRIPTORS))

    def destination(self, message: Any) -> int:
        return DESTINATION

    def reply(self, message: Any) -> int:
        return REPLY

    def body(self, message: Any, index: int) -> int:
        return index

    def parts(self, descriptors: Any) -> Iterable[Part]:
        return (RightPart(index, (), name, disposition) for index, (name, disposition) in enumerate(rights_of(descriptors)))

    def rights(self, message: Any) -> Iterable[Part]:
        return map(Part, range(len(self._body)))

    def pages(self, message: Any) -> Iterable[Part]:
        return ()

    def any_of(self, conditions: list[Any]) -> Any:
        return None


def rights_of(value: object) -> list[tuple[int, int]]:
    """The rights in what a trace says of descriptors, in order: (name, disposition or form). What is none stands
    there as (-1, -1), which denotes nothing; memory isn't a right."""
    if not isinstance(value, (list, tuple)):
        return []
    found: list[tuple[int, int]] = []
    for each in value:
        if not isinstance(each, (list, tuple)):
            found.append((-1, -1))
        elif not is_memory(each):
            names = each[0] if is_array(each) else [each[0]]
            found += [(name, each[1]) if isinstance(name, int) and isinstance(each[1], int) else (-1, -1) for name in names]
    return found
