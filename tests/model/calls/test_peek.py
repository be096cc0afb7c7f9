"""Looking into a queue, in the specification: which message it describes, and when it describes none."""

from __future__ import annotations

from typing import Any

import pytest
from support.beside_oracle import Judged

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.profiles import XNU

PEEK = "mach_port_peek"
NOTHING = 77
FIRST = 5
"""The sequence number of the oldest message."""


@pytest.fixture
def judged() -> Judged:
    return Judged(XNU)


@pytest.fixture
def port(judged: Judged) -> int:
    """Three messages wait there, with the ids 40, 41 and 42."""
    name = judged.port()
    for number in range(3):
        judged.send(name, id=40 + number, data=number)
    judged.does("mach_port_set_seqno", name=name, seqno=FIRST)
    return name


@pytest.mark.parametrize(("seqno", "identity"), [(0, 40), (FIRST, 40), (FIRST + 1, 41), (FIRST + 2, 42), (FIRST + 3, None), (FIRST - 1, None)])
def test_which_message_is_told_of(judged: Judged, port: int, seqno: int, identity: int | None) -> None:
    if identity is None:
        assert judged.code(PEEK, name=port, seqno=seqno) == "KERN_FAILURE"
    else:
        told = judged.does(PEEK, name=port, seqno=seqno)
        assert (told["id"], told["sequence_number"]) == (identity, seqno or FIRST)
        assert judged.does("mach_msg_receive", port=port)["id"] == 40  # nothing has changed
    judged.run.finish()


@pytest.mark.parametrize(
    ("trailer", "size", "tokens"),
    [(0, 8, ((), ())), (1, 12, ((), ())), (2, 20, (BOOTSTRAP_SECURITY_TOKEN, ())), (3, 52, (BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN))],
)
def test_how_much_is_told(judged: Judged, port: int, trailer: int, size: int, tokens: tuple[Any, Any]) -> None:
    told = judged.does(PEEK, name=port, trailer=trailer, room=size)
    assert (told["trailer_size"], told["security_token"], told["audit_token"]) == (size, *tokens)
    assert judged.code(PEEK, name=port, trailer=trailer, room=size - 1) == "KERN_INVALID_VALUE"
    judged.run.finish()


def test_errors_in_their_order(judged: Judged, port: int) -> None:
    unfit = {"trailer": 4, "seqno": 99}
    assert judged.code(PEEK, task=1, name=NULL_NAME, **unfit) == "KERN_INVALID_TASK"
    for name in (NULL_NAME, DEAD_NAME):
        assert judged.code(PEEK, name=name, **unfit) == "KERN_INVALID_RIGHT"
    assert judged.code(PEEK, name=NOTHING, **unfit) == "KERN_INVALID_VALUE"
    assert judged.code(PEEK, name=NOTHING, trailer=-1) == "KERN_INVALID_VALUE"
    assert judged.code(PEEK, name=NOTHING, seqno=99) == "KERN_INVALID_NAME"
    for name in (judged.me, judged.port_set(port)):
        assert judged.code(PEEK, name=name, seqno=99) == "KERN_INVALID_RIGHT"
    assert judged.code(PEEK, name=port, seqno=99) == "KERN_FAILURE"
    assert judged.code(PEEK, name=judged.port()) == "KERN_FAILURE"
    judged.run.finish()


@pytest.mark.parametrize(
    "wrong", [{"id": 41}, {"sequence_number": 0}, {"size": 24}, {"trailer_size": 8}, {"security_token": ()}, {"audit_token": ()}]
)
def test_a_wrong_answer_is_found_out(judged: Judged, port: int, wrong: dict[str, Any]) -> None:
    right = judged.does(PEEK, name=port)
    [part] = wrong
    assert f"result {part}" in judged.would(PEEK, {**right, **wrong}, name=port).words


def test_another_message_than_the_one_that_was_asked_for(judged: Judged, port: int) -> None:
    second = judged.does(PEEK, name=port, seqno=FIRST + 1)
    assert not judged.would(PEEK, second, name=port).agreed


def test_who_sent_it_is_told(judged: Judged) -> None:
    """A message of another task's, which the bootstrap task looks at in that task's space."""
    theirs, free = 1 + len(XNU.bootstrap_names), 50
    port = judged.does("mach_port_construct", task=theirs)
    judged.does("mach_port_extract_right", task=theirs, name=port, disposition=Disposition.MAKE_SEND)
    judged.does("mach_msg_send", dest=judged.run.steps[-1].outputs["poly"], dest_disposition=Disposition.COPY_SEND, id=free)
    told = judged.does(PEEK, task=theirs, name=port)
    assert (told["id"], told["security_token"]) == (free, BOOTSTRAP_SECURITY_TOKEN)
    judged.run.finish()
