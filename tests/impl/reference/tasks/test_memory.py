"""One page of memory at a time, and what children inherit."""

import pytest
from support.kernel import Actor, Machine

from sendright.mach.abi.rights import Inheritance
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, Profile
from sendright.mach.state.snapshot import Page

SHARE, COPY, NONE = Inheritance


@pytest.fixture
def root() -> Actor:
    return Machine().root


def page(root: Actor, address: int, inheritance: int, value: int = 7) -> None:
    root.does("vm_allocate", address=address)
    root.does("vm_inherit", address=address, inheritance=inheritance)
    root.does("vm_write", address=address, value=value)


def test_a_new_page_is_zero_and_will_be_copied(root: Actor) -> None:
    assert root.does("vm_allocate", address=3) == 3
    assert root.page(3) == Page(0, COPY, (0, 3))
    assert root.does("vm_read", address=3) == 0


def test_anywhere_is_the_lowest_free_page(root: Actor) -> None:
    root.does("vm_allocate", address=0)
    root.does("vm_allocate", address=2)
    assert root.does("vm_allocate", anywhere=True, address=99) == 1
    assert root.does("vm_allocate", anywhere=True) == 3


def test_an_address_space_is_finite(root: Actor) -> None:
    for _ in range(16):
        root.does("vm_allocate", anywhere=True)
    assert root.refused("vm_allocate", anywhere=True) == "KERN_NO_SPACE"
    assert root.refused("vm_allocate", address=15) == "KERN_NO_SPACE"


@pytest.mark.parametrize("address", [-1, 16])
def test_an_address_outside(root: Actor, address: int) -> None:
    assert root.refused("vm_allocate", address=address) == "KERN_INVALID_ADDRESS"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("vm_allocate", {"address": 99}),
        ("vm_inherit", {"address": 99, "inheritance": 99}),
        ("vm_read", {"address": 99}),
        ("vm_write", {"address": 99, "value": 1}),
    ],
)
def test_the_task_is_tested_first(root: Actor, call: str, arguments: dict[str, int]) -> None:
    assert root.refused(call, task=1, **arguments) == "KERN_INVALID_ARGUMENT"


def test_unallocated_memory(root: Actor) -> None:
    assert root.refused("vm_read", address=1) == "KERN_INVALID_ADDRESS"
    assert root.refused("vm_write", address=1, value=1) == "KERN_INVALID_ADDRESS"
    assert root.refused("vm_inherit", address=1, inheritance=SHARE) == "KERN_INVALID_ADDRESS"


@pytest.mark.parametrize("profile", [OSF, GNUMACH], ids=lambda profile: profile.name)
def test_other_kernels_pass_over_holes(profile: Profile) -> None:
    root = Machine(profile).root
    before = root.machine.snapshot()
    root.does("vm_inherit", address=1, inheritance=SHARE)
    assert root.machine.snapshot() == before


@pytest.mark.parametrize("inheritance", [-1, 3])
def test_an_unknown_inheritance(root: Actor, inheritance: int) -> None:
    assert root.refused("vm_inherit", address=99, inheritance=inheritance) == "KERN_INVALID_ARGUMENT"


def test_a_pages_inheritance_can_be_seen(root: Actor) -> None:
    root.does("vm_allocate", address=1)
    for inheritance in (SHARE, NONE, COPY):
        root.does("vm_inherit", address=1, inheritance=inheritance)
        assert root.page(1).inheritance == inheritance


def test_write_and_read(root: Actor) -> None:
    root.does("vm_allocate", address=1)
    root.does("vm_write", address=1, value=42)
    assert root.does("vm_read", address=1) == 42


def test_without_inherit_memory_a_child_has_none(root: Actor) -> None:
    page(root, 1, SHARE)
    assert root.child().shown.memory == {}


def test_a_child_inherits_page_by_page(root: Actor) -> None:
    for address, inheritance in ((1, SHARE), (2, COPY), (3, NONE)):
        page(root, address, inheritance)
    child = root.child(inherit_memory=True)
    assert child.shown.memory == {1: Page(7, SHARE, (0, 1)), 2: Page(7, COPY, (1, 2))}
    assert child.refused("vm_read", address=3) == "KERN_INVALID_ADDRESS"


def test_a_copied_page_is_private_both_ways(root: Actor) -> None:
    page(root, 2, COPY)
    child = root.child(inherit_memory=True)
    root.does("vm_write", address=2, value=8)
    child.does("vm_write", address=2, value=9)
    assert (root.page(2).value, child.page(2).value) == (8, 9)


def test_a_shared_page_is_seen_by_all(root: Actor) -> None:
    page(root, 1, SHARE)
    child = root.child(inherit_memory=True)
    grandchild = child.child(inherit_memory=True)
    grandchild.does("vm_write", address=1, value=9)
    assert [actor.does("vm_read", address=1) for actor in (root, child, grandchild)] == [9, 9, 9]
    assert [actor.page(1) for actor in (root, child, grandchild)] == [Page(9, SHARE, (0, 1))] * 3


