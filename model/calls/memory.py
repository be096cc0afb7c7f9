"""Memory, page by page: just enough to observe inheritance."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE
from sendright.mach.abi.rights import Inheritance
from sendright.model.language.evidence import page, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import INHERITANCE, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Int, Name, Object


def _map(k: Context, task: Name) -> Iterator[Case]:
    """The first tests of every vm call: the request, and the map behind the task port."""
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))


@rule(
    evidence=rests_on(
        "vm/vm_user.c: vm_allocate; vm/vm_map.c: vm_map_enter",
        xnu="vm/vm_user.c: mach_vm_allocate_external; vm/vm_map.c: vm_map_enter, vm_map_locate_space_fixed",
        manual=page("vm_allocate"),
    )
)
def vm_allocate(k: Context, task: Name, address: Int, anywhere: Bool, *, new_page: Int, new_object: Object) -> Iterator[Case]:
    """Make one zero-filled page, which children will get a copy of."""
    # NAMES
    b = k.before
    target = k.task_behind(task)
    page = z3.Int("page")

    def unmapped(page: Term) -> Term:
        return b.mapped(target, page) == k.sorts.no_object

    def within(page: Term) -> Term:
        return z3.And(page >= 0, page < k.pages)

    # CASES
    yield from _map(k, task)
    some_free = z3.Exists([page], z3.And(within(page), unmapped(page)))
    yield k.fails(ReturnCode.KERN_NO_SPACE, "no page is free", z3.And(anywhere, z3.Not(some_free)))
    yield k.fails(ReturnCode.KERN_INVALID_ADDRESS, "the address is outside the map", z3.And(z3.Not(anywhere), z3.Not(within(address))))
    yield k.fails(ReturnCode.KERN_NO_SPACE, "the page is in use", z3.And(z3.Not(anywhere), z3.Not(unmapped(address))))

    # RIGHTS
    def allocate(after: After, page: Term) -> None:
        after.assumptions += [z3.Not(b.object_made(new_object)), new_object != k.sorts.no_object]
        after.at("mapped")[(target, page)] = new_object
        after.at("inheritance")[(target, page)] = INHERITANCE.INHERIT_COPY
        after.at("content")[new_object] = z3.IntVal(0)
        after.at("object_made")[new_object] = z3.BoolVal(True)
        after.at("carrier_index")[new_object] = z3.IntVal(NO_PAGE)

    def allocate_anywhere(after: After) -> None:
        after.assumptions += [within(new_page), unmapped(new_page)]
        allocate(after, new_page)

    # REPLY
    yield k.succeeds("a page of the kernel's choice", anywhere, allocate_anywhere, address=new_page)
    yield k.succeeds("the requested page", k.otherwise(z3.Not(anywhere)), lambda after: allocate(after, address), address=address)


@rule(
    evidence=rests_on(
        "vm/vm_user.c: vm_inherit; vm/vm_map.c: vm_map_inherit",
        xnu="vm/vm_user.c: mach_vm_inherit; vm/vm_map.c: vm_map_inherit",
        manual=page("vm_inherit"),
    )
)
def vm_inherit(k: Context, task: Name, address: Int, inheritance: Int) -> Iterator[Case]:
    """Set what future children get of a page."""
    # NAMES
    target = k.task_behind(task)
    # CASES
    yield from _map(k, task)
    unknown = z3.Or(inheritance < 0, inheritance > int(Inheritance.NONE))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such inheritance", unknown)
    hole = k.before.mapped(target, address) == k.sorts.no_object
    yield k.fails(k.profile.hole_code, "the page is not allocated", hole)

    # RIGHTS
    def inherit(value: Inheritance) -> Case:
        def effect(after: After) -> None:
            after.at("inheritance")[(target, address)] = INHERITANCE.of(value)

        chosen = inheritance == int(value)
        return k.succeeds(f"children get {value.name}", k.otherwise(z3.And(z3.Not(hole), chosen), tested=chosen), effect)

    yield from (inherit(value) for value in Inheritance)


@rule(
    evidence=rests_on(
        "vm/vm_user.c: vm_read; vm/vm_map.c: vm_map_copyin_common",
        gnumach="vm/vm_user.c: vm_read; vm/vm_map.c: vm_map_copyin",
        xnu="vm/vm_user.c: mach_vm_read; vm/vm_map.c: vm_map_copyin_internal",
        manual=page("vm_read"),
    )
)
def vm_read(k: Context, task: Name, address: Int) -> Iterator[Case]:
    """Read a page."""
    # NAMES
    b = k.before
    there = b.mapped(k.task_behind(task), address)
    # CASES
    yield from _map(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ADDRESS, "the page is not allocated", there == k.sorts.no_object)
    # REPLY
    yield k.succeeds("the page's contents", k.otherwise(), value=b.content(there))


@rule(
    evidence=rests_on(
        "vm/vm_user.c: vm_write; vm/vm_map.c: vm_map_copy_overwrite",
        xnu_792="vm/vm_user.c: vm_write; vm/vm_map.c: vm_map_copy_overwrite_nested",
        xnu="vm/vm_user.c: mach_vm_write; vm/vm_map.c: vm_map_copy_overwrite_nested",
        manual=page("vm_write"),
    )
)
def vm_write(k: Context, task: Name, address: Int, value: Int) -> Iterator[Case]:
    """Write a page. All tasks that share it see the new contents."""
    # NAMES
    there = k.before.mapped(k.task_behind(task), address)
    # CASES
    yield from _map(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ADDRESS, "the page is not allocated", there == k.sorts.no_object)

    # RIGHTS
    def write(after: After) -> None:
        after.at("content")[there] = value

    yield k.succeeds("the page is written", k.otherwise(), write)


@rule(
    evidence=rests_on(
        "vm/vm_user.c: vm_deallocate; vm/vm_map.c: vm_map_remove",
        xnu="vm/vm_user.c: mach_vm_deallocate; vm/vm_map.c: vm_map_delete",
        manual=page("vm_deallocate"),
    )
)
def vm_deallocate(k: Context, task: Name, address: Int) -> Iterator[Case]:
    """Give up a page. Other tasks that share it keep it."""
    # NAMES
    target = k.task_behind(task)
    # CASES
    yield from _map(k, task)
    hole = k.before.mapped(target, address) == k.sorts.no_object
    yield k.fails(k.profile.hole_code, "the page is not allocated", hole)

    # RIGHTS
    def deallocate(after: After) -> None:
        after.at("mapped")[(target, address)] = k.sorts.no_object

    yield k.succeeds("the page is gone", k.otherwise(z3.Not(hole)), deallocate)


@rule(
    evidence=rests_on(
        "vm/vm_user.c: vm_copy; vm/vm_map.c: vm_map_copyin_common, vm_map_copy_overwrite",
        gnumach="vm/vm_user.c: vm_copy; vm/vm_map.c: vm_map_copyin, vm_map_copy_overwrite",
        xnu="vm/vm_user.c: mach_vm_copy; vm/vm_map.c: vm_map_copyin_internal, vm_map_copy_overwrite_nested",
        manual=page("vm_copy"),
    )
)
def vm_copy(k: Context, task: Name, source_address: Int, dest_address: Int) -> Iterator[Case]:
    """Copy the contents of one page to another. All tasks that share the other page see them."""
    # NAMES
    b, target = k.before, k.task_behind(task)
    source, destination = b.mapped(target, source_address), b.mapped(target, dest_address)
    # CASES
    yield from _map(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ADDRESS, "the source is not allocated", source == k.sorts.no_object)
    yield k.fails(ReturnCode.KERN_INVALID_ADDRESS, "the destination is not allocated", destination == k.sorts.no_object)

    # RIGHTS
    def copy(after: After) -> None:
        after.at("content")[destination] = b.content(source)

    yield k.succeeds("the contents are the same", k.otherwise(), copy)
