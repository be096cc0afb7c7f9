"""Descriptors of a message's body, and how large a message is (``mach/message.h``).

As arguments, a port descriptor is (name, disposition); out-of-line ports are (names, disposition), with one disposition
for all; out-of-line memory is (page, copy option, deallocate). As results, they are (name, form), (names, form) and
(page,), with page -1 where there was no room for it.

The rights of a body are numbered in the order of the descriptors and of the names in each; so are its pages. The body's
*layout* says which right belongs to which descriptor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

Layout: TypeAlias = tuple[int, ...]
"""One number for each descriptor: ``PORT``, ``MEMORY``, or for out-of-line ports how many there are."""

PORT = -1
MEMORY = -2
NO_PAGE = -1
"""As a result: there was no room for the page."""


class CopyOption(IntEnum):
    """``mach_msg_copy_options_t``: how out-of-line memory is copied. A receiver sees no difference."""

    PHYSICAL = 0
    VIRTUAL = 1


def is_memory(descriptor: Sequence[Any]) -> bool:
    """Whether ``descriptor`` (argument or result) is out-of-line memory."""
    return len(descriptor) != 2


def is_array(descriptor: Sequence[Any]) -> bool:
    """Whether ``descriptor`` (argument or result, perhaps read from JSON) is out-of-line ports."""
    return len(descriptor) == 2 and isinstance(descriptor[0], (tuple, list))


def layout_of(descriptors: Sequence[Sequence[Any]]) -> Layout:
    """The layout of a body with these descriptors (arguments or results)."""
    return tuple([MEMORY if is_memory(each) else len(each[0]) if is_array(each) else PORT for each in descriptors])


def rights_in(descriptors: Sequence[Sequence[Any]]) -> Iterator[tuple[int, int]]:
    """The rights of a body, in order: (name, disposition or form)."""
    for each in descriptors:
        if is_array(each):
            yield from ((name, each[1]) for name in each[0])
        elif not is_memory(each):
            yield each[0], each[1]


def dispositions_in(descriptors: Sequence[Sequence[Any]]) -> Iterator[int]:
    """The dispositions or forms of a body's ports and arrays, also of empty arrays, in order."""
    for each in descriptors:
        if is_array(each) or not is_memory(each):
            yield each[1]


def pages_in(descriptors: Sequence[Sequence[Any]]) -> Iterator[tuple[int, int, bool]]:
    """The pages of a body in argument form, in order: (page, copy option, deallocate)."""
    for each in descriptors:
        if is_memory(each):
            yield each[0], each[1], each[2]


def received_pages(descriptors: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    """The pages of a body in result form, in order; ``NO_PAGE`` where there was no room."""
    return tuple([each[0] for each in descriptors if is_memory(each)])


def right_count(layout: Layout) -> int:
    """How many rights a body of this layout has."""
    return sum(1 if part == PORT else part for part in layout if part != MEMORY)


def page_count(layout: Layout) -> int:
    """How many pages a body of this layout has."""
    return layout.count(MEMORY)


def build_descriptors(layout: Layout, rights: Sequence[tuple[int, int]], pages: Sequence[int]) -> tuple[tuple[Any, ...], ...]:
    """The descriptors, in result form, of a body with this layout, these rights, (name, form) each, and these pages.

    An empty array has the form 0.
    """
    left, memory = iter(rights), iter(pages)
    found: list[tuple[Any, ...]] = []
    for part in layout:
        if part == MEMORY:
            found.append((next(memory),))
        elif part == PORT:
            found.append(next(left))
        else:
            several = [next(left) for _ in range(part)]
            found.append((tuple([name for name, _ in several]), several[0][1] if several else 0))
    return tuple(found)


HEADER_SIZE = 24
_BODY_SIZE, _DESCRIPTOR_SIZE, _DATA_SIZE = 4, 12, 4


def size_without_data(layout: Layout) -> int:
    """Bytes of a message with such a body, without its word of inline data."""
    return HEADER_SIZE + (_BODY_SIZE + _DESCRIPTOR_SIZE * len(layout) if layout else 0)


def natural_size(layout: Layout) -> int:
    """``msgh_size`` of a message with such a body and one word of inline data, in bytes."""
    return size_without_data(layout) + _DATA_SIZE


TRAILER_SIZES = {0: 8, 1: 12, 2: 20, 3: 52, 4: 60, 7: 68}
"""Requested elements -> bytes of the trailer: type and size; sequence number; security token; audit token; context;
labels."""


def trailer_size(elements: int, highest: int) -> int:
    """Bytes of the trailer from a kernel that knows elements up to ``highest``; for an unknown element it sends all
    that it knows."""
    return TRAILER_SIZES.get(elements if elements <= highest else highest, TRAILER_SIZES[highest])
