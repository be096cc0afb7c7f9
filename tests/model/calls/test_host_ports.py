"""The host's special ports in the specification: whoever has the privileged host port has them, and nobody else."""

from __future__ import annotations

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.specification import assumptions_are_possible, broken_when, then, without

from sendright.mach.abi.rights import PortObject, SlotKind
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.snapshot import Entry
from sendright.model.execution.oracle import broken_invariants
from sendright.model.language.actions import put
from sendright.model.language.rule import Context
from sendright.model.language.sorts import KIND, OBJECT
from sendright.model.language.state import After

KEEPS, GIVES = "the right is kept", "a clone of the special port"
NOT_PRIVILEGED = "host_priv is not the privileged host port"


@pytest.fixture
def judged() -> Judged:
    return Judged()


def get(judged: Judged, which: int, host_priv: str = "host_priv") -> str:
    return judged.code("host_get_special_port", host_priv=judged.named(host_priv), node=0, which=which)


def set_(judged: Judged, which: int, port: int, host_priv: str = "host_priv") -> str:
    return judged.code("host_set_special_port", host_priv=judged.named(host_priv), which=which, port=port)


@pytest.mark.parametrize(
    ("which", "code"), [(0, "KERN_INVALID_ARGUMENT"), (-1, "KERN_INVALID_ARGUMENT"), (12, "KERN_INVALID_ARGUMENT"), (11, "KERN_SUCCESS")]
)
def test_which_there_are(judged: Judged, which: int, code: str) -> None:
    """Number 0, the security port, and those below (hazard H-14) are refused."""
    assert get(judged, which) == code


@pytest.mark.parametrize(
    ("which", "code"), [(1, "KERN_INVALID_ARGUMENT"), (7, "KERN_INVALID_ARGUMENT"), (8, "KERN_SUCCESS"), (12, "KERN_INVALID_ARGUMENT")]
)
def test_which_can_be_set(judged: Judged, which: int, code: str) -> None:
    assert set_(judged, which, judged.me) == code


def test_a_right_is_kept_replaced_and_given(judged: Judged) -> None:
    assert set_(judged, 8, judged.me) == "KERN_SUCCESS"
    assert judged.does("host_get_special_port", host_priv=judged.named("host_priv"), node=7, which=8) == judged.me
    assert set_(judged, 8, 0xFFFFFFFF) == "KERN_SUCCESS"
    assert judged.does("host_get_special_port", host_priv=judged.named("host_priv"), which=8) == 0xFFFFFFFF
    assert set_(judged, 8, 0) == "KERN_SUCCESS"
    assert 8 not in judged.state().host_ports


@pytest.mark.parametrize("instead", ["host_security", "device_priv"])
def test_another_port_is_no_authority(judged: Judged, instead: str) -> None:
    assert get(judged, 1, instead) == "KERN_INVALID_ARGUMENT"
    assert set_(judged, 8, judged.me, instead) == "KERN_INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("entry", "numbers"),
    [
        (Entry(SlotKind.SEND, 6), {8}),
        (Entry(SlotKind.SEND_ONCE, 6), {9, 42, 102}),
        (Entry(SlotKind.DEAD_NAME, None, 1), {107}),
        (Entry(SlotKind.SEND, 99), {10}),
    ],
    ids=["uncounted", "send-once", "with references", "to a dead port"],
)
def test_wrong_host_ports_are_found(judged: Judged, entry: Entry, numbers: set[int]) -> None:
    state = judged.state()
    wrong = msgspec.structs.replace(state, host_ports={**state.host_ports, 8: entry})
    assert {int(each.name.split()[1][:-1]) for each in broken_invariants(wrong, MANUAL)} == numbers


@pytest.mark.parametrize(
    ("rule", "title", "numbers"),
    [
        pytest.param("host_get_special_port", GIVES, {22}, id="get", marks=pytest.mark.heavy),
        pytest.param("host_set_special_port", KEEPS, {22, 32}, id="set"),
    ],
)
def test_who_has_no_privileged_port_is_found(monkeypatch: pytest.MonkeyPatch, rule: str, title: str, numbers: set[int]) -> None:
    """A kernel that forgets to look at ``host_priv``. (What is still in a reply is not yet in the wrong hands.)"""
    assert broken_when(monkeypatch, rule, title, without(NOT_PRIVILEGED), 22, 32) == {f"step invariant {number}" for number in numbers}


def test_a_kernel_that_puts_the_security_port_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def leak(k: Context, after: After) -> None:
        security = z3.Const("security_port", k.sorts.Port)
        after.assumptions += [k.before.active(security), k.before.object(security) == OBJECT.of(PortObject.HOST_SECURITY)]
        put(after, k.sorts.Slot.host_slot(z3.IntVal(9)), KIND.SEND, security)

    assert broken_when(monkeypatch, "host_set_special_port", KEEPS, then(leak), 32) == {"step invariant 32"}


@pytest.mark.parametrize("rule", ["host_get_special_port", "host_set_special_port"])
def test_assumptions_are_possible(rule: str) -> None:
    assert assumptions_are_possible(rule)
