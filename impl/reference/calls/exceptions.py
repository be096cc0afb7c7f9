"""Where a task's exceptions go (``kern/ipc_tt.c``).

For each type of exception the kernel keeps a send right, a behaviour and a flavour; the latter two say what the message
carries. Callers select types by a mask. Results are in groups: types with the same port, behaviour and flavour are one
group.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import check_can_be_kept
from sendright.impl.reference.port import DEAD_RIGHT, Right
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import (
    BEHAVIOUR_BITS,
    EXC_MASK_ALL,
    EXCEPTION_PLACES,
    MACH_EXCEPTION_BACKTRACE_PREFERRED,
    MACH_EXCEPTION_CODES,
    Behaviour,
    Place,
    SlotKind,
)
from sendright.mach.kernel.call import Result

_BITS = {place: 1 << number for number, place in enumerate(EXCEPTION_PLACES, 1)}
"""The bit of a mask that stands for each type."""


class Action(NamedTuple):
    """What the kernel does with an exception. Two actions are equal if no caller can distinguish them."""

    right: Right
    behaviour: int
    flavour: int


Groups: TypeAlias = dict[Action, list[Place]]


class ExceptionCalls(Core):
    """The calls that set, get, and swap a task's exception ports."""

    def task_set_exception_ports(self, caller: Task, task: Task | None, mask: int, port: Right, behavior: int, flavor: int) -> Result:
        """Send the exceptions in ``mask`` to ``port``. KERN_INVALID_ARGUMENT; KERN_INVALID_RIGHT for an immovable
        port.
        """
        task = _checked(task, mask)
        self._check_action(port, behavior, flavor)
        self._set(task, _selected(mask), Action(port, behavior, flavor))
        return Result(ReturnCode.KERN_SUCCESS)

    def task_get_exception_ports(self, caller: Task, task: Task | None, mask: int, count: int) -> Result:
        """Return where the exceptions in ``mask`` go, in at most ``count`` groups. KERN_INVALID_ARGUMENT."""
        task = _checked(task, mask)
        return _give(caller, _groups(task, mask, count))

    def task_swap_exception_ports(self, caller: Task, task: Task | None, mask: int, port: Right, behavior: int, flavor: int, count: int) -> Result:
        """Set as ``task_set_exception_ports``, and return what was there. A type that doesn't fit into ``count``
        groups isn't set.
        """
        task = _checked(task, mask)
        self._check_action(port, behavior, flavor)
        groups = _groups(task, mask, count)
        result = _give(caller, groups)
        self._set(task, [place for places in groups.values() for place in places], Action(port, behavior, flavor))
        return result

    def _check_action(self, port: Right, behaviour: int, flavour: int) -> None:
        """Checks the arguments of a set. A null or dead port may have any behaviour, but in some kernels not one that
        needs codes. Raises KERN_INVALID_ARGUMENT, KERN_INVALID_RIGHT. (``set_exception_ports_validation``)
        """
        if port.live and behaviour not in self.profile.behaviours:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        check_can_be_kept(port)
        if port.port.immovable:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if self.profile.state_flavours is not None and flavour not in self.profile.state_flavours:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if self.profile.codes_required and _lacks_codes(behaviour):
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)

    def _set(self, task: Task, places: list[Place], action: Action) -> None:
        self.release([task.put_exception(place, self.clone_of_users_port(action.right), *action[1:]) for place in places])


def _checked(task: Task | None, mask: int) -> Task:
    if task is None or mask & ~EXC_MASK_ALL:
        raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
    return task


def _lacks_codes(behaviour: int) -> bool:
    """Whether ``behaviour``, a word of 32 bits, is without codes though it only protects identities, or prefers a
    backtrace.
    """
    if behaviour & MACH_EXCEPTION_CODES:
        return False
    return behaviour & ~sum(BEHAVIOUR_BITS) == Behaviour.IDENTITY_PROTECTED or bool(behaviour & MACH_EXCEPTION_BACKTRACE_PREFERRED)


def _selected(mask: int) -> list[Place]:
    return [place for place, bit in _BITS.items() if mask & bit]


def _groups(task: Task, mask: int, count: int) -> Groups:
    """The types in ``mask``, grouped by action: the first ``count`` groups, in the order of each group's first type."""
    groups: Groups = {}
    for place in _selected(mask):
        action = _action(task, place)
        if action in groups or len(groups) < count:
            groups.setdefault(action, []).append(place)
    return groups


def _action(task: Task, place: Place) -> Action:
    right = task.right_at(place)
    if not right.live and right.kind is not SlotKind.NONE:
        right = DEAD_RIGHT  # all dead rights are equal, whatever their ports were
    return Action(right, *task.exceptions.get(place, (0, 0)))


def _give(caller: Task, groups: Groups) -> Result:
    outputs = {
        "masks": tuple([sum(_BITS[place] for place in places) for places in groups.values()]),
        "ports": tuple([copy_out(caller.space, action.right.clone()) for action in groups]),
        "behaviors": tuple([action.behaviour for action in groups]),
        "flavors": tuple([action.flavour for action in groups]),
    }
    return Result(ReturnCode.KERN_SUCCESS, outputs)
