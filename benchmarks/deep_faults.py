"""Which faults that show only in rare situations does a default check find, and how fast?

Each fault changes a line or two of the reference kernel. Several of these lines depend on how the kernel is written;
then a fault has a change for each way. The check is the one that ``sendright check`` makes: first the recorded runs,
then random ones. ``--plain`` leaves out the random runs with plans.

    python benchmarks/deep_faults.py [--profile P …] [--fault F …] [--seconds S] [--seed N] [--plain] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties import check as checking
from sendright.properties.mutants.source import TextChange, Unit, compiled, running

SECONDS = 60.0


def _change(where: str, *texts: str) -> TextChange:
    """A change of ``module:function`` or ``module:Class.method`` of the reference kernel: old text, new text, and so
    on.
    """
    module, _, name = where.partition(":")
    owner, _, method = name.rpartition(".")
    return TextChange(Unit(f"sendright.impl.reference.{module}", owner, method), tuple(zip(texts[::2], texts[1::2], strict=True)))


@dataclass(frozen=True)
class Fault:
    """One fault."""

    name: str
    words: str
    changes: tuple[TextChange, ...]
    """The first one that fits the kernel is made."""
    profiles: frozenset[str] = frozenset(PROFILES)
    """Where it makes a difference."""

    @property
    def change(self) -> TextChange | None:
        """The change that fits the kernel; None: none does."""
        return next((change for change in self.changes if change.node() is not None), None)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """In the block, the reference kernel has the fault. Raises ValueError if it doesn't fit the kernel."""
        change = self.change
        node = None if change is None else change.node()
        if change is None or node is None:
            raise ValueError(f"{self.name}: the reference kernel has no such text")
        with running(compiled(change.unit, node), change.unit):
            yield


_INNER = "port.in_transit_to is not None and port.in_transit_to.in_transit_to is not None"
_INMOST = f"{_INNER} and port.in_transit_to.in_transit_to.in_transit_to is not None"
_SECURITY = frozenset({"manual", "xnu-792"})
_LEDGERS = frozenset({"manual", "osf", "xnu-792"})
_TRAILERS = frozenset({"manual", "osf", "xnu-792"})
_SEND_POSSIBLE = frozenset(profile.name for profile in PROFILES.values() if profile.send_possible)


def _leaks(name: str, words: str, condition: str) -> Fault:
    """A fault in which the queue of some ports isn't destroyed when they die."""
    return Fault(
        name,
        words,
        (
            _change("core:Core.end_port", "for message in port.queue:", f"for message in () if {condition} else port.queue:"),
            _change("core:Core.destroy_port", "for message in port.queue for", f"for message in (() if {condition} else port.queue) for"),
        ),
    )


