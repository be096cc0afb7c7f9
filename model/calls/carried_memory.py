"""Out-of-line memory: a page is copied in to a message, and copied out of it."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE
from sendright.model.language.evidence import page, rests_on
from sendright.model.language.rule import PAGE_IN, PAGE_OUT, Case, Context, rule
from sendright.model.language.sorts import INHERITANCE, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Int, Message, Object


def _copy_in_requires(k: Context, message: Message, index: Int) -> list[Term]:
    b = k.before
    within = z3.And(index >= 0, index < k.sorts.pages_of(b.layout(message)))
    return [k.in_kernel(message), within, b.memory(message, index) == k.sorts.no_object]


@rule(
    PAGE_IN,
    requires=_copy_in_requires,
    evidence=rests_on("ipc/ipc_kmsg.c: ipc_kmsg_copyin_body", xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyin_ool_descriptor", manual=page("mach_msg")),
)
def copy_in_page(k: Context, message: Message, index: Int, address: Int, deallocate: Bool, *, new_object: Object) -> Iterator[Case]:
    """Copy the caller's page into a message, as a new memory object. Later writes to the page don't change the copy.

    The copy option makes no difference. With ``deallocate`` the caller loses the page.
    """
    # NAMES
    b = k.before
    there = b.mapped(k.caller, address)
    # CASES
    yield k.fails(ReturnCode.MACH_SEND_INVALID_MEMORY, "the page is not allocated", there == k.sorts.no_object)

    # RIGHTS
    def copy(after: After) -> None:
        after.assumptions += [z3.Not(b.object_made(new_object)), new_object != k.sorts.no_object]
        after.at("content")[new_object] = b.content(there)
        after.at("object_made")[new_object] = z3.BoolVal(True)
        after.at("memory")[(message, index)] = new_object
        after.at("carrier")[new_object] = message
        after.at("carrier_index")[new_object] = index

    def move(after: After) -> None:
        copy(after)
        after.at("mapped")[(k.caller, address)] = k.sorts.no_object

    yield k.continues("the page is copied, and given up", deallocate, move)
    yield k.continues("the page is copied", k.otherwise(z3.Not(deallocate)), copy)


def _copy_out_requires(k: Context, message: Message, index: Int) -> list[Term]:
    return [k.in_kernel(message), k.before.memory(message, index) != k.sorts.no_object]


@rule(
    PAGE_OUT,
    requires=_copy_out_requires,
    evidence=rests_on("ipc/ipc_kmsg.c: ipc_kmsg_copyout_body", xnu="ipc/ipc_kmsg.c: ipc_kmsg_copyout_ool_descriptor", manual=page("mach_msg")),
)
def copy_out_page(k: Context, message: Message, index: Int, *, new_page: Int) -> Iterator[Case]:
    """Map a page that the caller receives in a message at a free address that the kernel chooses."""
    # NAMES
    b, page = k.before, z3.Int("page")
    object_ = b.memory(message, index)

    def free(page: Term) -> Term:
        return z3.And(page >= 0, page < k.pages, b.mapped(k.caller, page) == k.sorts.no_object)

    some_free = z3.Exists([page], free(page))

    # RIGHTS
    def lose(after: After) -> None:
        after.at("memory")[(message, index)] = k.sorts.no_object

    def map_(after: After) -> None:
        lose(after)
        after.assumptions.append(free(new_page))
        after.at("mapped")[(k.caller, new_page)] = object_
        after.at("inheritance")[(k.caller, new_page)] = INHERITANCE.INHERIT_COPY
        after.at("carrier_index")[object_] = z3.IntVal(NO_PAGE)

    # REPLY
    yield k.continues("there is no room: the page is lost", z3.Not(some_free), lose, page=z3.IntVal(NO_PAGE))
    yield k.continues("the page is mapped", k.otherwise(some_free), map_, page=new_page)
