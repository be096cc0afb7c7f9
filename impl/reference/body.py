"""Message bodies: copying rights and memory out of the sender and into the receiver (``ipc_kmsg_copyin_body``,
``ipc_kmsg_copyout_body``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.memory import MemoryObject
from sendright.impl.reference.message import Descriptor, Message
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_in, copy_out, is_disposition
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE, CopyOption, build_descriptors, is_memory, layout_of, pages_in, rights_in, size_without_data
from sendright.mach.abi.rights import RESERVED_NAMES, Disposition, Inheritance


def check_descriptors(descriptors: Sequence[Sequence[Any]], size: int) -> None:
    """The checks of all descriptors that come before any is copied in. Raises MACH_SEND_MSG_TOO_SMALL,
    MACH_SEND_INVALID_TYPE.
    """
    if size < size_without_data(layout_of(descriptors)):
        raise Failure(ReturnCode.MACH_SEND_MSG_TOO_SMALL)
    if any(option not in tuple(CopyOption) for _, option, _ in pages_in(descriptors)):
        raise Failure(ReturnCode.MACH_SEND_INVALID_TYPE)


class Bodies(Core):
    """Copy-in and copy-out of message bodies."""

    def copy_in_body(self, task: Task, descriptors: Sequence[Sequence[Any]], into_kernel: bool, body: list[Descriptor]) -> tuple[int, ...]:
        """Copy in a body from ``task``, in order: append its rights to ``body`` and return the contents of its pages.

        By profile NULL and DEAD pass with any disposition. (``ipc_kmsg_copyin_port_descriptor``)

        Raises MACH_SEND_INVALID_RIGHT and MACH_SEND_INVALID_MEMORY. ``body`` then has the rights copied in so far, and
        pages that were deallocated stay deallocated.
        """
        memory: list[int] = []
        for descriptor in descriptors:
            if is_memory(descriptor):
                memory.append(self._copy_in_page(task, descriptor[0], descriptor[2]))
                continue
            disposition, known = descriptor[1], is_disposition(descriptor[1])
            if not known and not self.profile.null_fits_any_disposition:
                raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
            form = Disposition(disposition).received_form if known else Disposition.NONE
            for name, _ in rights_in((descriptor,)):
                if not known and name not in RESERVED_NAMES:
                    raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
                body.append(Descriptor(copy_in(task.space, name, disposition, into_kernel), form))
        return tuple(memory)

    def _copy_in_page(self, task: Task, address: int, deallocate: bool) -> int:
        page = task.memory.pages.get(address)
        if page is None:
            raise Failure(ReturnCode.MACH_SEND_INVALID_MEMORY)
        if deallocate:
            self.unmap(task, address)
        return page.object.value

    def copy_out_body(self, task: Task, message: Message) -> tuple[tuple[tuple[Any, ...], ...], bool]:
        """Copy out a body to ``task``: first its rights, then its pages, each at the lowest free address. Returns the
        descriptors, and whether all pages had room.

        A page that has no room is lost.
        """
        rights = [(copy_out(task.space, right), int(form)) for right, form in message.body]
        pages = [self._copy_out_page(task, value) for value in message.memory]
        return build_descriptors(message.layout, rights, pages), NO_PAGE not in pages

    def _copy_out_page(self, task: Task, value: int) -> int:
        address = task.memory.free_address(self.profile.pages)
        if address is None:
            return NO_PAGE
        task.memory.map(address, MemoryObject(value), Inheritance.COPY)
        task.changed()
        return address
