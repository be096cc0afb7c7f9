"""Step properties of memory: inheritance and isolation."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE
from sendright.mach.abi.rights import Inheritance
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    PAGE_IN,
    PAGE_OUT,
)
from sendright.model.language.sorts import INHERITANCE, Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import (
    Transition,
)


@step_property(39, "memory is inherited by each page's attribute")
def inheritance(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """SHARE: parent and child share one object.

    COPY: the child gets its own object with the same contents. NONE, or an unmapped page: nothing.
    """
    if not x.creates:
        return
    b, a, none = x.before, x.after, v.sorts.no_object
    theirs, child = b.mapped(x.parent, v.i), a.mapped(v.t, v.i)
    kind = b.inheritance(x.parent, v.i)
    inherits = z3.And(x.new_task(v.t), x.inherits_memory)
    there = z3.And(inherits, theirs != none)
    yield "SHARE", forall([v.t, v.i], z3.Implies(z3.And(there, kind == INHERITANCE.INHERIT_SHARE), child == theirs))
    own = z3.And(child != none, z3.Not(b.object_made(child)), a.object_made(child), a.content(child) == b.content(theirs))
    yield "COPY", forall([v.t, v.i], z3.Implies(z3.And(there, kind == INHERITANCE.INHERIT_COPY), own))
    yield "NONE", forall([v.t, v.i], z3.Implies(z3.And(there, kind == INHERITANCE.INHERIT_NONE), child == none))
    yield "holes", forall([v.t, v.i], z3.Implies(z3.And(inherits, theirs == none), child == none))
    yield "kept", forall([v.t, v.i], z3.Implies(z3.And(there, child != none), a.inheritance(v.t, v.i) == kind))
    other = a.mapped(v.t, v.j)
    copies = z3.And(inherits, child == other, child != none, z3.Not(b.object_made(child)))
    yield "each copy is its own", forall([v.t, v.i, v.j], z3.Implies(copies, v.i == v.j))


@step_property(40, "without inherit_memory the child's map is empty")
def empty_map(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """If inherit_memory is false, no page of the child is mapped, for any inheritance attributes of the
    parent's pages.
    """
    if x.creates:
        empty = x.after.mapped(v.t, v.i) == v.sorts.no_object
        yield "empty", forall([v.t, v.i], z3.Implies(z3.And(x.new_task(v.t), z3.Not(x.inherits_memory)), empty))


@step_property(110, "memory is its task's own")
def memory_isolation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A living task's map changes only by vm_allocate, which maps a new, zero-filled object at a free page, by
    vm_deallocate, and by messages.

    A message takes a copy of the sender's page, and that very copy is mapped at a free page of the receiver's. An
    object's contents change only by vm_write or vm_copy to a page where it is mapped, and a page's inheritance only by
    vm_inherit. An object that was made stays made.
    """
    b, a, none = x.before, x.after, v.sorts.no_object
    success = x.case.code is ReturnCode.KERN_SUCCESS
    lives = z3.And(b.alive(v.t), a.alive(v.t))
    target = x.k.task_behind(x.k["task"]) if x.is_call(lambda call: call.addresses_memory) else None
    mapped, written = z3.BoolVal(False), z3.BoolVal(False)
    kept = a.inheritance(v.t, v.i) == b.inheritance(v.t, v.i)
    if x.rule == "vm_allocate" and success:
        there, page = a.mapped(v.t, v.i), x.case.outputs["address"]
        new = z3.And(there != none, z3.Not(b.object_made(there)), a.object_made(there), a.content(there) == 0)
        mapped = z3.And(v.t == target, v.i == page, b.mapped(v.t, v.i) == none, new)
        kept = z3.Or(kept, z3.And(v.t == target, v.i == page, a.inheritance(v.t, v.i) == INHERITANCE.INHERIT_COPY))
        yield "what is allocated is there", z3.And(page >= 0, page < x.k.pages, a.mapped(target, page) != b.mapped(target, page))
        yield "at the requested address", z3.Or(x.k["anywhere"], page == x.k["address"])
    elif x.rule == "vm_write" and success:
        there = b.mapped(target, x.k["address"])
        written = z3.And(v.o == there, a.content(v.o) == x.k["value"])
        yield "what is written is there", z3.And(there != none, a.content(there) == x.k["value"])
    elif x.rule == "vm_copy" and success:
        source, there = b.mapped(target, x.k["source_address"]), b.mapped(target, x.k["dest_address"])
        written = z3.And(v.o == there, a.content(v.o) == b.content(source))
        yield "what is copied is there", z3.And(source != none, there != none, a.content(there) == b.content(source))
    elif x.rule == "vm_deallocate" and success:
        mapped = z3.And(v.t == target, v.i == x.k["address"])
        yield "what is given up is gone", a.mapped(target, x.k["address"]) == none
    elif x.rule == "vm_read" and success:
        there = b.mapped(target, x.k["address"])
        yield "what is there is read", z3.And(there != none, x.case.outputs["value"] == b.content(there))
    elif x.rule == PAGE_IN and x.case.code is None:
        there, carried = b.mapped(x.k.caller, x.k["address"]), a.memory(x.k["message"], x.k["index"])
        new = z3.And(carried != none, z3.Not(b.object_made(carried)), a.object_made(carried), a.content(carried) == b.content(there))
        yield "what is sent is a copy", z3.And(there != none, new)
        mapped = z3.And(x.k["deallocate"], v.t == x.k.caller, v.i == x.k["address"], a.mapped(v.t, v.i) == none)
        yield "what is given up with it is gone", z3.Implies(x.k["deallocate"], a.mapped(x.k.caller, x.k["address"]) == none)
    elif x.rule == PAGE_OUT:
        page, carried = x.case.outputs["page"], b.memory(x.k["message"], x.k["index"])
        here, got = z3.And(v.t == x.k.caller, v.i == page), a.mapped(x.k.caller, page)
        mapped = z3.And(here, b.mapped(v.t, v.i) == none, page != NO_PAGE, a.mapped(v.t, v.i) == carried)
        kept = z3.Or(kept, z3.And(here, page != NO_PAGE, a.inheritance(v.t, v.i) == INHERITANCE.INHERIT_COPY))
        whole = z3.And(page >= 0, page < x.k.pages, got == carried, a.content(got) == b.content(carried))
        yield "what is received is what was sent", z3.Or(page == NO_PAGE, whole)
        room = z3.And(v.i >= 0, v.i < x.k.pages, b.mapped(x.k.caller, v.i) == none)
        yield "it is lost only for lack of room", forall([v.i], z3.Implies(page == NO_PAGE, z3.Not(room)))
        yield "it is no longer in the message", a.memory(x.k["message"], x.k["index"]) == none
    elif x.rule == "vm_inherit" and success:
        asked = z3.Or(*[z3.And(x.k["inheritance"] == int(value), a.inheritance(v.t, v.i) == INHERITANCE.of(value)) for value in Inheritance])
        here = z3.And(v.t == target, v.i == x.k["address"], b.mapped(v.t, v.i) != none)
        kept = z3.If(here, asked, kept)
    yield "maps", forall([v.t, v.i], z3.Implies(z3.And(lives, a.mapped(v.t, v.i) != b.mapped(v.t, v.i)), mapped))
    yield "contents", forall([v.o], z3.Implies(z3.And(b.object_made(v.o), a.content(v.o) != b.content(v.o)), written))
    yield "inheritance", forall([v.t, v.i], z3.Implies(lives, kept))
    yield "objects", forall([v.o], z3.Implies(b.object_made(v.o), a.object_made(v.o)))
