"""Exception ports in the specification: groups in order, room for some of them, and what stays where there is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.beside_oracle import Judged
from support.specification import assumptions_are_possible, broken_when, then

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import EXC_MASK_ALL, Place, Right
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, OSF
from sendright.mach.state.snapshot import differences
from sendright.model.language.actions import place_slot
from sendright.model.language.rule import Context
from sendright.model.language.sorts import KIND
from sendright.model.language.state import After

BAD_ACCESS, BAD_INSTRUCTION, ARITHMETIC, EMULATION, SOFTWARE, BREAKPOINT = 2, 4, 8, 16, 32, 64


@pytest.fixture(params=[MANUAL, OSF], ids=["manual", "osf"])
def judged(request: pytest.FixtureRequest) -> Judged:
    return Judged(request.param)


def put(judged: Judged, mask: int, port: int, behavior: int = 1, flavor: int = 0) -> str:
    arguments = {"exception_mask": mask, "new_port": port, "behavior": behavior, "new_flavor": flavor}
    return judged.code("task_set_exception_ports", task=judged.me, **arguments)


def told(judged: Judged, mask: int = EXC_MASK_ALL, count: int = 32) -> list[tuple[int, int, int, int]]:
    """Mask, port, behaviour and flavour of each group."""
    found = judged.does("task_get_exception_ports", task=judged.me, exception_mask=mask, count=count)
    return list(zip(found["masks"], found["ports"], found["behaviors"], found["flavors"], strict=True))


def test_types_with_one_port_behaviour_and_flavour_are_a_group(judged: Judged) -> None:
    assert put(judged, BAD_ACCESS | ARITHMETIC, judged.me, 2, 5) == "KERN_SUCCESS"
    assert put(judged, BAD_INSTRUCTION, judged.me, 2, 6) == "KERN_SUCCESS"
    rest = EXC_MASK_ALL - BAD_ACCESS - ARITHMETIC - BAD_INSTRUCTION
    assert told(judged) == [(BAD_ACCESS | ARITHMETIC, judged.me, 2, 5), (BAD_INSTRUCTION, judged.me, 2, 6), (rest, 0, 0, 0)]
    assert told(judged, ARITHMETIC | EMULATION) == [(ARITHMETIC, judged.me, 2, 5), (EMULATION, 0, 0, 0)]
    room_matters = judged.profile.takes("task_get_exception_ports", "count")
    assert told(judged, count=1) == (told(judged)[:1] if room_matters else told(judged))
    assert told(judged, count=0) == ([] if room_matters else told(judged))
    assert told(judged, 0) == []


def test_a_type_whose_port_died_joins_no_group_and_one_set_to_dead_joins_the_first(judged: Judged) -> None:
    for mask in (BAD_ACCESS, ARITHMETIC):
        port = judged.does("mach_port_allocate", task=judged.me, right=int(Right.RECEIVE))
        assert judged.code("mach_port_insert_right", task=judged.me, name=port, poly=port, disposition=20) == "KERN_SUCCESS"
        assert put(judged, mask, port, flavor=7) == "KERN_SUCCESS"
        assert judged.code("mach_port_destroy", task=judged.me, name=port) == "KERN_SUCCESS"
    for mask, name in ((EMULATION, 0), (SOFTWARE, 0xFFFFFFFF), (BREAKPOINT, 0)):
        assert put(judged, mask, name, flavor=7) == "KERN_SUCCESS"
    groups = [(BAD_ACCESS | SOFTWARE, 0xFFFFFFFF, 1, 7), (ARITHMETIC, 0xFFFFFFFF, 1, 7), (EMULATION | BREAKPOINT, 0, 1, 7)]
    assert told(judged, BAD_ACCESS | ARITHMETIC | EMULATION | SOFTWARE | BREAKPOINT) == groups


@pytest.mark.parametrize("mask", [1, 1 << 10, EXC_MASK_ALL + 1, -2])
def test_bits_of_no_type(judged: Judged, mask: int) -> None:
    assert put(judged, mask, judged.me) == "KERN_INVALID_ARGUMENT"


def test_a_behaviour_matters_for_a_live_right_only(judged: Judged) -> None:
    assert put(judged, BAD_ACCESS, judged.me, 4) == "KERN_INVALID_ARGUMENT"
    assert put(judged, BAD_ACCESS, 0, 4) == "KERN_SUCCESS"
    assert put(judged, BAD_ACCESS, 0xFFFFFFFF, 0) == "KERN_SUCCESS"


def test_a_swap_leaves_what_there_is_no_room_for(judged: Judged) -> None:
    host = judged.does("mach_host_self")
    for mask, flavor in ((BAD_ACCESS | EMULATION, 1), (BAD_INSTRUCTION, 2), (ARITHMETIC, 3)):
        assert put(judged, mask, judged.me, 1, flavor) == "KERN_SUCCESS"
    mask = BAD_ACCESS | BAD_INSTRUCTION | ARITHMETIC | EMULATION
    new = {"exception_mask": mask, "new_port": host, "behavior": 3, "new_flavor": 9}
    was = judged.does("task_swap_exception_ports", task=judged.me, **new, count=2)
    if not judged.profile.takes("task_swap_exception_ports", "count"):
        assert (was["masks"], was["flavors"]) == ((BAD_ACCESS | EMULATION, BAD_INSTRUCTION, ARITHMETIC), (1, 2, 3))
        assert told(judged, mask) == [(mask, host, 3, 9)]
        return
    assert (was["masks"], was["ports"], was["flavors"]) == ((BAD_ACCESS | EMULATION, BAD_INSTRUCTION), (judged.me, judged.me), (1, 2))
    assert told(judged, mask) == [(BAD_ACCESS | BAD_INSTRUCTION | EMULATION, host, 3, 9), (ARITHMETIC, judged.me, 1, 3)]


@pytest.mark.parametrize(
    "wrong",
    [{"masks": (2, 8)}, {"masks": (6,)}, {"ports": (0, 0)}, {"behaviors": (1,)}, {"flavors": (1,)}],
    ids=["two groups", "another type", "too many ports", "behaviour", "flavour"],
)
def test_a_wrong_answer(wrong: dict[str, Any]) -> None:
    judged = Judged()
    call = Call("task_get_exception_ports", {"task": judged.me, "exception_mask": BAD_ACCESS | ARITHMETIC})
    right = {"masks": (BAD_ACCESS | ARITHMETIC,), "ports": (0,), "behaviors": (0,), "flavors": (0,)}
    assert judged.kernel.call(0, call).outputs == right
    assert not judged.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, right | wrong)).agreed


def test_a_behaviour_that_nobody_set_is_seen() -> None:
    judged = Judged()
    assert put(judged, BAD_ACCESS, judged.me) == "KERN_SUCCESS"
    state = judged.state()
    wrong = msgspec.structs.replace(state.tasks[0], exceptions={Place.EXC_BAD_ACCESS: (2, 0)})
    [difference] = differences(judged.oracle.snapshot(), msgspec.structs.replace(state, tasks={0: wrong}))
    assert (difference.expected, difference.seen) == ("(1, 0)", "(2, 0)")


def test_a_right_that_is_not_given_up_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old right of one type is overwritten, and stays counted."""

    def leak(k: Context, after: After) -> None:
        held = place_slot(k.before, k.task_behind(k["task"]), Place.EXC_SOFTWARE)
        after.add("srights", k.before.port(held), 1)

    broken = broken_when(monkeypatch, "task_set_exception_ports", "each type in the mask gets a copy of the right", then(leak), 8, 9)
    assert broken == {"invariant 8"}


def test_a_receive_right_in_a_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(k: Context, after: After) -> None:
        after.at("kind")[place_slot(k.before, k.task_behind(k["task"]), Place.EXC_SOFTWARE)] = KIND.RECEIVE

    broken = broken_when(monkeypatch, "task_set_exception_ports", "each type in the mask gets a copy of the right", then(receive), 42)
    assert broken == {"invariant 42"}


@pytest.mark.parametrize("rule", ["task_set_exception_ports", "task_swap_exception_ports"])
def test_assumptions_are_possible(rule: str) -> None:
    assert assumptions_are_possible(rule)
