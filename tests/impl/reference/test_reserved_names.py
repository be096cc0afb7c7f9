"""The names NULL and DEAD, where port calls have answers of their own for them, and where not."""

from typing import Any

import pytest
from support.kernel import Actor, Machine

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, RESERVED_NAMES, Right
from sendright.mach.kernel.profiles import PROFILES, Profile

NAME, RIGHT, ARGUMENT, VALUE, FAILURE = (f"KERN_{word}" for word in ("INVALID_NAME", "INVALID_RIGHT", "INVALID_ARGUMENT", "INVALID_VALUE", "FAILURE"))
NOTHING_GIVEN: dict[str, Any] = {}
SEND, RECEIVE, SEND_ONCE, PORT_SET, DEAD = Right


@pytest.fixture(params=PROFILES.values(), ids=PROFILES)
def root(request: pytest.FixtureRequest) -> Actor:
    profile: Profile = request.param
    return Machine(profile).root


def answers(root: Actor, call: str, answer: Any, **arguments: Any) -> None:
    """Where the names pass the call answers so (a code, or what success gives), and elsewhere that there is no such
    name.
    """
    if not root.machine.profile.serves(call):
        return
    if not root.machine.profile.reserved_names_pass:
        answer = NAME
    if isinstance(answer, str):
        assert root.refused(call, **arguments) == answer
    else:
        before = root.machine.snapshot()
        assert root.does(call, **arguments) == answer
        assert root.machine.snapshot() == before


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_answers(root: Actor, name: int) -> None:
    on = {"name": name}
    port, members = root.port(), root.does("mach_port_allocate", right=PORT_SET)
    for call in ("mach_port_deallocate", "mach_port_destroy"):
        answers(root, call, NOTHING_GIVEN, **on)
    for right in Right:
        passes = right in (SEND, SEND_ONCE)
        answers(root, "mach_port_get_refs", 1 if passes else NAME, right=right, **on)
        for delta in (-1, 0, 5):
            answers(root, "mach_port_mod_refs", NOTHING_GIVEN if passes else NAME, right=right, delta=delta, **on)
    answers(root, "mach_port_type", NAME if name == NULL_NAME else DEAD.type_bit, **on)
    answers(root, "mach_port_set_mscount", RIGHT, mscount=0, **on)
    answers(root, "mach_port_set_seqno", RIGHT, seqno=0, **on)
    answers(root, "mach_port_get_set_status", RIGHT, **on)
    answers(root, "mach_port_move_member", RIGHT, member=name, after=members)
    answers(root, "mach_port_insert_member", RIGHT, pset=members, **on)
    answers(root, "mach_port_insert_member", RIGHT, name=port, pset=name)
    answers(root, "mach_port_extract_member", RIGHT, pset=members, **on)
    answers(root, "mach_port_extract_member", RIGHT, name=port, pset=name)
    for call in ("mach_port_insert_member", "mach_port_extract_member"):
        answers(root, call, RIGHT, name=77, pset=name)
    answers(root, "mach_port_extract_right", RIGHT, disposition=19, **on)
    answers(root, "mach_port_get_attributes", (), flavor=1, **on)
    answers(root, "mach_port_get_attributes", RIGHT, flavor=2, **on)
    answers(root, "mach_port_set_attributes", RIGHT, flavor=1, info=(1,), **on)
    for variant, code in ((69, RIGHT), (70, RIGHT), (72, ARGUMENT)):
        answers(root, "mach_port_request_notification", code, variant=variant, **on)


def test_dead_is_no_set_to_move_into(root: Actor) -> None:
    for member in (root.port(), 77):
        answers(root, "mach_port_move_member", RIGHT, member=member, after=DEAD_NAME)


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_other_arguments_are_tested_before(root: Actor, name: int) -> None:
    assert root.refused("mach_port_deallocate", task=1, name=name) == "KERN_INVALID_TASK"
    number = root.machine.profile.right_number
    assert root.refused("mach_port_get_refs", name=name, right=number) == VALUE
    assert root.refused("mach_port_mod_refs", name=name, right=number, delta=0) == VALUE
    before_space = root.machine.profile.name in ("xnu-792", "xnu")
    for task, code in ((1, VALUE if before_space else "KERN_INVALID_TASK"), (root.me, VALUE)):
        assert root.refused("mach_port_allocate_name", task=task, right=RECEIVE, name=name) == code
    assert root.refused("mach_port_allocate_name", task=1, right=RECEIVE, name=77) == "KERN_INVALID_TASK"
    assert root.refused("mach_port_extract_right", name=name, disposition=22) == VALUE
    assert root.refused("mach_port_request_notification", name=name, variant=69, sync=1) == VALUE
    assert root.refused("mach_port_get_attributes", name=name, flavor=0) == ARGUMENT
    assert root.refused("mach_port_get_attributes", name=name, flavor=1, count=0) == FAILURE
    assert root.refused("mach_port_set_attributes", name=name, flavor=1, info=(-1,)) == VALUE
