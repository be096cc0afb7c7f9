"""What a kernel tells of a port or a space for debugging (``ipc/mach_debug.c``)."""

from __future__ import annotations

from sendright.impl.reference.calls.names import entry_with_object, receive_right_of, space_of
from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import Port
from sendright.impl.reference.space import HAS_RECEIVE, HAS_SEND, Space
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import KERNEL_OBJECT_TYPES, PortObject
from sendright.mach.kernel.call import Result


class DetailCalls(Core):
    """The calls that only read. A kernel built without ``MACH_IPC_DEBUG`` has them, and they return KERN_FAILURE."""

    def mach_port_get_srights(self, caller: Task, task: Task | None, name: int) -> Result:
        """Return the number of send rights to a port: those of all spaces, messages and places. By profile
        KERN_FAILURE; KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT.
        """
        return Result(ReturnCode.KERN_SUCCESS, {"srights": self._inspected(task, name).send_rights})

    def mach_port_dnrequest_info(self, caller: Task, task: Task | None, name: int) -> Result:
        """Return the size of a port's table of dead-name requests, and the number of requests in it. By profile
        KERN_FAILURE; KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT.
        """
        requests = self._inspected(task, name).requests
        return Result(ReturnCode.KERN_SUCCESS, {"total": requests.size, "used": requests.used})

    def mach_port_kobject(self, caller: Task, task: Task | None, name: int) -> Result:
        """Return the type of the kernel object behind a send or receive right, 0 for a user's port. By profile
        KERN_INVALID_ARGUMENT (no task); KERN_INVALID_NAME, KERN_INVALID_RIGHT. (``mach_port_kobject_from_user``)
        """
        return self._object_type(space_of(task, self.null_space_code("mach_port_kobject")), name)

    def mach_port_kernel_object(self, caller: Task, task: Task | None, name: int) -> Result:
        """As ``mach_port_kobject``, which in newer systems the library calls. By profile KERN_FAILURE;
        KERN_INVALID_TASK, by profile KERN_INVALID_ARGUMENT; KERN_INVALID_NAME, KERN_INVALID_RIGHT.
        """
        self._check_debug()
        return self._object_type(space_of(task, self.null_space_code("mach_port_kernel_object")), name)

    def mach_port_space_info(self, caller: Task, task: Task | None) -> Result:
        """Return all names of the task, ascending, with their types and user references as the table has them: it
        doesn't look at a name whose port has died. By profile KERN_FAILURE; KERN_INVALID_TASK, by profile
        KERN_INVALID_ARGUMENT.
        """
        self._check_debug()
        entries = sorted(space_of(task, self.null_space_code("mach_port_space_info")).entries.items())
        outputs = {
            "names": tuple([name for name, _ in entries]),
            "types": tuple([entry.kind.type_bits for _, entry in entries]),
            "urefs": tuple([entry.urefs for _, entry in entries]),
        }
        return Result(ReturnCode.KERN_SUCCESS, outputs)

    def mach_port_space_basic_info(self, caller: Task, task: Task | None) -> Result:
        """Return the number of names of the task. KERN_INVALID_TASK."""
        return Result(ReturnCode.KERN_SUCCESS, {"table_inuse": len(space_of(task).entries)})

    def _inspected(self, task: Task | None, name: int) -> Port:
        self._check_debug()
        return receive_right_of(space_of(task), name, self.profile)

    def _check_debug(self) -> None:
        if not self.profile.has_ipc_debug:
            raise Failure(ReturnCode.KERN_FAILURE)

    def _object_type(self, space: Space, name: int) -> Result:
        entry = entry_with_object(space, name, self.profile)
        if entry.kind not in (*HAS_SEND, *HAS_RECEIVE):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        object = entry.port.object
        typed = object is not PortObject.DEVICE or self.profile.device_port_has_type
        return Result(ReturnCode.KERN_SUCCESS, {"object_type": KERNEL_OBJECT_TYPES[object] if typed else 0})
