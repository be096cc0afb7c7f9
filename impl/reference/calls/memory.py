"""The memory calls that inheritance is about, on single pages (``vm/vm_user.c``)."""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.memory import MemoryObject, Page
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Inheritance
from sendright.mach.kernel.call import Result


class MemoryCalls(Core):
    """The vm_ calls."""

    def vm_allocate(self, caller: Task, task: Task | None, address: int, anywhere: bool) -> Result:
        """Map a page of zeros at ``address`` or, with ``anywhere``, at the lowest free one; children will inherit a
        copy.

        KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS, KERN_NO_SPACE.
        """
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        pages = task.memory.pages
        if anywhere:
            free = task.memory.free_address(self.profile.pages)
            if free is None:
                raise Failure(ReturnCode.KERN_NO_SPACE)
            address = free
        elif not 0 <= address < self.profile.pages:
            raise Failure(ReturnCode.KERN_INVALID_ADDRESS)
        elif address in pages:
            raise Failure(ReturnCode.KERN_NO_SPACE)
        task.memory.map(address, MemoryObject(0), Inheritance.COPY)
        task.changed()
        return Result(ReturnCode.KERN_SUCCESS, {"address": address})

    def vm_inherit(self, caller: Task, task: Task | None, address: int, inheritance: int) -> Result:
        """Set what future children get of a page. KERN_INVALID_ARGUMENT; the profile's ``hole_code``."""
        if task is None or not Inheritance.SHARE <= inheritance <= Inheritance.NONE:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        page = task.memory.pages.get(address)
        if page is None:
            return Result(self.profile.hole_code)
        page.inheritance = Inheritance(inheritance)
        task.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def vm_read(self, caller: Task, task: Task | None, address: int) -> Result:
        """Return the word in a page. KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS."""
        return Result(ReturnCode.KERN_SUCCESS, {"value": self._page(task, address).object.value})

    def vm_write(self, caller: Task, task: Task | None, address: int, value: int) -> Result:
        """Write a word to a page, for all tasks that share it. KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS."""
        self._store(self._page(task, address).object, value)
        return Result(ReturnCode.KERN_SUCCESS)

    def vm_copy(self, caller: Task, task: Task | None, source_address: int, dest_address: int) -> Result:
        """Copy the word of one page to another, for all tasks that share the latter. KERN_INVALID_ARGUMENT,
        KERN_INVALID_ADDRESS.
        """
        source = self._page(task, source_address)
        self._store(self._page(task, dest_address).object, source.object.value)
        return Result(ReturnCode.KERN_SUCCESS)

    def vm_deallocate(self, caller: Task, task: Task | None, address: int) -> Result:
        """Unmap a page. Tasks that share it keep it. KERN_INVALID_ARGUMENT; the profile's ``hole_code``."""
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        page = task.memory.pages.get(address)
        if page is None:
            return Result(self.profile.hole_code)
        self.unmap(task, address)
        return Result(ReturnCode.KERN_SUCCESS)

    def _store(self, object: MemoryObject, value: int) -> None:
        object.value = value
        self.object_changed(object)

    def _page(self, task: Task | None, address: int) -> Page:
        if task is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        page = task.memory.pages.get(address)
        if page is None:
            raise Failure(ReturnCode.KERN_INVALID_ADDRESS)
        return page