def test_inheritance_is_each_mappings_own(root: Actor) -> None:
    page(root, 1, SHARE)
    child = root.child(inherit_memory=True)
    root.does("vm_inherit", address=1, inheritance=NONE)
    assert child.page(1).inheritance == SHARE
    assert root.page(1).shares_with == child.page(1).shares_with


def test_a_shared_page_outlives_the_task_that_made_it(root: Actor) -> None:
    child = root.child()
    root.does("vm_allocate", task=child.seen_as, address=1)
    root.does("vm_inherit", task=child.seen_as, address=1, inheritance=SHARE)
    first, second = child.child(inherit_memory=True), child.child(inherit_memory=True)
    assert second.page(1).shares_with == (1, 1)
    child.does("task_terminate")
    assert (first.page(1).shares_with, second.page(1).shares_with) == ((2, 1), (2, 1))
    second.does("vm_write", address=1, value=4)
    assert first.page(1).value == 4


def test_an_address_whose_page_is_not_inherited_is_free(root: Actor) -> None:
    page(root, 3, NONE)
    assert root.child(inherit_memory=True).does("vm_allocate", address=3) == 3


def test_memory_is_reached_over_a_tasks_port(root: Actor) -> None:
    child = root.child()
    root.does("vm_allocate", task=child.seen_as, address=1)
    root.does("vm_write", task=child.seen_as, address=1, value=5)
    assert child.does("vm_read", address=1) == 5
    assert 1 not in root.shown.memory


# vm_deallocate


def test_a_page_that_is_given_up_is_gone(root: Actor) -> None:
    page(root, 1, COPY)
    page(root, 2, COPY)
    root.does("vm_deallocate", address=1)
    assert set(root.shown.memory) == {2}
    assert root.refused("vm_read", address=1) == "KERN_INVALID_ADDRESS"
    root.does("vm_allocate", address=1)
    assert root.page(1) == Page(0, COPY, (0, 1))


def test_who_shares_a_page_keeps_it(root: Actor) -> None:
    page(root, 1, SHARE)
    first, second = root.child(inherit_memory=True), root.child(inherit_memory=True)
    assert second.page(1).shares_with == (0, 1)
    root.does("vm_deallocate", address=1)
    assert (first.page(1), second.page(1)) == (Page(7, SHARE, (1, 1)), Page(7, SHARE, (1, 1)))
    second.does("vm_deallocate", address=1)
    assert first.page(1) == Page(7, SHARE, (1, 1))


@pytest.mark.parametrize(("profile", "code"), [(MANUAL, 1), (OSF, 0), (GNUMACH, 0)], ids=["manual", "osf", "gnumach"])
def test_deallocating_a_hole(profile: Profile, code: int) -> None:
    root = Machine(profile).root
    before = root.machine.snapshot()
    for address in (1, -1, 99):
        assert root.result("vm_deallocate", address=address).code == code
    assert root.machine.snapshot() == before


# vm_copy


def test_a_copy_is_of_contents_only(root: Actor) -> None:
    page(root, 1, SHARE, value=5)
    page(root, 2, NONE, value=6)
    root.does("vm_copy", source_address=1, dest_address=2)
    assert (root.page(1), root.page(2)) == (Page(5, SHARE, (0, 1)), Page(5, NONE, (0, 2)))
    root.does("vm_write", address=1, value=8)
    assert root.page(2).value == 5


def test_a_copy_is_seen_by_all_who_share_the_page(root: Actor) -> None:
    page(root, 1, COPY, value=5)
    page(root, 2, SHARE, value=6)
    child = root.child(inherit_memory=True)
    root.does("vm_write", address=1, value=9)
    root.does("vm_copy", source_address=1, dest_address=2)
    assert (child.page(1).value, child.page(2).value) == (5, 9)


def test_a_page_can_be_copied_to_itself(root: Actor) -> None:
    page(root, 1, COPY, value=5)
    before = root.machine.snapshot()
    root.does("vm_copy", source_address=1, dest_address=1)
    assert root.machine.snapshot() == before


def test_copying_needs_both_pages(root: Actor) -> None:
    page(root, 1, COPY)
    assert root.refused("vm_copy", source_address=1, dest_address=2) == "KERN_INVALID_ADDRESS"
    assert root.refused("vm_copy", source_address=2, dest_address=1) == "KERN_INVALID_ADDRESS"


def test_deallocate_and_copy_need_a_task(root: Actor) -> None:
    assert root.refused("vm_deallocate", task=1, address=9) == "KERN_INVALID_ARGUMENT"
    assert root.refused("vm_copy", task=1, source_address=9, dest_address=9) == "KERN_INVALID_ARGUMENT"
