"""Where a task's exceptions go (``kern/ipc_tt.c``).

For each type of exception the kernel keeps a send right, a behaviour and a flavour; the latter two say what the message
carries. Callers select types by a mask. Results are in groups: types with the same port, behaviour and flavour are one
group. Kernels differ in what counts as the same port once ports have died.
"""

from __future__ import annotations

from typing import NamedTuple

from sendright.impl.reference.calls.processes.own import is_root
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import check_can_be_kept
from sendright.impl.reference.port import Right
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import (
    BEHAVIOUR_BITS,
    EXCEPTION_PLACES,
    MACH_EXCEPTION_BACKTRACE_PREFERRED,
    MACH_EXCEPTION_CODES,
    Behaviour,
    Place,
)
from sendright.mach.kernel.call import Result

_BITS = {place: 1 << number for number, place in enumerate(EXCEPTION_PLACES, 1)}
"""The bit of a mask that stands for each type."""


class Action(NamedTuple):
    """What the kernel does with an exception."""

    right: Right
    behaviour: int
    flavour: int

    @property
    def reported(self) -> Action:
        """What a caller sees of it: if its port has died, a dead right."""
        return self._replace(right=self.right.settled)


class Group(NamedTuple):
    """Types that a result reports as one."""

    first: Action
    """The action of its first type."""
    places: list[Place]


class ExceptionCalls(Core):
    """The calls that set, get, and swap a task's exception ports."""

    def task_set_exception_ports(self, caller: Task, task: Task | None, mask: int, port: Right, behavior: int, flavor: int) -> Result:
        """Send the exceptions in ``mask`` to ``port``. KERN_INVALID_ARGUMENT; KERN_INVALID_RIGHT for an immovable
        port.
        """
        task = self._checked(task, mask)
        self._check_action(port, behavior, flavor)
        self._set(caller, task, _selected(mask), Action(port, behavior, flavor))
        return Result(ReturnCode.KERN_SUCCESS)

    def task_get_exception_ports(self, caller: Task, task: Task | None, mask: int, count: int) -> Result:
        """Return where the exceptions in ``mask`` go, in at most ``count`` groups. KERN_INVALID_ARGUMENT."""
        task = self._checked(task, mask)
        return _give(caller, _groups(task, mask, count, self.profile.exception_groups_by_port))

    def task_swap_exception_ports(self, caller: Task, task: Task | None, mask: int, port: Right, behavior: int, flavor: int, count: int) -> Result:
        """Set as ``task_set_exception_ports``, and return what was there. A type that doesn't fit into ``count``
        groups isn't set.
        """
        task = self._checked(task, mask)
        self._check_action(port, behavior, flavor)
        groups = _groups(task, mask, count, by_port=False)
        result = _give(caller, groups)
        self._set(caller, task, [place for group in groups for place in group.places], Action(port, behavior, flavor))
        return result

    def _checked(self, task: Task | None, mask: int) -> Task:
        if task is None or mask & ~self.profile.exception_mask:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        return task

    def _check_action(self, port: Right, behaviour: int, flavour: int) -> None:
        """Checks the arguments of a set. A null or dead port may have any behaviour, but in some kernels not one that
        needs codes. Raises KERN_INVALID_ARGUMENT, KERN_INVALID_RIGHT. (``set_exception_ports_validation``)
        """
        if port.live and behaviour not in self.profile.behaviours:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        check_can_be_kept(port)
        if port.port.immovable and port.port.purpose is not PortPurpose.EXCEPTION:
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if self.profile.state_flavours is not None and flavour not in self.profile.state_flavours:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if self.profile.codes_required and _lacks_codes(behaviour):
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)

    def _set(self, caller: Task, task: Task, places: list[Place], action: Action) -> None:
        """Set ``places``, and mark whether root does it, in kernels that know that. (``task_is_privileged``)"""
        privileged = is_root(caller.process)
        self.release([task.put_exception(place, self.clone_of_users_port(action.right), *action[1:], privileged) for place in places])


def _lacks_codes(behaviour: int) -> bool:
    """Whether ``behaviour``, a word of 32 bits, is without codes though it only protects identities, or prefers a
    backtrace.
    """
    if behaviour & MACH_EXCEPTION_CODES:
        return False
    return behaviour & ~sum(BEHAVIOUR_BITS) == Behaviour.IDENTITY_PROTECTED or bool(behaviour & MACH_EXCEPTION_BACKTRACE_PREFERRED)


def _selected(mask: int) -> list[Place]:
    return [place for place, bit in _BITS.items() if mask & bit]


def _groups(task: Task, mask: int, count: int, by_port: bool) -> list[Group]:
    """The types in ``mask``, grouped by action: the first ``count`` groups, in the order of each group's first type.

    With ``by_port`` the kernel compares each type's port with that of a group's first type. Otherwise it compares it
    with what it reports of that: a type whose port has died is like no other, and one that was set to DEAD is like
    every one that is reported as dead.
    """
    groups: list[Group] = []
    for place in _selected(mask):
        action = Action(task.right_at(place), *task.exceptions.get(place, (0, 0)))
        like = next((group for group in groups if action == (group.first if by_port else group.first.reported)), None)
        if like is not None:
            like.places.append(place)
        elif len(groups) < count:
            groups.append(Group(action, [place]))
    return groups


def _give(caller: Task, groups: list[Group]) -> Result:
    outputs = {
        "masks": tuple([sum(_BITS[place] for place in group.places) for group in groups]),
        "ports": tuple([copy_out(caller.space, group.first.right.clone()) for group in groups]),
        "behaviors": tuple([group.first.behaviour for group in groups]),
        "flavors": tuple([group.first.flavour for group in groups]),
    }
    return Result(ReturnCode.KERN_SUCCESS, outputs)