DEEP_FAULTS: tuple[Fault, ...] = (
    Fault(
        "circle-of-queues",
        "only a message to the very port whose receive right it carries is taken for circular",
        (_change("message:Message.circular", "while port is not None and port.alive and port not in moved:", "while False:"),),
    ),
    Fault(
        "waiting-send-leaks",
        "a task that ends while it waits to send leaks the rights of its message",
        (
            _change("calls.tasks:TaskCalls._interrupt", "if task.waiting is None:", "if task.waiting is None or task.waiting.hands_back:"),
            _change("waiting:BlockedSend.rights", "return self.message.rights", "return ()"),
        ),
    ),
    Fault(
        "dead-queue-leaks-waiting-send",
        "a message that waits for room isn't destroyed when its port dies",
        (
            _change("calls.send:SendCalls._deliver_later", "self.destroy_message(message.rights)", "pass"),
            _change("calls.send:SendCalls._deliver_later", "self.release(message.rights)", "pass"),
        ),
    ),
    Fault(
        "token-read-late",
        "a send that waited has the tokens that its task has when there is room",
        (
            _change(
                "calls.send:SendCalls.deliver",
                "yield from self._deliver_later(caller, message)\n",
                "yield from self._deliver_later(caller, message)\n"
                "        if port.alive and port.queue and port.queue[-1] is message:\n"
                "            port.queue[-1] = message._replace(tokens=caller.tokens)\n",
            ),
        ),
        _SECURITY,
    ),
    _leaks("queue-in-queue-leaks", "what is in the queue of a port that dies in a queue leaks", "port.in_transit_to is not None"),
    _leaks("queue-two-deep-leaks", "what is in the queue of a port that dies two queues deep leaks", _INNER),
    _leaks("queue-three-deep-leaks", "what is in the queue of a port that dies three queues deep leaks", _INMOST),
    *[
        Fault(
            f"watcher-{word}-not-told",
            f"only {'two' if count > 1 else 'one'} of a port's dead-name requests {'fire' if count > 1 else 'fires'}",
            (
                _change("core:Core.end_port", "in port.requests.in_order():", f"in list(port.requests.in_order())[:{count}]:"),
                _change("core:Core.destroy_port", "in port.watchers.items():", f"in list(port.watchers.items())[:{count}]:"),
            ),
        )
        for count, word in ((1, "two"), (2, "three"))
    ],
    Fault(
        "rescue-beside-send",
        "the send right beside a rescued receive right does what it does in other kernels",
        (
            _change(
                "calls.names:NameCalls.release_receive",
                "port.port_destroyed is not None and self.profile.send_survives_rescue",
                "port.port_destroyed is not None and not self.profile.send_survives_rescue",
            ),
            _change("calls.names:NameCalls.release_receive", "and not self.profile.send_survives_rescue", "and self.profile.send_survives_rescue"),
        ),
    ),
    Fault(
        "dead-name-lost-at-full-port",
        "a dead-name message to a full port is lost",
        (_change("notifications:notify", "if right.live:", "if right.live and not (id is Notification.DEAD_NAME and right.port.full):"),),
    ),
    Fault(
        "notify-right-given-up-twice",
        "the right of a no-senders request is given up twice if its port dies in a queue",
        (
            _change(
                "core:Core._give_up_no_senders",
                "notify(port.no_senders, Notification.SEND_ONCE)",
                "[notify(port.no_senders, Notification.SEND_ONCE) for _ in range(1 + (port.in_transit_to is not None))]",
            ),
            _change(
                "core:Core.destroy_port",
                "in (port.no_senders, port.port_destroyed)",
                "in (port.no_senders, *([port.no_senders] if port.in_transit_to is not None else []), port.port_destroyed)",
            ),
        ),
    ),
    Fault(
        "requests-of-an-ended-task-forgotten",
        "only two dead-name requests of a task that ends fire",
        (
            _change(
                "calls.tasks:TaskCalls.end_task",
                "for name in sorted(task.space.entries):\n",
                "asked = [name for name, entry in sorted(task.space.entries.items()) if entry.request is not None]\n"
                "    for name in asked[2:]:\n"
                "        task.space.set_request(name, None)\n"
                "    for name in sorted(task.space.entries):\n",
            ),
            _change(
                "space:Space.clear",
                "rights: list[Right] = []\n",
                "rights: list[Right] = []\n"
                "    asked = [name for name, entry in sorted(self.entries.items()) if entry.request is not None]\n"
                "    for name in asked[2:]:\n"
                "        self.set_request(name, None)\n",
            ),
        ),
    ),
    Fault(
        "receives-without-sending",
        "a mach_msg whose message is handed back receives one all the same",
        (_change("calls.rpc:RpcCalls.mach_msg", "if sent.code != ReturnCode.MACH_MSG_SUCCESS:", "if False:"),),
    ),
    Fault(
        "receive-name-tested-first",
        "a mach_msg that has no name to receive from sends nothing",
        (
            _change(
                "calls.rpc:RpcCalls.mach_msg",
                "sending = self",
                "if caller.space.entry(port) is None:\n        return Result(ReturnCode.MACH_RCV_INVALID_NAME)\n    sending = self",
            ),
        ),
    ),
    Fault(
        "renamed-while-waiting",
        "a task that waits at a name goes on waiting at the old name when it is renamed",
        (_change("space:Space.rename", "waiting.name = new", "pass"),),
        frozenset(PROFILES) - {"xnu"},
    ),
    *[
        Fault(f"send-possible-{name}", f"a send-possible request {words}", (_change(*change),), _SEND_POSSIBLE)
        for name, words, change in (
            ("unarmed", "fires though it isn't armed", ("requests:Request.fire", "if not self.armed:", "if not self.send_possible:")),
            ("twice", "stays armed after it has fired", ("requests:Request.fire", "right, self.right = self.right, None", "right = self.right")),
            (
                "slot-freed",
                "leaves its name when it fires",
                (
                    "requests:Request.fire",
                    "self.armed = False",
                    "entry = self.space.entries[self.name]\n    entry.request = None\n    entry.port.requests.remove(self)",
                ),
            ),
            ("not-armed", "isn't armed by a send that finds the queue full", ("requests:Request.arm", "self.armed or", "self.armed and")),
            (
                "message-too-large",
                "fires for a message that is lost, too",
                (
                    "calls.receive:ReceiveCalls._lose",
                    "self.release(message.cargo)",
                    "tell_send_possible(port)\n    self.release(message.cargo)",
                ),
            ),
        )
    ],
    Fault(
        "second-set-kept",
        "a port that is moved from one port set to another stays in the first",
        (
            _change(
                "calls.port_sets:PortSetCalls.mach_port_move_member",
                "space.sets.extract_from_all(member)",
                "if after == NULL_NAME:\n        space.sets.extract_from_all(member)",
            ),
        ),
    ),
    Fault(
        "ledger-not-emptied",
        "a finite ledger doesn't give the last that it has",
        (_change("ledger:Ledger.can_spare", "self.limit - amount >= self.balance", "self.limit - amount > self.balance"),),
        _LEDGERS,
    ),
    Fault(
        "negative-trailer",
        "a receive that asks for trailer number -1 gets none",
        (
            _change(
                "calls.receive:ReceiveCalls._trailer_fields",
                "trailer <= highest else highest",
                "trailer <= highest else 0 if trailer == 15 else highest",
            ),
        ),
        _TRAILERS,
    ),
)
"""Faults that the calls of one random run after another, drawn one by one, seldom show."""

