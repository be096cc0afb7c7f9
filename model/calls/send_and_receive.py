"""``mach_msg`` with both options: it sends a message, and then receives one.

The rules are those of a send and of a receive. A call that waits for room in a queue keeps what it will receive with.
Once it waits for a message, it is a receive like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.calls.messages import sending
from sendright.model.calls.receive import receiving
from sendright.model.language.evidence import page, rests_on
from sendright.model.language.rule import RESUMED_SEND, WILL_RECEIVE, Case, Context, rule
from sendright.model.language.sequences import CallerWaits, Driver, Steps, Value, run, sequence
from sendright.model.language.sorts import STAGE
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Int, Name


@rule(
    WILL_RECEIVE,
    resumes="SENDING",
    evidence=rests_on(
        "ipc/mach_msg.c: mach_msg_overwrite_trap",
        gnumach="ipc/mach_msg.c: mach_msg_trap",
        xnu="ipc/mach_msg.c: mach_msg2_trap, mach_msg_overwrite_trap",
        manual=page("mach_msg"),
    ),
)
def receives_later(k: Context, port: Name, limit: Int, large: Bool, trailer: Int, receive_wait: Bool) -> Iterator[Case]:
    """Keep the arguments of the receive, while the call waits to send.

    They are numbers: the name to receive from is looked up when the message is sent, whatever it denotes then.
    """
    # NAMES
    waits = k.before.stage(k.before.waits_with(k.caller)) == STAGE.WAITING

    # RIGHTS
    def keep(after: After) -> None:
        after.at("will_receive")[k.caller] = z3.BoolVal(True)
        after.at("waits_at")[k.caller] = port
        after.at("waits_limit")[k.caller] = limit
        after.at("waits_large")[k.caller] = large
        after.at("waits_trailer")[k.caller] = trailer
        after.at("will_wait")[k.caller] = receive_wait

    yield k.fails(ReturnCode.MACH_SEND_IN_PROGRESS, "the call will receive when it has sent", waits, keep)


@sequence("mach_msg")
def send_and_receive(
    d: Driver,
    dest: Value,
    dest_disposition: Value,
    reply: Value,
    reply_disposition: Value,
    descriptors: Value,
    send_wait: Value,
    receive_wait: Value,
) -> Steps:
    """Send as ``mach_msg_send``. If that succeeds, receive as ``mach_msg_receive``.

    A send that fails, or whose message is handed back, ends the call.
    """
    try:
        yield from sending(d, dest, dest_disposition, reply, reply_disposition, descriptors, send_wait, goes_on=True)
    except CallerWaits:
        yield run(WILL_RECEIVE)
        raise
    yield from receiving(d, run("mach_msg_receive", wait=receive_wait))


@sequence("mach_msg", resumed=True)
def go_on_sending_and_receive(d: Driver) -> Steps:
    """The message that waited is sent; then the call receives, with the arguments that it kept."""
    sent = yield run(RESUMED_SEND, goes_on=True)
    how = {name: sent[name] for name in ("port", "limit", "large", "trailer")}
    yield from receiving(d, run("mach_msg_receive", wait=sent["receive_wait"], **how))
