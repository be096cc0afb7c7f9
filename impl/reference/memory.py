"""Address spaces in single pages, and what a child inherits of them."""

from __future__ import annotations

from sendright.mach.abi.rights import Inheritance
from sendright.mach.state import snapshot


class MemoryObject:
    """A memory object, mapped by one or more address spaces. One word stands for the contents of the page."""

    __slots__ = ("mapped_by", "value")

    def __init__(self, value: int) -> None:
        self.value = value
        self.mapped_by: list[int] = []
        """The numbers of the tasks that map it, ascending: a page is only shared with tasks made later."""


class Page:
    """A mapping of a memory object at one address of one task."""

    __slots__ = ("inheritance", "object")

    def __init__(self, object: MemoryObject, inheritance: Inheritance) -> None:
        self.object = object
        self.inheritance = inheritance


class AddressSpace:
    """The pages of the task number ``task``."""

    __slots__ = ("pages", "task")

    def __init__(self, task: int) -> None:
        self.task = task
        self.pages: dict[int, Page] = {}

    def free_address(self, pages: int) -> int | None:
        """The lowest free address in a space of ``pages`` pages; None if it is full."""
        return next((free for free in range(pages) if free not in self.pages), None)

    def map(self, address: int, object: MemoryObject, inheritance: Inheritance) -> None:
        """Map ``object`` at the free ``address``."""
        object.mapped_by.append(self.task)
        self.pages[address] = Page(object, inheritance)

    def inherit_from(self, parent: AddressSpace) -> None:
        """Fill this empty space from the parent's pages, each by its inheritance; the new pages have the same
        inheritance.
        """
        for address, page in parent.pages.items():
            if page.inheritance is Inheritance.SHARE:
                self.map(address, page.object, page.inheritance)
            elif page.inheritance is Inheritance.COPY:
                self.map(address, MemoryObject(page.object.value), page.inheritance)

    def unmap(self, address: int) -> None:
        """Unmap one page. Other tasks that map its object keep it."""
        self.pages.pop(address).object.mapped_by.remove(self.task)

    def unmap_all(self) -> None:
        """Unmap all pages."""
        for address in list(self.pages):
            self.unmap(address)

    def show(self) -> dict[int, snapshot.Page]:
        """All pages as a snapshot has them. (Sharing keeps the address, so the lowest sharer is the lowest task.)"""
        return {
            address: snapshot.Page(page.object.value, int(page.inheritance), (page.object.mapped_by[0], address))
            for address, page in self.pages.items()
        }
