"""A server at work: it receives a request, runs the routine, and sends the reply, as ``mach_msg_server`` and MIG's
stubs do. Then its rights are judged."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.rights import Disposition, PortObject
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Entry, Snapshot
from sendright.mach.state.trace import Step, Violation
from sendright.properties.runs.judged_run import JudgedRun
from sendright.properties.servers.discipline import Dealing, What, faults
from sendright.properties.servers.library import LIBRARIES, RESERVED, Message, calls_to_destroy, make_each
from sendright.properties.servers.server import Request, Routine, Server

REPLY_ID = 100
"""MIG gives a reply the request's id plus this."""
MOST_SERVED = 1000
"""A server that is still not done after so many requests sends itself messages for ever."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request."""

    code: int
    """The code with which the loop goes on, or ends: MACH_MSG_SUCCESS if it could answer, or had to answer nothing."""
    request: Request | None = None
    """None: none was received."""
    answer: int = ReturnCode.KERN_SUCCESS
    """``RetCode``: what the routine, or MIG's stub, returned."""
    faults: tuple[Violation, ...] = ()
    """In which way the server's rights aren't as they should be."""


class Service:
    """A server on a judged run. Its calls raise what ``JudgedRun.call`` raises."""

    def __init__(self, run: JudgedRun, server: Server, task: int, own: int, port: int) -> None:
        """``own`` is the server's name for its task's port, ``port`` for the port on which it serves."""
        self.run, self.server, self.task, self.own, self.port = run, server, task, own, port
        self.library = LIBRARIES[base_of(run.profile.name)]
        self.shared: list[int] = []
        """The names of rights that clients can look up."""
        self._dealing = Dealing()

    @property
    def snapshot(self) -> Snapshot:
        """The state of the run."""
        return self.run.snapshot

    @property
    def names(self) -> Mapping[int, Entry]:
        """The server's space."""
        shown = self.snapshot.tasks.get(self.task)
        return {} if shown is None else shown.names

    # What a routine can do

    def call(self, name: str, /, **arguments: Any) -> Step:
        """Make a call as the server. The task that it acts on is the server's own, if none is given."""
        signature = SIGNATURES[name]
        if signature.target == "task" and signature.argument("task").object is PortObject.TASK:
            arguments.setdefault("task", self.own)
        return self.make(Call(name, arguments), "the routine")

    def make(self, call: Call, by: str) -> Step:
        """Make a call as the server; ``by`` says which part of it does."""
        made = self.run.call(self.task, call)
        self._dealing.by[made.index] = by
        return made

    def destroy(self, message: Message) -> None:
        """``mach_msg_destroy``."""
        self._destroy(message, "the routine's mach_msg_destroy")

    def share(self, name: int) -> None:
        """Let clients look up the right of this name: they get a send right to its port."""
        self.shared.append(name)

    def keeps(self, name: int, what: What | None = None) -> None:
        """Say that the server keeps what the request, or a call of the routine, gave it: a user reference of this name,
        the receive right, the port set, or the page of this address. (None: that of which it holds more afterwards.) Of
        a right that died on its way nothing can be kept."""
        if what == "page" or name not in RESERVED:
            self._dealing.kept.append((name, what))

    def gives_up(self, name: int, what: What | None = None) -> None:
        """Say that the server gives up what it has kept. (``what``: as of ``keeps``; None: that of which it holds less
        afterwards.)"""
        if what == "page" or name not in RESERVED:
            self._dealing.given_up.append((name, what))

    def reply(self, *descriptors: tuple[Any, ...]) -> None:
        """Say what the reply carries, if the routine succeeds: descriptors as arguments of ``mach_msg_send``."""
        self._dealing.reply = descriptors

    # The loop

    def serve_once(self) -> Served:
        """``mach_msg_server_once``: serve the oldest request, if there is one."""
        return self._serve(in_loop=False)

    def serve(self) -> list[Served]:
        """``mach_msg_server``, until it would wait for a request, or ends."""
        served: list[Served] = []
        while len(served) < MOST_SERVED:
            served.append(self._serve(in_loop=True))
            if served[-1].code != ReturnCode.MACH_MSG_SUCCESS or served[-1].request is None:
                break
        return served

    def _serve(self, in_loop: bool) -> Served:
        self._dealing = dealing = Dealing()
        before = self.snapshot
        received = self.make(Call("mach_msg_receive", {"port": self.port}), "the server loop")
        if received.code != ReturnCode.MACH_MSG_SUCCESS:
            return Served(code=received.code)
        request = dealing.request = Request.of(received)
        dealing.received = received
        answer, routine = self._answer(request)
        dealing.routine, dealing.answer = routine, answer
        code = self._finish(request, answer, in_loop)
        found: tuple[Violation, ...] = ()
        if code not in IN_PROGRESS and self.task in self.snapshot.tasks:
            found = faults(self.run, self.task, before, dealing)
            self.run.violations += found
        return Served(code=code, request=request, answer=answer, faults=found)

    def _answer(self, request: Request) -> tuple[int, str]:
        """MIG's demultiplexer and stub: the code that goes into the reply, and the routine's name."""
        routine: Routine | None = self.server.routines.get(request.id)
        if routine is None:
            return ReturnCode.MIG_BAD_ID, "no routine"
        if not routine.fits(request):
            return ReturnCode.MIG_BAD_ARGUMENTS, routine.name
        return routine.does(self, request), routine.name

    def _finish(self, request: Request, answer: int, in_loop: bool) -> int:
        """What the loop does after the routine: destroy the request if it failed, and send the reply."""
        if answer == ReturnCode.MIG_NO_REPLY:
            return ReturnCode.MACH_MSG_SUCCESS
        # MIG's stub has moved the reply right into the reply: that of an error is sent, too.
        sent = self._dealing.reply if answer == ReturnCode.KERN_SUCCESS else ()
        if answer != ReturnCode.KERN_SUCCESS:
            self._destroy(Message(0, 0, request.descriptors), "mach_msg_destroy of the request")
        reply = Message(request.reply, request.reply_disposition, sent)
        if not request.reply:
            if sent and self.library.destroys_unwanted_replies:
                self._destroy(reply, "mach_msg_destroy of the reply")
            return ReturnCode.MACH_MSG_SUCCESS
        step = self._send(request, reply, answer)
        if step.code not in self.library.unsent:
            return step.code
        if in_loop and self.library.mistakes_request_for_reply:
            taken_out = answer != ReturnCode.KERN_SUCCESS
            wrong = Message(0, 0, request.descriptors) if taken_out else request.message
            if request.descriptors:
                self._destroy(wrong, "mach_msg_destroy of the request, in place of the reply")
        elif sent or self.library.destroys_simple_replies:
            self._destroy(_returned(step, reply), "mach_msg_destroy of the reply")
        return ReturnCode.MACH_MSG_SUCCESS

    def _send(self, request: Request, reply: Message, answer: int) -> Step:
        arguments = {
            "dest": reply.remote,
            "dest_disposition": reply.remote_disposition,
            "id": request.id + REPLY_ID & 0x7FFFFFFF,
            "descriptors": reply.descriptors,
            "data": answer & 0xFFFFFFFF,
            "wait": self.library.waits_for_room and reply.remote_disposition == Disposition.MOVE_SEND,
        }
        return self.make(Call("mach_msg_send", arguments), "the reply")

    def _destroy(self, message: Message, by: str) -> None:
        make_each(calls_to_destroy(message, self.own, self.library), partial(self.make, by=by))


def _returned(step: Step, reply: Message) -> Message:
    """The unsent reply, as the kernel has left it: after a timeout its rights have come back, under names of the
    kernel's."""
    if step.code != ReturnCode.MACH_SEND_TIMED_OUT:
        return reply
    return Message(step.outputs["dest"], reply.remote_disposition, step.outputs["descriptors"])
