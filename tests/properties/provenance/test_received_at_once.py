"""Which message a call sent, where one call sends and receives: the sent message may be gone when the call ends."""

import msgspec
import pytest

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, SlotKind
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.signatures import OWN_CALLS, SIGNATURES
from sendright.mach.state.snapshot import Entry, Slot
from sendright.mach.state.trace import Step, Trace
from sendright.model.execution.oracle import Oracle
from sendright.model.language.sequences import _DECLARED
from sendright.properties.provenance.call_flows import _FLOWS, ADDED_FLOWS
from sendright.properties.provenance.derivation import unexplained
from sendright.properties.runs.judged_run import JudgedRun

ONCE = Disposition.MAKE_SEND_ONCE


class Ran:
    """A run of the bootstrap task, which has one port. Kernel and specification agree on every call."""

    def __init__(self) -> None:
        self.run = JudgedRun(ReferenceKernel(), Oracle(MANUAL), MANUAL, 10)
        self.run.boot()
        self.port = self.does("mach_reply_port").outputs["port"]

    def does(self, call: str, /, **arguments: object) -> Step:
        step = self.run.call(0, Call(call, dict(arguments)))
        assert not self.run.violations
        return step

    def both(self, *descriptors: tuple[int, int], port: int, limit: int = -1) -> Step:
        """Send to the port, and receive from this one."""
        sent = {"dest": self.port, "dest_disposition": ONCE, "descriptors": descriptors}
        return self.does("mach_msg", **sent, send_wait=False, port=port, limit=limit, receive_wait=False)

    def with_kernels_tokens(self) -> Trace:
        """The trace, if the last message of the port had the kernel's tokens."""
        trace = self.run.trace()
        number = next(number for number, port in trace.final.ports.items() if port.queue)
        *others, last = trace.final.ports[number].queue
        wrong = msgspec.structs.replace(last, security_token=KERNEL_SECURITY_TOKEN, audit_token=KERNEL_AUDIT_TOKEN)
        port = msgspec.structs.replace(trace.final.ports[number], queue=(*others, wrong))
        return msgspec.structs.replace(trace, final=msgspec.structs.replace(trace.final, ports={**trace.final.ports, number: port}))


def test_a_sent_message_that_is_lost_in_the_same_call() -> None:
    """What is left in the queue is a notification of the kernel's: the message carried a send-once right."""
    ran = Ran()
    assert ran.both((ran.port, ONCE), port=ran.port, limit=0).code == ReturnCode.MACH_RCV_TOO_LARGE
    assert unexplained(ran.run.trace()) == ()


def test_a_sent_message_that_is_received_in_the_same_call() -> None:
    ran = Ran()
    assert ran.both((ran.port, ONCE), port=ran.port).code == ReturnCode.KERN_SUCCESS
    assert unexplained(ran.run.trace()) == ()


@pytest.mark.parametrize("first", [False, True])
def test_a_sent_message_that_stays_has_its_senders_tokens(first: bool) -> None:
    """It stays if nothing is received, or a message that came before it."""
    ran = Ran()
    port = ran.port
    if first:
        ran.does("mach_msg_send", dest=port, dest_disposition=ONCE)
    else:
        port = ran.does("mach_reply_port").outputs["port"]
    step = ran.both(port=port)
    assert step.code == (ReturnCode.KERN_SUCCESS if first else ReturnCode.MACH_RCV_TIMED_OUT)
    assert unexplained(ran.run.trace()) == ()
    found = unexplained(ran.with_kernels_tokens())
    assert [each.kind for each in found] == ["derivation"]
    assert "carries security token" in found[0].words


def test_a_right_to_a_port_that_dies_in_the_same_call() -> None:
    """A right is sent, and then a message is lost, with the receive right of its port."""
    ran = Ran()
    own = ran.does("mach_task_self").outputs["port"]
    dying, other = (ran.does("mach_reply_port").outputs["port"] for _ in range(2))
    ran.does("mach_port_insert_right", task=own, name=dying, poly=dying, disposition=Disposition.MAKE_SEND)
    ran.does("mach_msg_send", dest=other, dest_disposition=ONCE, descriptors=((dying, Disposition.MOVE_RECEIVE),))
    step = ran.both((dying, Disposition.COPY_SEND), port=other, limit=0)
    assert step.code == ReturnCode.MACH_RCV_TOO_LARGE
    body = Slot("message", next(change.slot.owner for change in step.changes if change.slot.where == "message" and change.after.kind), 0)
    assert Entry(SlotKind.DEAD_NAME) in [change.after for change in step.changes if change.slot == body]
    assert unexplained(ran.run.trace()) == ()


def test_another_call_that_sends_and_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call does with messages is read from its signature, not from its name."""
    ran = Ran()
    assert ran.both(port=ran.does("mach_reply_port").outputs["port"]).code == ReturnCode.MACH_RCV_TIMED_OUT
    monkeypatch.setitem(SIGNATURES, "mach_msg_too", msgspec.structs.replace(SIGNATURES["mach_msg"], name="mach_msg_too"))
    monkeypatch.setitem(_DECLARED, ("mach_msg_too", False), _DECLARED["mach_msg", False])
    monkeypatch.setitem(ADDED_FLOWS, "mach_msg_too", _FLOWS["mach_msg"])

    def renamed(trace: Trace) -> Trace:
        steps = [msgspec.structs.replace(step, call="mach_msg_too") if step.call == "mach_msg" else step for step in trace.steps]
        return msgspec.structs.replace(trace, steps=tuple(steps))

    assert unexplained(renamed(ran.run.trace())) == ()
    assert len(unexplained(renamed(ran.with_kernels_tokens()))) == 1


def test_what_sends_and_what_receives() -> None:
    assert [name for name in OWN_CALLS if SIGNATURES[name].sends_message] == ["mach_msg_send", "mach_msg"]
    assert [name for name in OWN_CALLS if SIGNATURES[name].receives_message] == ["mach_msg_receive", "mach_msg"]
