"""What holds of notifications whatever tasks do: rights that wait are counted, and the last sender never goes
unnoticed.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.kernel import NOTHING
from support.profiles import MANUAL_FIRST
from support.random_runs import RandomCaller, run

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, PortObject, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL, XNU, Profile
from sendright.mach.state.snapshot import EMPTY, Snapshot

D = Disposition
HAS_RECEIVE = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)

CARRIED = {
    SlotKind.SEND: (D.COPY_SEND, D.MOVE_SEND),
    SlotKind.RECEIVE: (D.MAKE_SEND, D.MAKE_SEND_ONCE, D.MAKE_SEND_ONCE, D.MOVE_RECEIVE),
    SlotKind.SEND_RECEIVE: (D.COPY_SEND, D.MOVE_SEND, D.MAKE_SEND, D.MAKE_SEND_ONCE, D.MOVE_RECEIVE),
    SlotKind.SEND_ONCE: (D.MOVE_SEND_ONCE,),
    SlotKind.DEAD_NAME: (D.COPY_SEND, D.MOVE_SEND, D.MOVE_SEND_ONCE),
}


class RequestingCaller(RandomCaller):
    """Draws calls that move, request and end rights. A task never loses its own port, so that it can always go on."""

    before: Snapshot | None = None

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.told: set[int] = set()
        """The ids of the notifications that were seen in queues."""

    def draw(self, state: Snapshot) -> tuple[int, Call]:
        """A live task and a call for it to make."""
        if self.before is not None:
            check_last_senders(self.before, state)
        self.before = state
        self.told |= {message.id for port in state.ports.values() for message in port.queue if message.from_kernel}
        number = self.random.choice(list(state.tasks))
        task = state.tasks[number]
        ports = [name for name, entry in task.names.items() if entry.port is not None and state.ports[entry.port].object is PortObject.TASK]
        if not ports:
            return number, Call("mach_task_self", {})
        if sum(entry.kind in HAS_RECEIVE for entry in task.names.values()) < 2:
            return number, Call("mach_port_allocate", {"task": ports[0], "right": 1})
        self.names = {name: entry for name, entry in task.names.items() if name not in ports}
        target = self.random.choice(ports)
        name = self.random.choice([*self.names, *self.names, NOTHING])
        call, arguments = self.random.choice(list(self._calls(target, name)))
        return number, Call(call, arguments, self.random.choice((0, 0, 0, 1)))

    def _calls(self, task: int, name: int) -> list[tuple[str, dict[str, Any]]]:
        """A call of each kind, those that matter most more than once."""
        random = self.random
        poly, disposition = self._right()
        dest, dest_disposition = self._right((*range(D.MOVE_SEND, D.MAKE_SEND_ONCE + 1),))
        notify, notify_disposition = self._right((D.MAKE_SEND_ONCE, D.MOVE_SEND_ONCE)) if random.random() < 0.9 else self._right()
        on = {"task": task, "name": name}
        asked = {"variant": random.choice((66, 69, 70, 72, 72)), "sync": random.choice((0, 0, 1)), "notify": notify}
        request = ("mach_port_request_notification", {**on, **asked, "notify_disposition": notify_disposition})
        body = tuple(self._right() for _ in range(random.randrange(3)))
        message = {
            "dest": dest,
            "dest_disposition": dest_disposition,
            "id": 72,
            "data": name,
            "descriptors": body,
            "send_notify": random.random() < 0.5,
        }
        send = ("mach_msg_send", message)
        receive = random.choice((("mach_msg_receive", {"port": name}), ("mach_msg", {**message, "port": name})))
        end = random.choice(
            (
                ("mach_port_deallocate", on),
                ("mach_port_destroy", on),
                ("mach_port_mod_refs", {**on, "right": random.randrange(5), "delta": -1}),
            )
        )
        insert = ("mach_port_insert_right", {"task": task, "name": random.choice((name, 30)), "poly": poly, "disposition": disposition})
        extract = ("mach_port_extract_right", {**on, "disposition": disposition})
        rare = random.choice(
            (
                ("task_create", {"parent_task": task}),
                ("task_terminate", {"task": task if random.random() < 0.5 else NULL_NAME}),
                ("task_set_special_port", {"task": task, "which": 4, "port": name}),
                ("mach_port_set_attributes", {**on, "flavor": 1, "info": (1,)}),
                ("mach_port_allocate", {"task": task, "right": random.choice((1, 1, 3, 4))}),
            )
        )
        return [request, request, request, send, send, receive, receive, end, insert, extract, rare]

    def _right(self, dispositions: tuple[int, ...] = tuple(D)[1:]) -> tuple[int, int]:
        fitting = [(name, each) for name, entry in self.names.items() for each in CARRIED.get(entry.kind, ()) if each in dispositions]
        if not fitting or self.random.random() < 0.05:
            return self.random.choice((NULL_NAME, DEAD_NAME, NOTHING)), dispositions[0]
        return self.random.choice(fitting)


def check_last_senders(before: Snapshot, after: Snapshot) -> None:
    """Whoever waits for the last send right has been told when it has gone: the right that waited waits no more."""
    for number in before.ports.keys() & after.ports.keys():
        if before.ports[number].send_rights and not after.ports[number].send_rights:
            assert after.ports[number].no_senders == EMPTY


def told_by(profile: Profile, seed: int) -> set[int]:
    caller = RequestingCaller(seed)
    run(profile, caller, 400)
    return caller.told


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.heavy) for seed in range(1, 12))])
@pytest.mark.parametrize("profile", MANUAL_FIRST)
def test_counts_agree(profile: Profile, seed: int) -> None:
    told_by(profile, seed)  # rights are counted, and names looked at, after every call


@pytest.mark.heavy
def test_these_calls_reach_every_kind_of_notification() -> None:
    for profile, extra in ((MANUAL, set[int]()), (XNU, {66})):
        assert set[int]().union(*(told_by(profile, seed) for seed in range(12))) == {65, 69, 70, 71, 72} | extra