ORDER_FAULTS: tuple[Fault, ...] = (
    Fault(
        "names-descending",
        "a task that ends gives up its names from the last to the first",
        (_change("calls.tasks:TaskCalls.end_task", "in sorted(task.space.entries):", "in sorted(task.space.entries, reverse=True):"),),
    ),
    Fault(
        "places-and-names-exchanged",
        "a task that ends gives up its places after its names, or before them, as other kernels do",
        (
            _change(
                "calls.tasks:TaskCalls.end_task",
                "if self.profile.places_end_first:",
                "if not self.profile.places_end_first:",
                "if not self.profile.places_end_first:",
                "if self.profile.places_end_first:",
            ),
        ),
    ),
    Fault(
        "port-deleted-for-dead-name",
        "all requests of a task that ends fire as port-deleted, before any of its ports dies",
        (
            _change(
                "calls.tasks:TaskCalls.end_task",
                "for name in sorted(task.space.entries):\n",
                "from sendright.impl.reference.notifications import notify\n"
                "    for name, entry in sorted(task.space.entries.items()):\n"
                "        right = task.space.set_request(name, None) if entry.request is not None else None\n"
                "        if right is not None:\n"
                "            notify(right, 65, name)\n"
                "    for name in sorted(task.space.entries):\n",
            ),
        ),
    ),
    Fault(
        "breadth-first",
        "what a dying port's messages lead to comes after all of them, or before the next, as in other kernels",
        (_change("core:Core.end_port", "if self.profile.queue_ends_whole:", "if not self.profile.queue_ends_whole:"),),
    ),
    Fault(
        "no-senders-before-the-port-dies",
        "a name with a send and a receive right sends its no-senders message before its port dies",
        (
            _change(
                "core:Core.end_name",
                "no_senders = lose_send(port) if port.alive and entry.kind in HAS_SEND else None",
                "no_senders = lose_send(port) if port.alive and entry.kind in HAS_SEND else None\n"
                "    if no_senders is not None:\n"
                "        no_senders.send()\n"
                "        no_senders = None",
            ),
        ),
    ),
    Fault(
        "queue-before-no-senders",
        "a dying port's queue is destroyed before its no-senders request is given up",
        (
            _change(
                "core:Core.end_port",
                "        self._give_up_no_senders(port)\n        for message in port.queue:\n            self.destroy_message(message.cargo)\n",
                "        for message in port.queue:\n            self.destroy_message(message.cargo)\n        self._give_up_no_senders(port)\n",
            ),
        ),
    ),
)
"""Other orders in which the rights of a task and the queues of ports end. They fit a kernel that ends name by name."""

