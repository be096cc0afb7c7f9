"""sendright's own traces as recordings: which task sent and received which message, also where one call does both."""

import msgspec
from support.kernel import Actor, Machine
from support.recordings import facts_in, only

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import code_name
from sendright.mach.abi.rights import Disposition
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.facts import Message
from sendright.mach.state.snapshot import changes
from sendright.mach.state.trace import Step, Trace

D = Disposition


class Recorded(ReferenceKernel):
    """The reference kernel. It keeps its calls as the steps of a trace."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def call(self, task: int, call: Call) -> Result:
        before = self.snapshot()
        result = super().call(task, call)
        self.steps.append(Step.of(len(self.steps), task, call, result, changes(before, self.snapshot())))
        return result


def messages(root: Actor) -> list[tuple[str, int | None, str]]:
    """What a reader of the trace finds: sent or received, by which task, with which id."""
    kernel = root.machine.kernel
    assert isinstance(kernel, Recorded)
    initial = Machine().snapshot()
    limits = {"urefs_max": MANUAL.urefs_max, "queue_limit": MANUAL.queue_limit}
    trace = Trace(implementation="x", profile="manual", initial=initial, steps=tuple(kernel.steps), final=kernel.snapshot(), **limits)
    return [(fact.action, fact.task.pid, fact.what) for fact in only(Message, facts_in(msgspec.json.encode(trace)))]


def test_a_call_that_sends_and_receives() -> None:
    root = Machine(kernel=Recorded()).root
    child, port = root.child(), root.port_with_send()
    root.gives(child, port, D.COPY_SEND)
    own = child.port()
    child.waits("mach_msg", dest=50, reply=own, reply_disposition=D.MAKE_SEND_ONCE, id=7, port=own, receive_wait=True)
    reply = root.receives(port)["reply"]
    root.sends(port, id=1)
    root.result("mach_msg", dest=reply, dest_disposition=D.MOVE_SEND_ONCE, id=107, port=port)
    child.goes_on()
    assert messages(root) == [
        ("sent", 1, "7"),
        ("received", 0, "7"),
        ("sent", 0, "1"),
        ("received", 0, "1"),
        ("sent", 0, "107"),
        ("received", 1, "107"),
    ]


def test_messages_that_it_destroys_were_not_received() -> None:
    """The kernel destroys the request, and the queue of the port in it."""
    root = Machine(kernel=Recorded()).root
    doomed, port = root.port_with_send(), root.port_with_send()
    for number in (1, 2):
        root.sends(doomed, id=number)
    root.sends(port, id=3)
    result = root.result("mach_msg", dest=root.me, descriptors=((doomed, D.MOVE_RECEIVE),), port=port)
    assert (code_name(result.code), result.outputs["id"]) == ("KERN_SUCCESS", 3)
    assert [each for each in messages(root) if each[0] == "received"] == [("received", 0, "3")]


def test_a_call_that_receives_nothing() -> None:
    root = Machine(kernel=Recorded()).root
    doomed = root.port_with_send()
    root.sends(doomed, id=1)
    result = root.result("mach_msg", dest=root.me, descriptors=((doomed, D.MOVE_RECEIVE),), port=doomed)
    assert code_name(result.code) == "MACH_RCV_INVALID_NAME"
    assert messages(root) == [("sent", 0, "1")]
