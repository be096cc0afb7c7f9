"""Out-of-line memory: a page is copied in to a message, and copied out of it."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.descriptors import NO_PAGE
from sendright.model.rules import PAGE_IN, PAGE_OUT, Case, Context, rule
from sendright.model.sorts import INHERITANCE, Term
from sendright.model.state import After


def _copy_in_requires(k: Context) -> list[Term]:
    b = k.before
    within = z3.And(k.index >= 0, k.index < k.sorts.pages_of(b.layout(k.message)))
    return [k.in_kernel(k.message), within, b.memory(k.message, k.index) == k.sorts.no_object]


@rule(
    PAGE_IN,
    choices={"new_object": "Object"},
    requires=_copy_in_requires,
    message="Message",
    index="Int",
    address="Int",
    deallocate="Bool",
)
def copy_in_page(k: Context) -> Iterator[Case]:
    """What the caller's page contains now goes along with a message, as an object of its own: what is written later isn't seen in it.

    Which copy option was given makes no difference. With ``deallocate`` the caller's page goes. Source: semantics 6.3.
    """
    # NAMES
    b = k.before
    there = b.mapped(k.caller, k.address)

    # EFFECT
    def copy(after: After) -> None:
        after.assumptions += [z3.Not(b.object_made(k.new_object)), k.new_object != k.sorts.no_object]
        after.at("content")[k.new_object] = b.content(there)
        after.at("object_made")[k.new_object] = z3.BoolVal(True)
        after.at("memory")[(k.message, k.index)] = k.new_object
        after.at("carrier")[k.new_object] = k.message
        after.at("carrier_index")[k.new_object] = k.index

    def move(after: After) -> None:
        copy(after)
        after.at("mapped")[(k.caller, k.address)] = k.sorts.no_object

    # CASES
    yield k.fails(ReturnCode.MACH_SEND_INVALID_MEMORY, "the page is not allocated", there == k.sorts.no_object)
    yield k.continues("the page is copied, and given up", k.deallocate, move)
    yield k.continues("the page is copied", True, copy)


def _copy_out_requires(k: Context) -> list[Term]:
    return [k.in_kernel(k.message), k.before.memory(k.message, k.index) != k.sorts.no_object]


@rule(PAGE_OUT, choices={"new_page": "Int"}, requires=_copy_out_requires, message="Message", index="Int")
def copy_out_page(k: Context) -> Iterator[Case]:
    """A page of a message on its way to the caller goes to a free page of the caller's, of the kernel's choice. Source: semantics 6.5."""
    # NAMES
    b, page = k.before, z3.Int("page")
    object_ = b.memory(k.message, k.index)

    def free(page: Term) -> Term:
        return z3.And(page >= 0, page < k.pages, b.mapped(k.caller, page) == k.sorts.no_object)

    # EFFECT
    def lose(after: After) -> None:
        after.at("memory")[(k.message, k.index)] = k.sorts.no_object

    def map_(after: After) -> None:
        lose(after)
        after.assumptions.append(free(k.new_page))
        after.at("mapped")[(k.caller, k.new_page)] = object_
        after.at("inheritance")[(k.caller, k.new_page)] = INHERITANCE.INHERIT_COPY
        after.at("carrier_index")[object_] = z3.IntVal(NO_PAGE)

    # CASES
    yield k.continues("there is no room: the page is lost", z3.Not(z3.Exists([page], free(page))), lose, page=z3.IntVal(NO_PAGE))
    yield k.continues("the page is mapped", True, map_, page=k.new_page)
