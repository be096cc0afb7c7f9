"""Sending and receiving by one call (``mach_msg_trap``, ``mach_msg_overwrite_trap`` in ``ipc/mach_msg.c``)."""

from __future__ import annotations

from typing import Any

from sendright.impl.reference.calls.receive import ReceiveCalls
from sendright.impl.reference.calls.send import SendCalls
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import BlockedSend, Reception, Steps
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Result


def _before_receiving(sending: Steps, then: Reception) -> Steps:
    """The steps of a send as those of a call that receives afterwards."""
    try:
        while True:
            waiting = next(sending)
            if isinstance(waiting, BlockedSend):
                waiting.before(then)
            yield waiting
    except StopIteration as ended:
        result: Result = ended.value
        return result


class RpcCalls(SendCalls, ReceiveCalls):
    """The calls about messages: one that sends, one that receives, and one that does both."""

    def mach_msg(
        self,
        caller: Task,
        dest: int,
        dest_disposition: int,
        reply: int,
        reply_disposition: int,
        id: int,
        descriptors: tuple[tuple[Any, ...], ...],
        data: int,
        size: int,
        send_wait: bool,
        port: int,
        limit: int,
        large: bool,
        trailer: int,
        receive_wait: bool,
        send_notify: bool,
    ) -> Steps:
        """Send a message, and then receive one.

        If the message isn't sent, the call ends as ``mach_msg_send`` does, and nothing is received. The kernel looks at
        ``port`` only after the message has been sent: sending may end that name, or make it. So the errors of
        ``mach_msg_receive`` come with the message sent. Once it blocks for a message it is like that call.
        """
        header = (dest, dest_disposition, reply, reply_disposition)
        sending = self.mach_msg_send(caller, *header, id, descriptors, data, size, send_wait, send_notify)
        sent = yield from _before_receiving(sending, Reception(port, limit, large, trailer, receive_wait))
        if sent.code != ReturnCode.MACH_MSG_SUCCESS:
            return sent
        return (yield from self.mach_msg_receive(caller, port, limit, large, trailer, receive_wait))
