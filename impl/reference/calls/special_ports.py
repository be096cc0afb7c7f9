"""A task's special and registered ports: rights that the kernel keeps for it outside its space (``kern/ipc_tt.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.immovable import check_can_be_kept
from sendright.impl.reference.port import NULL_RIGHT, Right
from sendright.impl.reference.server import task_behind
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.impl.reference.waiting import PartialSteps, PausedReplacement, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOURS, Place, PortObject
from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import HostSelf
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.boot import HOST_PORT

_TARGETS = SIGNATURES["task_get_special_port"].target_objects


def _reaches(target: PortObject, flavour: PortObject | None) -> bool:
    """Whether through a port of this kind the caller gets the task's port of a ``flavour``, or with None the right in a
    place. (``special_port_allowed_with_task_flavor``)
    """
    if target is PortObject.TASK:
        return True
    return flavour is not None and TASK_FLAVOURS.index(flavour) <= TASK_FLAVOURS.index(target)


class SpecialPortCalls(Core):
    """The calls on special and registered ports, and the traps that return the caller's own."""

    def task_get_special_port(self, caller: Task, target: Right, which: int) -> Result:
        """Return a clone of the right in one of the task's places, by profile null for a kernel object's port that was
        set there; or a new right to a further port of the task's. Through such a port a caller gets only ports that
        aren't stronger.

        KERN_INVALID_ARGUMENT; KERN_INVALID_CAPABILITY if ``target`` is too weak.
        """
        task = task_behind(target, _TARGETS)
        flavour = self.profile.flavour_ports.get(which)
        if task is not None and not _reaches(target.port.object, flavour):
            raise Failure(ReturnCode.KERN_INVALID_CAPABILITY)
        if task is not None and flavour is not None:
            return Result(ReturnCode.KERN_SUCCESS, {"port": copy_out(caller.space, self.port_of_flavour(task, flavour).make_send())})
        task, place = self._place(task, which)
        right = task.right_at(place)
        told = right.clone() if place in self.profile.protected_places else self.clone_of_users_port(right)
        return Result(ReturnCode.KERN_SUCCESS, {"port": copy_out(caller.space, told)})

    def task_set_special_port(self, caller: Task, task: Task | None, which: int, port: Right) -> Steps:
        """Put ``port``, a right to any port, into one of the task's places. The old right is released in a second step.

        KERN_INVALID_ARGUMENT; in some profiles KERN_INVALID_RIGHT for an immovable right, KERN_NO_ACCESS for a place
        that can't be set.
        """
        task, place = self._settable_place(task, which, port)
        yield from self.replace(task, place, port.clone())
        return Result(ReturnCode.KERN_SUCCESS)

    def replace(self, task: Task, place: Place, right: Right) -> PartialSteps:
        """Put ``right`` into a place. In a second step release the old right, which no other call can reach by then."""
        old = task.put(place, right)
        yield PausedReplacement(old)
        self.release([old])

    def _place(self, task: Task | None, which: int) -> tuple[Task, Place]:
        place = self.profile.special_ports.get(which)
        if task is None or place is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        return task, place

    def _settable_place(self, task: Task | None, which: int, port: Right) -> tuple[Task, Place]:
        place = self.profile.special_ports.get(which)
        if task is not None:
            check_can_be_kept(port)
            if place in self.profile.protected_places or (place in self.profile.set_once_places and task.right_at(place).live):
                raise Failure(ReturnCode.KERN_NO_ACCESS)
        return self._place(task, which)

    def mach_ports_register(self, caller: Task, task: Task | None, ports: tuple[Right, ...]) -> Result:
        """Replace all the task's registered ports; places beyond the array become empty.

        KERN_INVALID_ARGUMENT, by profile before the request is made; KERN_INVALID_RIGHT for an immovable right.
        """
        places = self.profile.registered_places
        if task is None or len(ports) > len(places):
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        for right in ports:
            check_can_be_kept(right)
        for index, place in enumerate(places):
            right = ports[index] if index < len(ports) else NULL_RIGHT
            self.release([task.put(place, right.clone())])
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_ports_lookup(self, caller: Task, task: Task | None) -> Result:
        """Return clones of all the task's registered ports. KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE."""
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        self.allocate()  # the array
        rights = [task.right_at(place).clone() for place in self.profile.registered_places]
        return Result(ReturnCode.KERN_SUCCESS, {"ports": tuple([copy_out(caller.space, right) for right in rights])})

    def mach_task_self(self, caller: Task) -> Result:
        """Return a clone of the caller's self port. This one can be set, so it need not be the task's own port
        (hazard H-23).
        """
        return Result(ReturnCode.KERN_SUCCESS, {"port": copy_out(caller.space, caller.right_at(Place.KERNEL).clone())})

    def mach_host_self(self, caller: Task) -> Result:
        """Return a clone of the caller's host port, or by profile a new send right to the ordinary host port."""
        made = self.profile.host_self is HostSelf.MADE
        right = self.well_known[HOST_PORT].make_send() if made else caller.right_at(Place.HOST).clone()
        return Result(ReturnCode.KERN_SUCCESS, {"port": copy_out(caller.space, right)})