FAULTS: dict[str, Fault] = {fault.name: fault for fault in (*DEEP_FAULTS, *ORDER_FAULTS)}


@dataclass(frozen=True)
class Found:
    """What a check made of a fault."""

    fault: str
    profile: str
    found: bool
    seconds: float
    """From the start of the check to the failing call, or to the end."""
    runs: int
    calls: int
    kind: str = ""
    clause: str = ""


class _OutOfTime(KeyboardInterrupt):
    """Ends a check."""


def measure(fault: Fault | None, profile: Profile, seconds: float = SECONDS, seed: int = checking.SEED, plain: bool = False) -> Found:
    """Check a kernel with the fault (None: without any) for so many seconds, as ``sendright check`` does."""
    began = time.monotonic()

    def on_run(trace: Trace) -> None:
        if time.monotonic() - began > seconds and not trace.violations:
            raise _OutOfTime

    with (
        fault.seeded() if fault is not None else nullcontext(),
        patch.object(checking, "ONE_DIRECTED_IN", 10**9 if plain else checking.ONE_DIRECTED_IN),
    ):
        first = witnessed_calls(profile)
        result: CheckResult = checking.check(ReferenceKernel, Oracle, profile, seed=seed, first=first, on_run=on_run, minimize_seconds=0)
    found = result.verdict in (Verdict.FAILED, Verdict.CRASHED)
    violation = result.failure.violations[0] if found and result.failure is not None else None
    kind, clause = ("", "") if violation is None else (violation.kind, violation.clause)
    return Found("none" if fault is None else fault.name, profile.name, found, time.monotonic() - began, result.examples, result.calls, kind, clause)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", action="append", choices=list(PROFILES), help="a profile (default: manual and gnumach)")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="a fault (default: all that fit the kernel)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long each check may take (default: {SECONDS:g})")
    parser.add_argument("--seed", type=int, default=checking.SEED, help=f"seed of the random calls (default: {checking.SEED})")
    parser.add_argument("--plain", action="store_true", help="without the random runs that follow plans")
    parser.add_argument("--json", action="store_true", help="one JSON array, for machines")
    asked = parser.parse_args(arguments)
    if asked.seconds <= 0:
        parser.error("--seconds is above 0")
    profiles = [PROFILES[name] for name in asked.profile or ("manual", "gnumach")]
    chosen = [FAULTS[name] for name in asked.fault or FAULTS]
    left_out = [fault.name for fault in chosen if fault.change is None]
    checks = [(None, profile) for profile in profiles]
    checks += [(fault, profile) for profile in profiles for fault in chosen if profile.name in fault.profiles and fault.change is not None]  # type: ignore[misc]
    rows = [
        measure(fault, profile, asked.seconds, asked.seed, asked.plain)
        for fault, profile in track(checks, "Checking", console=Console(stderr=True), transient=True)
    ]
    if asked.json:
        json.dump([vars(row) for row in rows], sys.stdout)
        return
    table = Table("fault", "profile", "found", "after s", "runs", "calls", "as")
    for row in rows:
        table.add_row(row.fault, row.profile, "yes" if row.found else "no", f"{row.seconds:.1f}", str(row.runs), f"{row.calls:,}", row.kind)
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)
    if left_out:
        print(f"Not in this kernel: {', '.join(left_out)}")
    if any(row.found for row in rows if row.fault == "none"):
        print("The kernel without a fault fails, too: the rows above don't say what was found.")


if __name__ == "__main__":
    main()
