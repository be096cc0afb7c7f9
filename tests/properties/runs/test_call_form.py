"""The form of a recorded call's arguments: good ones pass, others are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from sendright.mach.kernel.call import Call
from sendright.model.execution.witnesses import all_witnesses, calls_of
from sendright.properties.runs.call_form import call_error


def test_recorded_calls_have_the_form() -> None:
    assert {call_error(call) for witness in all_witnesses() for _, call in calls_of(witness)} == {None}


@pytest.mark.parametrize(
    ("call", "argument", "value", "words"),
    [
        ("mach_port_type", "name", "abc", "the argument name is 'abc', not a number"),
        ("mach_port_type", "name", None, "the argument name is None, not a number"),
        ("mach_port_type", "name", True, "the argument name is True, not a number"),
        ("mach_port_type", "name", 2**64, "not a number"),
        ("mach_ports_register", "ports", 5, "the argument ports is 5, not a list of numbers"),
        ("mach_ports_register", "ports", ("a",), "not a list of numbers"),
        ("mach_msg_send", "wait", 3, "the argument wait is 3, not true or false"),
        ("mach_msg_send", "descriptors", "abc", "not a list of descriptors"),
        ("mach_msg_send", "descriptors", (("x", 19),), "not a list of descriptors"),
        ("mach_msg_send", "descriptors", ((1, 19, 2),), "not a list of descriptors"),
        ("mach_msg_send", "descriptors", ((),), "not a list of descriptors"),
        ("mach_msg_send", "descriptors", (1,), "not a list of descriptors"),
    ],
)
def test_what_has_another_form_is_told(call: str, argument: str, value: Any, words: str) -> None:
    assert words in (call_error(Call(call, {argument: value})) or "")


def test_a_long_value_is_shortened() -> None:
    assert len(call_error(Call("mach_port_type", {"name": "x" * 10_000})) or "") < 200


def test_an_unknown_call() -> None:
    assert "unknown call 'mach_port_typ'" in (call_error(Call("mach_port_typ", {})) or "")
