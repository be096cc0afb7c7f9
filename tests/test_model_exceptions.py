"""Exception ports in the specification: groups in order, room for some of them, and what stays where there is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from model_driver import Pair, assumptions_are_possible, broken_when, then

from sendright.mach.calls import Call, Result
from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import MANUAL, OSF
from sendright.mach.rights import EXC_MASK_ALL, Place, Right
from sendright.mach.snapshot import differences
from sendright.model.actions import place_slot
from sendright.model.rules import Context
from sendright.model.sorts import KIND
from sendright.model.state import After

BAD_ACCESS, BAD_INSTRUCTION, ARITHMETIC, EMULATION = 2, 4, 8, 16


@pytest.fixture(params=[MANUAL, OSF], ids=["manual", "osf"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def put(pair: Pair, mask: int, port: int, behavior: int = 1, flavor: int = 0) -> str:
    arguments = {"exception_mask": mask, "new_port": port, "behavior": behavior, "new_flavor": flavor}
    return pair.code("task_set_exception_ports", task=pair.own, **arguments)


def told(pair: Pair, mask: int = EXC_MASK_ALL, count: int = 32) -> list[tuple[int, int, int, int]]:
    """Mask, port, behaviour and flavour of each group."""
    found = pair.does("task_get_exception_ports", task=pair.own, exception_mask=mask, count=count)
    return list(zip(found["masks"], found["ports"], found["behaviors"], found["flavors"], strict=True))


def test_types_with_one_port_behaviour_and_flavour_are_a_group(pair: Pair) -> None:
    assert put(pair, BAD_ACCESS | ARITHMETIC, pair.own, 2, 5) == "KERN_SUCCESS"
    assert put(pair, BAD_INSTRUCTION, pair.own, 2, 6) == "KERN_SUCCESS"
    rest = EXC_MASK_ALL - BAD_ACCESS - ARITHMETIC - BAD_INSTRUCTION
    assert told(pair) == [(BAD_ACCESS | ARITHMETIC, pair.own, 2, 5), (BAD_INSTRUCTION, pair.own, 2, 6), (rest, 0, 0, 0)]
    assert told(pair, ARITHMETIC | EMULATION) == [(ARITHMETIC, pair.own, 2, 5), (EMULATION, 0, 0, 0)]
    assert told(pair, count=1) == [(BAD_ACCESS | ARITHMETIC, pair.own, 2, 5)]
    assert told(pair, count=0) == []
    assert told(pair, 0) == []


def test_dead_rights_are_one_group_and_none_another(pair: Pair) -> None:
    for mask in (BAD_ACCESS, ARITHMETIC):
        port = pair.does("mach_port_allocate", task=pair.own, right=int(Right.RECEIVE))
        assert pair.code("mach_port_insert_right", task=pair.own, name=port, poly=port, disposition=20) == "KERN_SUCCESS"
        assert put(pair, mask, port, flavor=7) == "KERN_SUCCESS"
        assert pair.code("mach_port_destroy", task=pair.own, name=port) == "KERN_SUCCESS"
    assert put(pair, EMULATION, 0, flavor=7) == "KERN_SUCCESS"
    assert told(pair, BAD_ACCESS | ARITHMETIC | EMULATION) == [(BAD_ACCESS | ARITHMETIC, 0xFFFFFFFF, 1, 7), (EMULATION, 0, 1, 7)]


@pytest.mark.parametrize("mask", [1, 1 << 10, EXC_MASK_ALL + 1, -2])
def test_bits_of_no_type(pair: Pair, mask: int) -> None:
    assert put(pair, mask, pair.own) == "KERN_INVALID_ARGUMENT"


def test_a_behaviour_matters_for_a_live_right_only(pair: Pair) -> None:
    assert put(pair, BAD_ACCESS, pair.own, 4) == "KERN_INVALID_ARGUMENT"
    assert put(pair, BAD_ACCESS, 0, 4) == "KERN_SUCCESS"
    assert put(pair, BAD_ACCESS, 0xFFFFFFFF, 0) == "KERN_SUCCESS"


def test_a_swap_leaves_what_there_is_no_room_for(pair: Pair) -> None:
    host = pair.does("mach_host_self")
    for mask, flavor in ((BAD_ACCESS | EMULATION, 1), (BAD_INSTRUCTION, 2), (ARITHMETIC, 3)):
        assert put(pair, mask, pair.own, 1, flavor) == "KERN_SUCCESS"
    mask = BAD_ACCESS | BAD_INSTRUCTION | ARITHMETIC | EMULATION
    new = {"exception_mask": mask, "new_port": host, "behavior": 3, "new_flavor": 9}
    was = pair.does("task_swap_exception_ports", task=pair.own, **new, count=2)
    assert (was["masks"], was["ports"], was["flavors"]) == ((BAD_ACCESS | EMULATION, BAD_INSTRUCTION), (pair.own, pair.own), (1, 2))
    assert told(pair, mask) == [(BAD_ACCESS | BAD_INSTRUCTION | EMULATION, host, 3, 9), (ARITHMETIC, pair.own, 1, 3)]


@pytest.mark.parametrize(
    "wrong",
    [{"masks": (2, 8)}, {"masks": (6,)}, {"ports": (0, 0)}, {"behaviors": (1,)}, {"flavors": (1,)}],
    ids=["two groups", "another type", "too many ports", "behaviour", "flavour"],
)
def test_a_wrong_answer(wrong: dict[str, Any]) -> None:
    pair = Pair()
    call = Call("task_get_exception_ports", {"task": pair.own, "exception_mask": BAD_ACCESS | ARITHMETIC})
    right = {"masks": (BAD_ACCESS | ARITHMETIC,), "ports": (0,), "behaviors": (0,), "flavors": (0,)}
    assert pair.kernel.call(0, call).outputs == right
    assert not pair.oracle.judge(0, call, Result(ReturnCode.KERN_SUCCESS, right | wrong)).agreed


def test_a_behaviour_that_nobody_set_is_seen() -> None:
    pair = Pair()
    assert put(pair, BAD_ACCESS, pair.own) == "KERN_SUCCESS"
    state = pair.state()
    wrong = msgspec.structs.replace(state.tasks[0], exceptions={Place.EXC_BAD_ACCESS: (2, 0)})
    [difference] = differences(pair.oracle.snapshot(), msgspec.structs.replace(state, tasks={0: wrong}))
    assert (difference.expected, difference.seen) == ("(1, 0)", "(2, 0)")


def test_a_right_that_is_not_given_up_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old right of one type is overwritten, and stays counted."""

    def leak(k: Context, after: After) -> None:
        held = place_slot(k.before, k.task_behind(k["task"]), Place.EXC_SOFTWARE)
        after.add("srights", k.before.port(held), 1)

    broken = broken_when(monkeypatch, "task_set_exception_ports", "each type in the mask has a copy of the right", then(leak), 8, 9)
    assert broken == {"invariant 8"}


def test_a_receive_right_in_a_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(k: Context, after: After) -> None:
        after.at("kind")[place_slot(k.before, k.task_behind(k["task"]), Place.EXC_SOFTWARE)] = KIND.RECEIVE

    broken = broken_when(monkeypatch, "task_set_exception_ports", "each type in the mask has a copy of the right", then(receive), 6, 42)
    assert broken == {"invariant 6", "invariant 42"}


@pytest.mark.parametrize("rule", ["task_set_exception_ports", "task_swap_exception_ports"])
def test_assumptions_are_possible(rule: str) -> None:
    assert assumptions_are_possible(rule)
