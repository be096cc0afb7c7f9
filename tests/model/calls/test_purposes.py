"""Ports that are made for one purpose: kernel and rules agree, call by call; wrong answers are found out; mistakes in
rules break a property.
"""

from __future__ import annotations

from typing import Any

import pytest
import z3
from support.beside_oracle import Judged
from support.mutants import Change, instead, quick, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortAttributes, PortPurpose
from sendright.mach.abi.rights import NULL_NAME, Disposition
from sendright.mach.kernel.profiles import XNU
from sendright.model.language.sorts import PURPOSE

MAKE, SEND, GET, SET = "mach_port_construct", "mach_msg_send", "mach_port_get_attributes", "mach_port_set_attributes"
SET_EXCEPTION = "task_set_exception_ports"
MADE = "a receive right with a new port"
THROTTLED = int(PortAttributes.SERVICE_THROTTLED)
REPLIES = {"dest_disposition": int(Disposition.COPY_SEND), "reply_disposition": int(Disposition.MAKE_SEND_ONCE)}


@pytest.fixture
def judged() -> Judged:
    return Judged(XNU)


def made(judged: Judged, *options: str) -> int:
    name: int = judged.does(MAKE, **dict.fromkeys(options, True))
    return name


@pytest.mark.parametrize("purpose", ["reply", "provisional_reply", "enforce_reply", "exception", "service"])
def test_they_agree_on_what_a_port_is_made_for(judged: Judged, purpose: str) -> None:
    made(judged, purpose, "insert_send")
    made(judged, purpose, "context_as_guard")
    assert judged.code(MAKE, task=1, reply=True, exception=True) == "KERN_INVALID_ARGUMENT"
    judged.run.finish()


def test_they_agree_on_replies(judged: Judged) -> None:
    server, plain = made(judged, "enforce_reply", "insert_send"), judged.port()
    for client in (made(judged, "reply"), made(judged, "provisional_reply")):
        assert judged.code(SEND, dest=server, reply=client, **REPLIES) == "KERN_SUCCESS"
        assert judged.code(SEND, dest=client, reply=plain, dest_disposition=21, reply_disposition=21) == "KERN_SUCCESS"
    for client in (plain, server, made(judged, "exception")):
        assert judged.code(SEND, dest=server, reply=client, **REPLIES) == "MACH_SEND_INVALID_REPLY"
    assert judged.code(SEND, dest=server, reply=NULL_NAME, **REPLIES) == "KERN_SUCCESS"
    judged.run.finish()


def test_they_agree_on_exceptions(judged: Judged) -> None:
    given = {"exception_mask": 2, "behavior": 1, "new_flavor": 1}
    judged.does(SET_EXCEPTION, **given, new_port=made(judged, "exception", "insert_send"))
    unfit = judged.does(MAKE, insert_send=True, context_as_guard=True, immovable=True)
    assert judged.code(SET_EXCEPTION, **given, new_port=unfit) == "KERN_INVALID_RIGHT"
    judged.run.finish()


def test_they_agree_on_services(judged: Judged) -> None:
    name = made(judged, "service")
    for info, told in (((1, 7), 1), ((), 0), ((-1,), 1), ((0,), 0)):
        judged.does(SET, name=name, flavor=THROTTLED, info=info)
        assert judged.does(GET, name=name, flavor=THROTTLED, count=0) == (told,)
    judged.run.finish()


def test_a_wrong_answer_about_a_service(judged: Judged) -> None:
    name = made(judged, "service")
    assert not judged.would(GET, {"info": (1,)}, name=name, flavor=THROTTLED, count=1).agreed


@pytest.mark.parametrize("code", [ReturnCode.MACH_SEND_INVALID_REPLY, ReturnCode.KERN_SUCCESS])
def test_a_wrong_answer_about_a_reply(judged: Judged, code: ReturnCode) -> None:
    server = made(judged, "enforce_reply", "insert_send")
    client = judged.port() if code is ReturnCode.KERN_SUCCESS else made(judged, "reply")
    assert not judged.would(SEND, code=code, dest=server, reply=client, **REPLIES).agreed


def given_to_new(**fields: Any) -> Change:
    def change(k: Any, after: Any) -> None:
        for field, value in fields.items():
            after.at(field)[k["new_port"]] = value

    return then(MADE, change)


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        (MAKE, MADE, 210, given_to_new(purpose=PURPOSE.of(PortPurpose.REPLY))),
        (MAKE, MADE, 201, given_to_new(is_service=z3.BoolVal(False))),
        (MAKE, MADE, 210, given_to_new(is_immovable=z3.BoolVal(False))),
        (SEND, "the header is valid", 211, lambda k, case: iter([] if case.title == "the destination needs a reply port" else [case])),
        (SET, "the service is throttled, or no longer", 210, instead("the service is throttled, or no longer", lambda k, after: None)),
        (GET, "whether the service is throttled", 208, telling("whether the service is throttled", **{"info.throttled": lambda k: z3.IntVal(0)})),
    ],
)
def test_what_a_mistake_breaks(rule: str, title: str, number: int, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU) == {f"step invariant {number}"}


def test_a_throttled_port_that_is_no_service_breaks_the_invariant() -> None:
    change = given_to_new(is_throttled=z3.BoolVal(True), is_service=z3.BoolVal(False))
    assert seen(MAKE, MADE, (136,), change, profile=XNU) == {"invariant 136"}
