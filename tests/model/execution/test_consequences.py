"""The order of consequences, in every profile: what requesters hear when a task or a port ends, and in which order.

Each expectation is what the code of that profile's kernels leads to (see ``model/execution/consequences.py``). The
scripts in ``/tests/model/execution`` have no kernel: the specification alone says what is in the queues.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.by_hand import CHILD, ME, ByHand

from sendright.mach.abi.rights import Disposition, Notification, Right
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile

DELETED, DESTROYED, NONE, ONCE, DEAD = (
    int(each)
    for each in (
        Notification.PORT_DELETED,
        Notification.PORT_DESTROYED,
        Notification.NO_SENDERS,
        Notification.SEND_ONCE,
        Notification.DEAD_NAME,
    )
)
MAKE, MAKE_ONCE, MOVE, MOVE_RECEIVE = Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE, Disposition.MOVE_SEND, Disposition.MOVE_RECEIVE
ALL = list(PROFILES.values())


class Watched(ByHand):
    """The bootstrap task listens at a port and is told of what its child's ports and names go through.

    Names are given by small numbers, and have the profile's form.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.target = CHILD
        if profile.serves("task_create"):
            self.child()
        else:  # the other tasks are there from boot
            self.target = len(profile.bootstrap_names) + 1
        self.ear = self.receive(100, ME)

    def n(self, number: int) -> int:
        """The name with this number."""
        return self.profile.chosen_name(number)

    def receive(self, number: int, task: int | None = None) -> int:
        """A receive right of the child's (or another task's) under the name, with a new port, whose number is the result."""
        return self.port(self.n(number), task or self.target)

    def insert(self, number: int, right: int, disposition: int = MAKE) -> None:
        """The bootstrap task inserts a right of its own under a name of the child's."""
        self.says("mach_port_insert_right", {"task": self.target, "name": self.n(number), "poly": self.n(right), "disposition": disposition})

    def watch(self, number: int, what: int, at: int = 100, sync: int = 0) -> None:
        """The bootstrap task asks to be told about a name of the child's, at a port of its own."""
        given = {"task": self.target, "name": self.n(number), "variant": what, "sync": sync, "notify": self.n(at), "notify_disposition": MAKE_ONCE}
        self.says("mach_port_request_notification", given, previous=0)

    def own(self, number: int, disposition: int, *, by: int = 1) -> None:
        """The child makes a right of a receive right of its own, under the same name."""
        given = {"task": self.self_name, "name": self.n(number), "poly": self.n(number), "disposition": disposition}
        self.says("mach_port_insert_right", given, by=by)

    def send(self, to: int, *rights: tuple[int, int], by: int = 1, reply: tuple[int, int] = (0, 0)) -> None:
        """A message to a receive right of the sender's."""
        descriptors = [(self.n(number), disposition) for number, disposition in rights]
        given: dict[str, Any] = {"dest": self.n(to), "dest_disposition": MAKE, "descriptors": descriptors}
        if reply[0]:
            given |= {"reply": self.n(reply[0]), "reply_disposition": reply[1]}
        self.says("mach_msg_send", given, by=by)

    @property
    def self_name(self) -> int:
        """The child's name for itself."""
        if not hasattr(self, "_self_name"):
            self._self_name = self.n(90)
            self.says("mach_task_self", port=self._self_name, by=1)
        return self._self_name

    def end(self) -> list[int]:
        """The child ends: what the bootstrap task is told, in order."""
        self.says("task_terminate", {"task": self.target})
        return self.told()

    def told(self, port: int | None = None) -> list[int]:
        return [message.id for message in self.queue(self.ear if port is None else port)]


@pytest.fixture(params=ALL, ids=lambda profile: profile.name)
def run(request: pytest.FixtureRequest) -> Watched:
    return Watched(request.param)


def extract_once(run: Watched, name: int, to: int) -> None:
    """The child holds a send-once right to its own port, under another name (the bootstrap task puts it there)."""
    given = {"task": run.target, "name": run.n(name), "disposition": MAKE_ONCE}
    run.says("mach_port_extract_right", given, poly=run.n(60), acquired=Disposition.MOVE_SEND_ONCE)
    run.insert(to, 60, Disposition.MOVE_SEND_ONCE)


# ---- one name after another


def test_a_port_that_died_under_a_lower_name(run: Watched) -> None:
    run.receive(1)
    extract_once(run, 1, 2)
    run.watch(2, DEAD)
    assert run.end() == [DEAD]


def test_a_port_that_dies_under_a_higher_name(run: Watched) -> None:
    run.receive(5)
    extract_once(run, 5, 2)
    run.watch(2, DEAD)
    assert run.end() == [DELETED]
