"""``mach_msg`` in scripts: which half its options ask for, for which half a timeout counts, and how it is resumed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.specified_kernel import SpecifiedKernel

from sendright.model.execution.oracle import Oracle
from sendright.properties.scripts.load import parse_script
from sendright.properties.scripts.replay import replay
from sendright.properties.scripts.steps import PlannedStep, UnmodelledStep

BOTH = "MACH_SEND_MSG|MACH_RCV_MSG"
WAITS = {"wait": True}


def step(call: str, args: dict[str, Any] | None = None, by: str = "A", **more: Any) -> dict[str, Any]:
    return {"as": by, "call": call, "args": args or {}, **more}


def script(*steps: dict[str, Any]) -> Any:
    return parse_script(json.dumps({"format": "mach-cases/1", "profile": "xnu", "cases": [{"id": "one", "steps": steps}]}).encode(), "suite.json")


def read(**args: Any) -> PlannedStep | UnmodelledStep:
    return script(step("mach_msg", {"dest": 7, "rcv_name": 9, **args})).cases[0].steps[0]


def planned(**args: Any) -> PlannedStep:
    found = read(**args)
    assert isinstance(found, PlannedStep), found
    return found


@pytest.mark.parametrize(
    ("options", "call"),
    [
        (None, "mach_msg"),
        (BOTH, "mach_msg"),
        (["SEND_MSG", "RCV_MSG"], "mach_msg"),
        (3, "mach_msg"),
        ("MACH_SEND_MSG|MACH_SEND_TIMEOUT", "mach_msg_send"),
        ("MACH_RCV_MSG|MACH_RCV_LARGE", "mach_msg_receive"),
    ],
)
def test_options_say_which_halves(options: Any, call: str) -> None:
    given = {} if options is None else {"options": options}
    found = planned(send_size=24, rcv_size=100, notify="MACH_PORT_NULL", **given)
    assert found.call == call
    assert {name for name in ("dest", "size", "port", "limit") if name in found.arguments} == {
        "mach_msg": {"dest", "size", "port", "limit"},
        "mach_msg_send": {"dest", "size"},
        "mach_msg_receive": {"port", "limit"},
    }[call]


@pytest.mark.parametrize(
    ("args", "sends", "receives"),
    [
        ({}, None, None),
        ({"timeout": None}, True, True),
        ({"timeout": 0}, False, False),
        ({"wait": True}, True, True),
        ({"options": BOTH}, True, True),
        ({"options": BOTH, "timeout": 10}, False, False),
        ({"options": BOTH + "|MACH_RCV_TIMEOUT", "timeout": 0}, True, False),
        ({"options": BOTH + "|MACH_SEND_TIMEOUT"}, False, True),
        ({"options": BOTH + "|MACH_SEND_TIMEOUT|MACH_RCV_TIMEOUT", "timeout": 5}, False, False),
        ({"options": BOTH, "wait": False}, False, False),
        ({"options": BOTH, "receive_wait": False}, True, False),
    ],
)
def test_for_which_half_a_timeout_counts(args: dict[str, Any], sends: bool | None, receives: bool | None) -> None:
    arguments = planned(**args).arguments
    assert (arguments.get("send_wait"), arguments.get("receive_wait")) == (sends, receives)


def test_one_half_waits_by_its_own_option() -> None:
    assert planned(options="MACH_SEND_MSG").arguments["wait"] is True
    assert planned(options="MACH_SEND_MSG|MACH_RCV_TIMEOUT").arguments["wait"] is True
    assert planned(options="MACH_RCV_MSG|MACH_RCV_TIMEOUT", timeout=0).arguments["wait"] is False


@pytest.mark.parametrize("args", [{"options": 0}, {"options": "MACH_RCV_LARGE"}, {"notify": "n"}, {"options": BOTH + "|MACH_SEND_TRAILER"}])
def test_what_is_not_modelled(args: dict[str, Any]) -> None:
    assert isinstance(read(**args), UnmodelledStep)


def test_header_words() -> None:
    found = planned(msgh_bits="MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)", msgh_local_port=9, rcv_size=64)
    names = ("dest_disposition", "reply", "reply_disposition", "port", "limit")
    assert [found.arguments[name] for name in names] == [19, 9, 21, 9, 64]


def test_a_request_and_its_reply() -> None:
    """The client may resume by the name of the call that it made, also when that waits for its message."""
    port, sends = step("mach_port_allocate", {"right": "RECEIVE"}, "T1"), "MAKE_SEND"
    steps = [
        {**port, "bind": {"name": "p"}},
        step("mach_port_insert_right", {"task": "T2", "name": 2819, "right": ["p", sends]}, "T1"),
        {**step("mach_port_allocate", {"right": "RECEIVE"}, "T2"), "bind": {"name": "r"}},
        step(
            "mach_msg",
            {"options": BOTH, "dest": 2819, "dest_disp": "COPY_SEND", "reply": ["r", "MAKE_SEND_ONCE"], "rcv_name": "r", "id": 5},
            "T2",
            expect={"ret": "MACH_RCV_IN_PROGRESS"},
        ),
        step("mach_msg", {"options": "MACH_RCV_MSG", "rcv_name": "p"}, "T1", bind={"reply": "once"}, expect={"msg_id": 5}),
        step("mach_msg", {"options": "MACH_SEND_MSG", "dest": ["once", "MOVE_SEND_ONCE"], "id": 105}, "T1", expect={"ret": 0}),
        {"as": "T2", "call": "mach_msg", "resume": True, "expect": {"ret": "MACH_MSG_SUCCESS", "msg_id": 105}},
    ]
    result = replay([script(*steps)], SpecifiedKernel, Oracle).cases[0]
    assert (result.verdict, result.reason, result.expected, result.seen) == ("passed", None, None, None)
