"""From a call to its routine: what MIG's server stubs, and the traps' entry code, do in a real kernel (semantics 1).

For each call a ``Stub`` is derived from its signature: what to do with each argument, in which order. A port argument is a name
in the caller's space. The request carries a copy of the send right found there, and the stub turns that right into the object that
the port stands for, or into None. These copies end with the call at the latest, so that nobody can see them: they are not even counted,
and a routine that wants to keep a right clones it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.ledger import Ledger
from sendright.impl.reference.port import DEAD_RIGHT, NULL_RIGHT, Port, Right
from sendright.impl.reference.space import HAS_SEND
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import Steps
from sendright.mach.calls import Result
from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import Profile
from sendright.mach.rights import DEAD_NAME, NULL_NAME, PortObject, SlotKind
from sendright.mach.signatures import Argument, ArgumentType, Signature

Object: TypeAlias = Task | Ledger | Port | Right | None
Kinds: TypeAlias = tuple[PortObject, ...]
Translate: TypeAlias = Callable[[Task, Any], Any]

_WITHOUT = {ArgumentType.PORTS: (), ArgumentType.PORT: None, ArgumentType.TRAILER: 0}
MISSING = object()
"""The default of an argument that must be given."""


class Step(NamedTuple):
    """What is to do with one argument."""

    position: int
    """Where the routine takes it."""
    argument: str
    default: object
    translate: Translate | None
    """None: the routine takes it as it is."""


class Stub(NamedTuple):
    """How one call is served."""

    routine: Callable[..., Result | Steps]
    steps: tuple[Step, ...]
    """In the order in which rights are copied in."""

    def serve(self, caller: Task, given: Mapping[str, Any]) -> Result | Steps:
        """Run the routine, unless it has steps. Raises Failure, as it or the copying in of its rights does; ValueError for a missing argument."""
        values: list[Any] = [None] * len(self.steps)
        for position, argument, default, translate in self.steps:
            value = given.get(argument, default)
            if value is MISSING:
                raise ValueError(f"argument {argument!r} is missing")
            values[position] = value if translate is None else translate(caller, value)
        return self.routine(caller, *values)


def target_of(signature: Signature, profile: Profile) -> str | None:
    """The argument whose port the request is sent to; None for a trap."""
    if profile.task_is_target and signature.target == "host_security":
        return next(argument.name for argument in signature.arguments if argument.object is PortObject.TASK)
    return signature.target


def stub(signature: Signature, profile: Profile, routine: Callable[..., Result | Steps]) -> Stub:
    """The stub that serves ``signature`` by calling ``routine`` with the caller and the translated arguments, in signature order."""
    target = target_of(signature, profile)
    steps = [
        Step(
            position,
            argument.name,
            MISSING if argument.required else argument.default,
            _translation(argument, _kinds(argument, profile), argument.name == target),
        )
        if profile.takes(signature.name, argument.name)
        else Step(position, argument.name, argument.default, _absent(argument))
        for position, argument in enumerate(signature.arguments)
    ]
    steps.sort(key=lambda step: step.argument != target)
    return Stub(routine, tuple(steps))


def _absent(argument: Argument) -> Translate:
    """An argument that this kernel's call doesn't have is not looked at: the routine sees none, or what such a kernel does by itself."""
    value = _WITHOUT.get(argument.type, argument.default)
    return lambda caller, given: value


def _kinds(argument: Argument, profile: Profile) -> Kinds | None:
    """The kinds of kernel object that the argument may stand for; None: it is taken as a right."""
    if argument.object is None:
        return None
    if argument.name == "host" and not profile.host_is_checked:
        return PortObject.HOST, PortObject.HOST_PRIV  # hazard H-4
    return (argument.object,)


def _translation(argument: Argument, wanted: Kinds | None, is_target: bool) -> Translate | None:
    if argument.type is ArgumentType.PORTS:
        return lambda caller, names: tuple([convert(argument_right(caller, name), wanted) for name in names])
    if argument.type is not ArgumentType.PORT:
        return None
    if is_target:
        return lambda caller, name: convert(target_right(caller, name), wanted)
    return lambda caller, name: convert(argument_right(caller, name), wanted)


def target_right(caller: Task, name: int) -> Right:
    """The right through which a request is sent. Raises MACH_SEND_INVALID_DEST if ``name`` has no send right to a live port."""
    entry = caller.space.lookup(name)
    if entry is None or entry.kind not in HAS_SEND:
        raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
    return Right(SlotKind.SEND, entry.port)


def argument_right(caller: Task, name: int) -> Right:
    """A right in the body of a request: live, dead or null. Raises MACH_SEND_INVALID_RIGHT."""
    if name == NULL_NAME:
        return NULL_RIGHT
    entry = caller.space.lookup(name)
    if name == DEAD_NAME or (entry is not None and entry.kind is SlotKind.DEAD_NAME):
        return DEAD_RIGHT
    if entry is None or entry.kind not in HAS_SEND:
        raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
    return Right(SlotKind.SEND, entry.port)


def convert(right: Right, wanted: Kinds | None) -> Object:
    """The object behind ``right`` if it is of a wanted kind, else None; the right itself where any will do."""
    if wanted is None:
        return right
    port = right.port
    if not port.alive or port.object not in wanted:
        return None
    if port.object is PortObject.TASK:
        return port.task
    return port.ledger if port.object is PortObject.LEDGER else port
