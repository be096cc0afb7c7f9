"""Dispatch from a call to its routine, as by MIG's server stubs and the traps' entry code in a real kernel.

For each call a ``Stub`` is derived from its signature: how to translate each argument, and in which order. A port
argument is a name in the caller's space. In a real kernel the request has a copy of the send right under that name, and
the stub translates this into the object that the port stands for, or into None. The copies end with the call at the
latest, so they are never visible: here they aren't counted, and a routine that keeps a right clones it.
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
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Place, PortObject, SlotKind
from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import Argument, ArgumentType, Signature

Object: TypeAlias = Task | Ledger | Port | Right | None
Kinds: TypeAlias = tuple[PortObject, ...]
Translate: TypeAlias = Callable[[Task, Any], Any]

_WITHOUT = {ArgumentType.PORTS: (), ArgumentType.PORT: None, ArgumentType.TRAILER: 0}
_CONVERTING = frozenset({"task_get_special_port"})
"""Calls whose routine converts the target itself: their answer depends on which port of the task it is
(``task_get_special_port_from_user``).
"""
MISSING = object()
"""Stands for the default of a required argument."""


class Step(NamedTuple):
    """The translation of one argument."""

    position: int
    """Its position among the routine's arguments."""
    argument: str
    default: object
    translate: Translate | None
    """None: the argument is passed as it is."""


class Stub(NamedTuple):
    """The stub of one call: its routine and the translation of its arguments."""

    routine: Callable[..., Result | Steps]
    steps: tuple[Step, ...]
    """In the order in which rights are copied in."""
    library: Callable[[Mapping[str, Any]], None] | None = None
    """What the caller's own library checks before it makes the request."""

    def serve(self, caller: Task, given: Mapping[str, Any]) -> Result | Steps:
        """Run the routine; if it has steps, only start it. Raises Failure, from the copy-in of rights or the
        routine, and ValueError for a missing argument.
        """
        if self.library is not None:
            self.library(given)
        values: list[Any] = [None] * len(self.steps)
        for position, argument, default, translate in self.steps:
            value = given.get(argument, default)
            if value is MISSING:
                raise ValueError(f"argument {argument!r} is missing")
            values[position] = value if translate is None else translate(caller, value)
        return self.routine(caller, *values)


def target_of(signature: Signature, profile: Profile) -> str | None:
    """The argument that names the port to which the request is sent; None for a trap."""
    if profile.task_is_target and signature.target == "host_security":
        return next(argument.name for argument in signature.arguments if argument.object is PortObject.TASK)
    return signature.target


def stub(signature: Signature, profile: Profile, routine: Callable[..., Result | Steps]) -> Stub:
    """Make the stub for ``signature``. It calls ``routine`` with the caller and the translated arguments, in the
    signature's order.
    """
    target = target_of(signature, profile)
    steps = [
        Step(
            position,
            argument.name,
            MISSING if argument.required else argument.default,
            _translation(argument, profile, argument.name == target, _task_targets(signature)),
        )
        if profile.takes(signature.name, argument.name)
        else Step(position, argument.name, argument.default, _absent(argument))
        for position, argument in enumerate(signature.arguments)
    ]
    steps.sort(key=lambda step: step.argument != target)
    counted = signature.name == "mach_ports_register" and profile.register_counts_first
    return Stub(routine, tuple(steps), _count_of_ports(len(profile.registered_places)) if counted else None)


def _count_of_ports(most: int) -> Callable[[Mapping[str, Any]], None]:
    """The library's check that there are at most as many ports as places (``mach_ports_register`` in
    ``libsyscall/mach/task.c``). Raises KERN_INVALID_ARGUMENT.
    """

    def check(given: Mapping[str, Any]) -> None:
        if len(given.get("ports", ())) > most:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)

    return check


def _absent(argument: Argument) -> Translate:
    """The translation of an argument that the profile's call doesn't take: it is ignored, and the routine gets the
    default.
    """
    value = _WITHOUT.get(argument.type, argument.default)
    return lambda caller, given: value


def _task_targets(signature: Signature) -> Kinds | None:
    return None if signature.name in _CONVERTING else signature.target_objects


def _kinds(argument: Argument, profile: Profile, is_target: bool, task_targets: Kinds | None) -> Kinds | None:
    """The kinds of kernel object that the argument can stand for, with ``task_targets`` those of a task as the target.
    None: the routine takes a right.
    """
    if argument.object is None:
        return None
    if is_target and argument.object is PortObject.TASK:
        return task_targets
    if argument.name == "host" and not profile.host_is_checked:
        return PortObject.HOST, PortObject.HOST_PRIV  # hazard H-4
    return (argument.object,)


def _translation(argument: Argument, profile: Profile, is_target: bool, task_targets: Kinds | None) -> Translate | None:
    wanted = _kinds(argument, profile, is_target, task_targets)
    if argument.type is ArgumentType.PORTS:
        return lambda caller, names: tuple([convert(argument_right(caller, name), wanted) for name in names])
    if argument.type is not ArgumentType.PORT:
        return None
    right_of = target_right if is_target else argument_right
    if argument.object is PortObject.HOST_PRIV and profile.host_priv_is_callers:
        return lambda caller, name: convert(_as_callers_host(caller, right_of(caller, name)), wanted)
    return lambda caller, name: convert(right_of(caller, name), wanted)


def _as_callers_host(caller: Task, right: Right) -> Right:
    """``right``, or null if it isn't to the caller's host port. (``convert_port_to_host_priv``)"""
    return right if right.port is caller.right_at(Place.HOST).port else NULL_RIGHT


def target_right(caller: Task, name: int) -> Right:
    """The right through which a request is sent. Raises MACH_SEND_INVALID_DEST if ``name`` has no send right to a
    live port.
    """
    entry = caller.space.lookup(name)
    if entry is None or entry.kind not in HAS_SEND:
        raise Failure(ReturnCode.MACH_SEND_INVALID_DEST)
    return Right(SlotKind.SEND, entry.port)


def argument_right(caller: Task, name: int) -> Right:
    """A right in the body of a request: live, dead or null. Raises MACH_SEND_INVALID_RIGHT if ``name`` has no send
    right.
    """
    if name == NULL_NAME:
        return NULL_RIGHT
    entry = caller.space.lookup(name)
    if name == DEAD_NAME or (entry is not None and entry.kind is SlotKind.DEAD_NAME):
        return DEAD_RIGHT
    if entry is None or entry.kind not in HAS_SEND:
        raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
    return Right(SlotKind.SEND, entry.port)


def task_behind(right: Right, wanted: Kinds) -> Task | None:
    """The task that the port of ``right`` stands for, if it is an object of a kind in ``wanted``."""
    return right.port.task if right.live and right.port.object in wanted else None


def convert(right: Right, wanted: Kinds | None) -> Object:
    """The object that the port of ``right`` stands for, if it is of a kind in ``wanted``, else None. If ``wanted``
    is None, the right itself.
    """
    if wanted is None:
        return right
    port = right.port
    if not port.alive or port.object not in wanted:
        return None
    if port.task is not None and port.image is None:
        return port.task
    return port.ledger if port.object is PortObject.LEDGER else port
