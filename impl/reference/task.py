"""A task: names, special and exception ports, identity, ledgers, memory."""

from __future__ import annotations

from sendright.impl.reference.ledger import Ledger
from sendright.impl.reference.memory import AddressSpace
from sendright.impl.reference.message import Tokens
from sendright.impl.reference.port import NULL_RIGHT, Port, Right
from sendright.impl.reference.space import Space
from sendright.impl.reference.waiting import Steps, Wait
from sendright.mach.abi.rights import EXCEPTION_PLACES, REGISTERED_PLACES, Place, PortObject, SlotKind
from sendright.mach.state import snapshot
from sendright.mach.state.process import Process

LEDGER_PLACES = (Place.WIRED_LEDGER, Place.PAGED_LEDGER)
PLACES_IN_ORDER = (
    *(Place.KERNEL, Place.EXCEPTION, *EXCEPTION_PLACES, Place.HOST, Place.BOOTSTRAP),
    *(Place.ACCESS, Place.DEBUG_CONTROL, Place.RESOURCE_NOTIFY, *REGISTERED_PLACES, *LEDGER_PLACES),
)
"""The order in which a task's places end with it. (``ipc_task_terminate``)"""
PORTS_IN_ORDER = (PortObject.TASK_READ, PortObject.TASK, PortObject.TASK_NAME, PortObject.TASK_INSPECT, PortObject.TASK_RESUME)
"""The order in which a task's own ports die with it. (``ipc_task_terminate``)"""


class Task:
    """A live task. Its port stands for it: a send right to that port is all authority over the task."""

    __slots__ = (
        *("exceptions", "ledgers", "memory", "number", "places", "port", "ports", "privileged", "process", "space", "steps"),
        *("suspend_count", "tokens", "waiting"),
    )

    def __init__(self, number: int, port: Port, space: Space, tokens: Tokens, ledgers: tuple[Ledger, Ledger] | None) -> None:
        self.number = number
        self.port = port
        self.ports = {port.object: port}
        """Its own port, and its further ports, each of which the kernel makes when it first needs it."""
        self.space = space
        self.tokens = tokens
        self.process: Process | None = None
        """The process behind the task, if any."""
        self.ledgers = ledgers
        """The wired and the paged ledger that the task draws on, independent of its special ports."""
        self.places: dict[Place, Right] = {}
        """Its special, registered and exception ports; an empty place is absent. The task owns each right."""
        self.exceptions: dict[Place, tuple[int, int]] = {}
        """The behaviour and flavour that go with each exception port, unless both are 0."""
        self.privileged: set[Place] = set()
        """The exception places that root has set, maybe to nothing. They outlive a set-id image."""
        self.suspend_count = 0
        """How often it was suspended and not resumed. It makes calls only if this is 0."""
        self.memory = AddressSpace(number)
        self.waiting: Wait | None = None
        """The point at which its call is blocked or paused, if that hasn't ended. Until it ends the task makes no
        other call.
        """
        self.steps: Steps | None = None
        """The rest of that call."""
        port.task = space.task = self
        self.changed()

    def changed(self, place: int = 0) -> None:
        """Register that this task has changed since the last snapshot."""
        self.port.changes.tasks.add(self.number)

    def right_at(self, place: Place) -> Right:
        """The right in ``place``; the task keeps it."""
        return self.places.get(place, NULL_RIGHT)

    def put(self, place: Place, right: Right) -> Right:
        """Put ``right`` into ``place``; the right that was there is returned, for the caller to release."""
        old = self.places.pop(place, NULL_RIGHT)
        if right.kind is not SlotKind.NONE:
            self.places[place] = right
        self.changed()
        return old

    def put_exception(self, place: Place, right: Right, behaviour: int, flavour: int, privileged: bool) -> Right:
        """Put ``right``, with a behaviour and a flavour, into an exception ``place``; ``privileged`` says whether root
        does that. Returns the old right, as ``put`` does.
        """
        (self.privileged.add if privileged else self.privileged.discard)(place)
        self.exceptions.pop(place, None)
        if (behaviour, flavour) != (0, 0):
            self.exceptions[place] = behaviour, flavour
        return self.put(place, right)

    def set_tokens(self, tokens: Tokens) -> None:
        """Set both tokens, in one step. Messages that the task sent before keep theirs."""
        self.tokens = tokens
        self.changed()

    def set_process(self, process: Process) -> None:
        """Let ``process`` be behind this task. (The tokens are set apart from that: ``Core.set_identity``.)"""
        self.process = process
        self.changed()

    def set_port(self, port: Port) -> None:
        """Let ``port`` be the task's own port from now on."""
        self.port = self.ports[port.object] = port
        port.task = self
        self.changed()

    def suspend(self) -> None:
        """Count one more suspension. (``place_task_hold``)"""
        self.suspend_count += 1
        self.changed()

    def resume(self) -> bool:
        """Take back one suspension. Returns whether there was one. (``release_task_hold``)"""
        if self.suspend_count == 0:
            return False
        self.suspend_count -= 1
        self.changed()
        return True

    def resume_wholly(self) -> None:
        """Take back all suspensions. (``TASK_HOLD_LEGACY_ALL`` of ``release_task_hold``)"""
        self.suspend_count = 0
        self.changed()

    def wait(self, waiting: Wait | None, steps: Steps | None = None) -> None:
        """Record that the task's call is blocked or paused at ``waiting``; with None, that it has ended."""
        if waiting is not self.waiting:
            self.changed()
        self.waiting, self.steps = waiting, steps

    def show(self) -> snapshot.Task:
        """This task as a snapshot has it."""
        return snapshot.Task(
            self.port.number,
            self.tokens.security,
            self.tokens.audit,
            self.space.show(),
            {place: right.show(self) for place, right in self.places.items()},
            None if self.ledgers is None else (self.ledgers[0].port.number, self.ledgers[1].port.number),
            self.memory.show(),
            suspend_count=self.suspend_count,
            sets=self.space.sets.show(),
            exceptions=dict(self.exceptions),
            set_by_root=tuple(sorted(self.privileged)),
            died=self._show_died(),
            requests=self.space.shown_requests,
            send_possible=self.space.shown_send_possible or {},
            waiting=None if self.waiting is None else self.waiting.show(self),
            process=self.process,
        )

    def _show_died(self) -> dict[Place, int]:
        return {
            place: right.port.number
            for place, right in self.places.items()
            if place in EXCEPTION_PLACES and right.kind is SlotKind.SEND and not right.live
        }
