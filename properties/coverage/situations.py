"""Situations that a run should reach: what comes together in one step, where kernels go wrong.

A case of the specification says what one rule does. A situation says what a kernel was in the middle of: a task ends
that holds several requests, a port dies with full messages in its queue, another call comes between two steps of a
call. Each is a test of a step: the state before it, the step, and the state after it. ``sendright check`` counts how
often each was reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from itertools import combinations
from typing import Any, NamedTuple

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import EXCEPTION_PLACES, Notification, SlotKind
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import why_unmodelled_argument
from sendright.mach.signatures import CHILD_MAKERS, SIGNATURES, ArgumentType, Signature
from sendright.mach.signatures.widths import width_of
from sendright.mach.state.process import Process
from sendright.mach.state.sharing import changed_keys
from sendright.mach.state.snapshot import EMPTY, Entry, Message, PendingCall, Port, Snapshot, Task, messages
from sendright.mach.state.trace import Step

_RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
_SENT = tuple([one for one in Notification if one is not Notification.SEND_POSSIBLE])
"""The notifications that modelled kernels send."""


class Scene:
    """A step, and the states around it."""

    def __init__(self, profile: Profile, before: Snapshot, step: Step, after: Snapshot) -> None:
        self.profile, self.before, self.step, self.after = profile, before, step, after

    @cached_property
    def ended(self) -> list[int]:
        """The tasks that the step ends."""
        return [] if len(self.before.tasks) <= len(self.after.tasks) else sorted(self.before.tasks.keys() - self.after.tasks.keys())

    @cached_property
    def changed_ports(self) -> list[int]:
        """The ports that may differ before and after."""
        return sorted(changed_keys(self.before.ports, self.after.ports))

    @cached_property
    def died(self) -> list[int]:
        """The ports that die."""
        return [number for number in self.changed_ports if number in self.before.ports and number not in self.after.ports]

    @cached_property
    def arrived(self) -> list[tuple[int, Message]]:
        """The messages that come into a queue, each with the queue's port."""
        found: list[tuple[int, Message]] = []
        for number in self.changed_ports:
            old, new = self.before.ports.get(number), self.after.ports.get(number)
            if new is not None and new.queue and (old is None or old.queue is not new.queue):
                known = {message.serial for message in old.queue} if old is not None else set()
                found += [(number, message) for message in new.queue if message.serial not in known]
        return found

    @cached_property
    def told(self) -> list[tuple[int, Message]]:
        """The notifications among them."""
        return [(port, message) for port, message in self.arrived if message.from_kernel is not False and message.id in _SENT]

    @cached_property
    def carriers(self) -> dict[int, int]:
        """Port -> the port to which its receive right is on its way, before the step."""
        return carriers(self.before)

    @cached_property
    def watchers(self) -> Counter[int]:
        """Port -> number of dead-name requests that wait for its death, before the step."""
        tasks = self.before.tasks.values()
        return Counter(port for task in tasks for name in task.requests if (port := task.names.get(name, EMPTY).port) is not None)

    @cached_property
    def asked(self) -> set[int]:
        """The ports with any request, before the step."""
        return {*self.watchers, *(number for number, port in self.before.ports.items() if _requests_of(port))}

    @cached_property
    def waiting(self) -> list[int]:
        """The tasks that wait while another one makes the step."""
        by = self.step.task
        return [number for number, task in self.before.tasks.items() if task.waiting is not None and number != by]

    def depth(self, port: int) -> int:
        """In how many queues that die now, one in another, the receive right of ``port`` is."""
        gone, found = set(self.died), 0
        while found <= len(gone) and (port := self.carriers.get(port, -1)) in gone:
            found += 1
        return found


def carriers(state: Snapshot) -> dict[int, int]:
    """Port -> the port to which its receive right is on its way."""
    return {
        descriptor.entry.port: to
        for to, message in messages(state)
        for descriptor in message.body
        if descriptor.entry.kind is SlotKind.RECEIVE and descriptor.entry.port is not None
    }


def _requests_of(port: Port) -> int:
    return (port.no_senders.kind is not SlotKind.NONE) + (port.port_destroyed.kind is not SlotKind.NONE)


Subject = Any
"""What a situation is about: the number of a task or of a port."""


Test = Callable[[Scene, Subject], bool]
Possible = Callable[[Profile], bool]


def _always(profile: Profile) -> bool:
    return True


class Situation(NamedTuple):
    """One situation."""

    words: str
    holds: Test
    possible: Possible = _always
    """Whether a kernel of this profile can get there."""


class Group(NamedTuple):
    """Situations about the same subjects."""

    subjects: Callable[[Scene], Sequence[Subject]]
    situations: tuple[Situation, ...]


# ---- a task ends


def _held_requests(scene: Scene, task: int) -> int:
    """The requests that a task has: on its names, and at the ports that it receives from."""
    shown = scene.before.tasks[task]
    ports = (scene.before.ports.get(-1 if entry.port is None else entry.port) for entry in shown.names.values() if entry.kind in _RECEIVING)
    return len(shown.requests) + sum(_requests_of(port) for port in ports if port is not None)


def _rights_asked_about(scene: Scene, task: int) -> tuple[int, int]:
    """How many of the task's rights are to ports with requests: in its names, and in its places."""
    shown = scene.before.tasks[task]
    return tuple(sum(entry.port in scene.asked for entry in entries) for entries in (shown.names.values(), shown.places.values()))  # type: ignore[return-value]


def _watches_its_own_port(scene: Scene, task: int) -> bool:
    """Whether the task has a dead-name request on a name, and the port's receive right under another name."""
    shown = scene.before.tasks[task]
    received = {entry.port: name for name, entry in shown.names.items() if entry.kind in _RECEIVING}
    return any(received.get(shown.names.get(name, EMPTY).port, name) != name for name in shown.requests)


def _waits_with_rights(scene: Scene, task: int) -> bool:
    """Whether the task waits to send a message that carries rights."""
    waiting = scene.before.tasks[task].waiting
    return waiting is not None and waiting.message is not None and _carries_rights(waiting.message)


def _at_least(count: Callable[[Scene, Subject], int], least: int) -> Test:
    return lambda scene, subject: count(scene, subject) >= least


def _ends() -> Iterator[Situation]:
    yield Situation("a task ends", lambda scene, task: True)
    yield Situation("a task is ended by another one", lambda scene, task: task != scene.step.task)
    for least in (1, 2, 3):
        yield Situation(f"a task ends that holds {least} or more requests", _at_least(_held_requests, least))
    for least in (1, 3):
        count = _at_least(lambda scene, task: sum(_rights_asked_about(scene, task)), least)
        yield Situation(f"a task ends that has {least} or more rights to ports with requests", count)
    words = "a task ends that has rights to ports with requests in places and in names"
    yield Situation(words, lambda scene, task: all(_rights_asked_about(scene, task)))
    yield Situation("a task ends that has a dead-name request for a port of its own", _watches_its_own_port)
    yield Situation("a task ends that waits to send a message with rights", _waits_with_rights)


# ---- a port dies


def _queued(*kinds: SlotKind) -> Callable[[Scene, Subject], int]:
    """How many messages in a port's queue carry a right of these kinds."""

    def count(scene: Scene, port: Subject) -> int:
        queue = scene.before.ports[port].queue
        return sum(any(each.entry.kind in kinds for each in (message.reply, *message.body)) for message in queue)

    return count


def _deaths() -> Iterator[Situation]:
    live = (SlotKind.SEND, SlotKind.RECEIVE, SlotKind.SEND_ONCE)
    for carried, kinds in (("rights", live), ("receive rights", live[1:2]), ("send-once rights", live[2:])):
        yield Situation(f"a port dies with two or more messages that carry {carried}", _at_least(_queued(*kinds), 2))
    for least in (1, 2, 3):
        watched = _at_least(lambda scene, port: scene.watchers[port], least)
        yield Situation(f"a port dies with {least} or more dead-name requests", watched)
    for least, words in ((1, "a queue that dies"), (2, "two queues that die"), (3, "three queues that die")):
        yield Situation(f"a receive right dies in {words}", _at_least(Scene.depth, least))
    yield Situation("a port dies although it has a port-destroyed request", lambda scene, port: bool(scene.before.ports[port].port_destroyed.kind))
    for least in (2, 3):
        yield Situation(f"a circular message over {least} or more queues", _at_least(_circle, least))


def _circle(scene: Scene, moved: int) -> int:
    """Over how many queues a message of this step leads from the port to itself; 0: none does."""
    step = scene.step
    if step.resume or not SIGNATURES[step.call].takes(ArgumentType.DESCRIPTORS) or moved in scene.carriers or step.task not in scene.before.tasks:
        return 0
    names = scene.before.tasks[step.task].names
    found, port = 1, names.get(step.arguments["dest"], EMPTY).port
    while port is not None and port != moved and found <= len(scene.carriers) + 1:
        found, port = found + 1, scene.carriers.get(port)
    return found if port == moved else 0


# ---- messages come


def _comes_full(notification: Notification) -> Test:
    """Whether this notification comes to a port whose queue was full."""

    def comes(scene: Scene, _: Subject) -> bool:
        old = [scene.before.ports.get(port) for port, message in scene.told if message.id == notification]
        return any(port is not None and len(port.queue) >= port.queue_limit for port in old)

    return comes


def _answer_comes_full(scene: Scene, _: Subject) -> bool:
    """Whether the kernel's answer to a message comes to a port whose queue was full."""
    answers = [scene.before.ports.get(port) for port, message in scene.arrived if message.from_kernel and message.id not in _SENT]
    return any(port is not None and len(port.queue) >= port.queue_limit for port in answers)


def _told_to_one(scene: Scene, _: Subject) -> int:
    """The most notifications that come to one port."""
    return max(Counter(port for port, _ in scene.told).values())


def _both_told(one: Notification, other: Notification) -> Test:
    return lambda scene, _: len(scene.told) > 1 and bool(_told(scene, one) & _told(scene, other))


def _notifications() -> Iterator[Situation]:
    for each in _SENT:
        yield Situation(f"a {_in_words(each)} message comes to a full port", _comes_full(each))
    for least, many in ((2, "two"), (3, "three")):
        yield Situation(f"a call makes {many} or more notifications for one port", _at_least(_told_to_one, least))
    for one, other in combinations(_SENT, 2):
        yield Situation(f"a call makes a {_in_words(one)} and a {_in_words(other)} message for one port", _both_told(one, other))
    yield Situation(
        "a name ends with the receive right and the only send right of a port that has a no-senders request",
        lambda scene, _: any(_only_sender(scene, port) for port in scene.died),
    )
    yield Situation("a receive right is rescued from a name that keeps a send right", lambda scene, _: any(_keepers(scene)))
    yield Situation(
        "a receive right is rescued from a name that keeps a send right and has a dead-name request",
        lambda scene, _: any(name in scene.before.tasks[task].requests for task, name in _keepers(scene)),
    )
    yield Situation(
        "a receive right is rescued from a queue that dies",
        lambda scene, _: any(port is not None and scene.carriers.get(port) in scene.died for port in _rescued(scene)),
    )
    yield Situation(
        "a receive right is rescued from a task that ends",
        lambda scene, _: any(
            entry.port in _rescued(scene) and entry.kind in _RECEIVING for task in scene.ended for entry in scene.before.tasks[task].names.values()
        ),
    )


def _in_words(notification: Notification) -> str:
    return notification.name.lower().replace("_", "-")


def _told(scene: Scene, notification: Notification) -> set[int]:
    return {port for port, message in scene.told if message.id == notification}


def _rescued(scene: Scene) -> set[int | None]:
    return {descriptor.entry.port for _, message in scene.told if message.id == Notification.PORT_DESTROYED for descriptor in message.body}


def _only_sender(scene: Scene, number: int) -> bool:
    """The port has one send right, beside its receive right under a name that ends, and a no-senders request."""
    port = scene.before.ports[number]
    return (
        port.send_rights == 1
        and port.no_senders.kind is not SlotKind.NONE
        and any(
            entry.port == number
            and entry.kind is SlotKind.SEND_RECEIVE
            and (task not in scene.after.tasks or name not in scene.after.tasks[task].names)
            for task, shown in scene.before.tasks.items()
            for name, entry in shown.names.items()
        )
    )


def _keepers(scene: Scene) -> list[tuple[int, int]]:
    """The names that had a send right beside a rescued receive right, and stay."""
    rescued = _rescued(scene)
    return [
        (task, name)
        for task, shown in (scene.before.tasks.items() if rescued else ())
        for name, entry in shown.names.items()
        if entry.kind is SlotKind.SEND_RECEIVE and entry.port in rescued and task in scene.after.tasks and name in scene.after.tasks[task].names
    ]


def _carries_rights(message: Message) -> bool:
    return any(each.entry.port is not None for each in (message.reply, *message.body))


def _inside(scene: Scene, _: Subject) -> bool:
    """Whether a message with rights comes to a port that is itself in a message."""
    full = [port for port, message in scene.arrived if _carries_rights(message)]
    return bool(full) and not carriers(scene.after).keys().isdisjoint(full)


def _arrivals() -> Iterator[Situation]:
    yield Situation("a message with rights comes to a port that is itself in a message", _inside)
    yield Situation("the kernel's answer to a message comes to a full port", _answer_comes_full)


# ---- steps


def _asks_for_another(scene: Scene, _: Subject) -> bool:
    return any(change.after.kind and change.slot.where == "request" and change.slot.owner != scene.step.task for change in scene.step.changes)


def _is_told_for_another(scene: Scene, _: Subject) -> bool:
    """Whether a dead-name request of another task, which stays, fires."""
    return bool(scene.told) and any(
        change.slot.where == "request" and change.slot.owner != scene.step.task and not change.after.kind and change.slot.owner in scene.after.tasks
        for change in scene.step.changes
    )


def _already_in_a_set(scene: Scene, _: Subject) -> bool:
    """Whether the step puts a port that is in a set into a set."""
    step = scene.step
    names = _WITH_TWO_NAMES.get(step.call)
    if names is None or step.resume:
        return False
    caller = scene.before.tasks.get(step.task)
    target = SIGNATURES[step.call].target
    number = caller.names.get(step.arguments[target], EMPTY).port if caller is not None and target else None
    port = scene.before.ports.get(-1 if number is None else number)
    shown = scene.before.tasks.get(-1 if port is None or port.task is None else port.task)
    if shown is None:
        return False
    given = [step.arguments[name] for name in names]
    put = any(shown.names.get(name, EMPTY).kind is SlotKind.PORT_SET for name in given)
    return put and any(name in members for members in shown.sets.values() for name in given)


def _taken(type_: ArgumentType) -> dict[str, tuple[str, ...]]:
    """Call -> its arguments of this type."""
    return {name: tuple([argument.name for argument in signature.arguments if argument.type is type_]) for name, signature in SIGNATURES.items()}


_WITH_TWO_NAMES = {call: names for call, names in _taken(ArgumentType.NAME).items() if len(names) == 2}
_ON_LEDGERS = {name for name, signature in SIGNATURES.items() if signature.changes_ledgers}
_WITH_TRAILER = {call: names[0] for call, names in _taken(ArgumentType.TRAILER).items() if names}


def _emptied(scene: Scene, _: Subject) -> bool:
    """Whether a ledger that had something to give has nothing left."""
    for number in scene.changed_ports if scene.step.call in _ON_LEDGERS else ():
        old, new = scene.before.ports.get(number), scene.after.ports.get(number)
        before, after = None if old is None else old.ledger, None if new is None else new.ledger
        if before is not None and after is not None and 0 <= before.balance < before.limit and after.limit == after.balance:
            return True
    return False


@cache
def _all_bits(call: str, profile: str) -> int:
    """The number that -1 is to the kernel, in the trailer's argument."""
    width = width_of(SIGNATURES[call], SIGNATURES[call].argument(_WITH_TRAILER[call]), profile)
    return -1 if width is None else width.seen(-1)


def _asks_for_all_bits(scene: Scene, _: Subject) -> bool:
    trailer = _WITH_TRAILER.get(scene.step.call)
    return trailer is not None and scene.step.arguments.get(trailer) == _all_bits(scene.step.call, scene.profile.name)


def _has_all_bits(profile: Profile) -> bool:
    return any(
        profile.serves(call)
        and profile.takes(call, trailer)
        and why_unmodelled_argument(SIGNATURES[call], SIGNATURES[call].argument(trailer), _all_bits(call, profile.name), profile) is None
        for call, trailer in _WITH_TRAILER.items()
    )


def _steps() -> Iterator[Situation]:
    yield Situation("a task asks for a dead-name message about another task's name", _asks_for_another)
    yield Situation("a dead-name request of another task fires", _is_told_for_another)
    yield Situation("a port that is in a set is put into a set", _already_in_a_set)
    yield Situation("a finite ledger is emptied exactly", _emptied, _serves("ledger_create"))
    yield Situation("a receive asks for trailer number -1", _asks_for_all_bits, _has_all_bits)
    for words, holds in _OF_PROCESSES.items():
        yield Situation(words, holds, lambda profile: profile.has_processes)


# ---- processes


def _success(call: str) -> Callable[[Scene], bool]:
    return lambda scene: scene.step.call == call and scene.step.code == ReturnCode.KERN_SUCCESS


def _asked_pid(scene: Scene) -> int:
    """The pid by which the step asks for a task; 0: it asks for none."""
    pid = scene.step.arguments.get("pid", 0) if scene.step.call in PIDS_ASKED else 0
    return pid if isinstance(pid, int) else 0


PIDS_ASKED = tuple(name for name, signature in SIGNATURES.items() if name.endswith("_for_pid") and signature.of_processes)
"""The calls that ask for a task by a pid."""


def _processes(state: Snapshot) -> list[Process]:
    """The processes that live."""
    return [task.process for task in state.tasks.values() if task.process is not None and not task.process.is_shadow]


def _own(scene: Scene) -> Process | None:
    """The process that makes the step, before it. None: there is none, as in a state that is damaged."""
    caller = scene.before.tasks.get(scene.step.task)
    return None if caller is None else caller.process


def _parent_ends(scene: Scene, subject: Subject) -> bool:
    own = _own(scene)
    return _success("exit")(scene) and own is not None and any(each.parent == own.pid for each in _processes(scene.before))


def _parent_of_zombie_ends(scene: Scene, subject: Subject) -> bool:
    own = _own(scene)
    return _success("exit")(scene) and own is not None and any(each.parent == own.pid for each in scene.before.zombies.values())


def _orphan_ends(scene: Scene, subject: Subject) -> bool:
    own = _own(scene)
    return _success("exit")(scene) and own is not None and own.is_orphan


def _zombie_is_waited_for(scene: Scene, subject: Subject) -> bool:
    return _success("wait4")(scene) and not scene.step.resume and bool(scene.step.outputs.get("child"))


def _wait_goes_on(scene: Scene, subject: Subject) -> bool:
    return _success("wait4")(scene) and scene.step.resume


def _zombie_is_asked_for(scene: Scene, subject: Subject) -> bool:
    return _asked_pid(scene) in [zombie.pid for zombie in scene.before.zombies.values()]


def _forgotten_is_asked_for(scene: Scene, subject: Subject) -> bool:
    """Kernels give pids in ascending order: one below the highest that no process has was a process's."""
    known = {each.pid for each in _processes(scene.before)} | {zombie.pid for zombie in scene.before.zombies.values()}
    return 0 < _asked_pid(scene) < max(known, default=0) and _asked_pid(scene) not in known


def _executing(phase: int) -> Test:
    """A call by pid names a process, in this phase of its exec."""

    def asked(scene: Scene, subject: Subject) -> bool:
        pid = _asked_pid(scene)
        return pid > 0 and any(
            task.process is not None and task.process.pid == pid and task.waiting is not None and task.waiting.phase == phase
            for task in scene.before.tasks.values()
        )

    return asked


def _held_over_exec(set_id: bool) -> Test:
    """An exec ends while another task has a right to the old task's port."""

    def held(scene: Scene, subject: Subject) -> bool:
        ended = scene.step.task
        if not _success("execve")(scene) or ended not in scene.before.tasks:
            return False
        port, own = scene.before.tasks[ended].port, _own(scene)
        others = (entry for number, task in scene.before.tasks.items() if number != ended for entry in task.names.values())
        new = next((each for each in _processes(scene.after) if own is not None and each.pid == own.pid), None)
        return new is not None and new.has_changed_ids is set_id and any(entry.port == port for entry in others)

    return held


def _refused_for_mark(scene: Scene, subject: Subject) -> bool:
    """A process of the caller's user isn't given, because its ids have changed."""
    own, pid = _own(scene), _asked_pid(scene)
    target = next((each for each in _processes(scene.before) if each.pid == pid), None)
    if own is None or target is None or not own.effective_user or not scene.step.code or target.pid == own.pid:
        return False
    users = {target.effective_user, target.real_user, target.saved_user}
    return users == {own.effective_user} and target.has_changed_ids and scene.step.call != "task_name_for_pid"


def _spawn_takes_exception_ports(scene: Scene, subject: Subject) -> bool:
    """The child has a set-id image, and its parent's task has exception ports that root hasn't set."""
    parent, child = scene.before.tasks.get(scene.step.task), scene.after.tasks.get(scene.step.created_task or 0)
    if not _success("posix_spawn")(scene) or parent is None or child is None or child.process is None or not child.process.has_changed_ids:
        return False
    return any(place in EXCEPTION_PLACES and place not in parent.set_by_root for place in parent.places)


def _sender_has_other_ids(scene: Scene, subject: Subject) -> bool:
    """A message is received whose sender has other tokens by now."""
    token = scene.step.outputs.get("audit_token") if SIGNATURES[scene.step.call].receives_message else None
    own = {each.pid: each.audit_token for each in _processes(scene.before)}
    return isinstance(token, tuple) and len(token) == AUDIT_TOKEN_WORDS and own.get(token[5], token) != token


_OF_PROCESSES: dict[str, Test] = {
    "a parent ends before its child": _parent_ends,
    "a parent ends that hasn't waited for an ended child": _parent_of_zombie_ends,
    "an orphan ends": _orphan_ends,
    "a process waits for a child that has ended": _zombie_is_waited_for,
    "a child ends for which its parent waits": _wait_goes_on,
    "a call by pid names an ended process": _zombie_is_asked_for,
    "a call by pid names a forgotten process": _forgotten_is_asked_for,
    **{f"a call by pid names a process after phase {phase} between the steps of execve": _executing(phase) for phase in (1, 2, 3)},
    "a right to a task's port is held while its process executes a set-id image": _held_over_exec(True),
    "a right to a task's port is held while its process executes another image": _held_over_exec(False),
    "a set-id image is spawned that doesn't inherit exception ports": _spawn_takes_exception_ports,
    "a process of the same user is refused, because its ids have changed": _refused_for_mark,
    "a message is received whose sender has other ids by now": _sender_has_other_ids,
}
"""What happens to processes: in words, and the test."""


# ---- another call while a task waits


class Wait(NamedTuple):
    """One way in which a task can wait for its call to go on."""

    words: str
    """``between the steps of …``, ``in … at a port set``."""
    call: str
    fits: Callable[[PendingCall], bool]
    port: Callable[[PendingCall], int | None]
    """The port whose death the call would notice."""
    possible: Possible


def _serves(call: str) -> Possible:
    return lambda profile: profile.serves(call)


def _stops(signature: Signature) -> Possible:
    return lambda profile: profile.serves(signature.name) and (profile.tokens_in_two_steps or signature.name not in CHILD_MAKERS)


def _waits() -> Iterator[Wait]:
    """For each call that can wait, and each that kernels do in steps."""
    for call, signature in SIGNATURES.items():
        if signature.in_steps:
            yield Wait(f"between the steps of {call}", call, lambda pending: True, lambda pending: pending.held.port, _stops(signature))
        elif any(argument.name in ("wait", "send_wait") for argument in signature.arguments):
            if signature.takes(ArgumentType.DESCRIPTORS):
                yield Wait(f"in {call}", call, lambda pending: True, _destination, _serves(call))
            else:
                yield Wait(f"in {call} at a port", call, lambda pending: pending.port is not None, lambda pending: pending.port, _serves(call))
                yield Wait(f"in {call} at a port set", call, lambda pending: pending.port is None, lambda pending: None, _serves(call))


def _destination(pending: PendingCall) -> int | None:
    return None if pending.message is None else pending.message.destination.port


WAITS = tuple(_waits())

Between = Callable[[Scene, int, PendingCall, Task | None], bool]
"""Whether something happens to a task that waits: gets its number, its pending call before, and the task after."""


def _gets_tokens(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    before = scene.before.tasks[task]
    return after is not None and (before.security_token, before.audit_token) != (after.security_token, after.audit_token)


def _has_place_set(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    return after is not None and any(change.slot.where == "place" and change.slot.owner == task for change in scene.step.changes)


def _is_suspended(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    return after is not None and after.suspend_count > scene.before.tasks[task].suspend_count


def _another_waits(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    """Whether the step is another task's call that now waits in the same way."""
    other = scene.after.tasks.get(scene.step.task)
    return not scene.step.resume and other is not None and other.waiting is not None and other.waiting.call == pending.call


def _is_renamed(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    return after is not None and after.waiting is not None and after.waiting.name != pending.name


def _moves_in_sets(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    return after is not None and after.sets != scene.before.tasks[task].sets


def _name_changes(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    """Whether the name from which the call will receive denotes another right than before."""
    old, new = (None if shown is None else shown.names.get(pending.name, EMPTY) for shown in (scene.before.tasks[task], after))
    return old is not None and new is not None and (old.kind, old.port) != (new.kind, new.port)


def _loses_set(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    return after is not None and after.names.get(pending.name, EMPTY).kind is not SlotKind.PORT_SET


def _child_ends(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    return after is not None and pending.child is not None and pending.child in scene.ended


def _child_gets_tokens(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    old, new = scene.before.tasks.get(pending.child or 0), scene.after.tasks.get(pending.child or 0)
    return pending.child is not None and old is not None and new is not None and old.security_token != new.security_token


def _carried_right_dies(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    entries = () if pending.message is None else (pending.message.reply.entry, *(each.entry for each in pending.message.body))
    return after is not None and any(entry.port in scene.died for entry in entries)


def _limit_changes(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
    number = _destination(pending)
    old, new = (state.ports.get(-1 if number is None else number) for state in (scene.before, scene.after))
    return old is not None and new is not None and old.queue_limit != new.queue_limit


def _port_dies(wait: Wait) -> Between:
    return lambda scene, task, pending, after: after is not None and wait.port(pending) in scene.died


def _port_moves(wait: Wait) -> Between:
    def moves(scene: Scene, task: int, pending: PendingCall, after: Task | None) -> bool:
        port = wait.port(pending)
        return after is not None and any(_has_receive(change.after, port) and not _has_receive(change.before, port) for change in scene.step.changes)

    return moves


def _has_receive(entry: Entry, port: int | None) -> bool:
    return entry.port == port and port is not None and entry.kind in _RECEIVING


def _can_set_tokens(profile: Profile) -> bool:
    return any(one.sets_tokens and not one.creates_task and profile.serves(one.name) for one in SIGNATURES.values())


def _while_waiting() -> Iterator[Group]:
    """A group for each way to wait."""
    for wait in WAITS:
        signature = SIGNATURES[wait.call]
        found: dict[str, tuple[Between, Possible]] = {
            "a task that waits {} ends": (lambda scene, task, pending, after: after is None, _always),
            "a task that waits {} gets other tokens": (_gets_tokens, _can_set_tokens),
            "another task sets a place of a task that waits {}": (_has_place_set, _always),
            "a task that waits {} is suspended": (_is_suspended, _serves("task_suspend")),
            "a second task waits {}": (_another_waits, _always),
        }
        if signature.of_processes:  # neither the task nor the new one can be ended, or gets tokens of another's
            del found["a task that waits {} ends"], found["a task that waits {} gets other tokens"]
        elif signature.creates_task:
            found["the new task ends {}"] = _child_ends, _always
            found["the new task gets other tokens {}"] = _child_gets_tokens, _can_set_tokens
        elif signature.in_steps:
            found["a right that a task holds dies {}"] = _port_dies(wait), _always
        elif signature.takes(ArgumentType.DESCRIPTORS):
            found["the port that a task waits for dies {}"] = _port_dies(wait), _always
            found["the receive right that a task waits for moves {}"] = _port_moves(wait), _always
            found["the limit of the queue that a task waits for changes {}"] = _limit_changes, _always
            found["a right in a waiting task's message dies {}"] = _carried_right_dies, _always
            if signature.takes(ArgumentType.TRAILER):
                found["the name that a task will receive from denotes something else {}"] = _name_changes, _always
        else:
            found["the name that a task waits at changes {}"] = _is_renamed, _serves("mach_port_rename")
            found["a port set gets or loses a member when a task waits {}"] = _moves_in_sets, _always
            if wait.words.endswith("set"):
                found["the port set that a task waits at ends {}"] = _loses_set, _always
            else:
                found["the port that a task waits at dies {}"] = _port_dies(wait), _always
                found["the receive right that a task waits at moves {}"] = _port_moves(wait), _always
        yield Group(_waiting_so(wait), tuple([_between(wait, words, *one) for words, one in found.items()]))


def _waiting_so(wait: Wait) -> Callable[[Scene], Sequence[Subject]]:
    def waiting(scene: Scene) -> Sequence[Subject]:
        pending = [(task, _pending(scene, task)) for task in scene.waiting]
        return [task for task, call in pending if call.call == wait.call and wait.fits(call)]

    return waiting


def _between(wait: Wait, words: str, between: Between, possible: Possible) -> Situation:
    return Situation(
        words.format(wait.words),
        lambda scene, task: between(scene, task, _pending(scene, task), scene.after.tasks.get(task)),
        lambda profile: wait.possible(profile) and possible(profile),
    )


def _pending(scene: Scene, task: int) -> PendingCall:
    pending = scene.before.tasks[task].waiting
    assert pending is not None
    return pending


OF_STEPS = Group(lambda scene: (None,), tuple(_steps()))
"""The situations that a step can reach that changes nothing."""
GROUPS = (
    Group(lambda scene: scene.ended, tuple(_ends())),
    Group(lambda scene: scene.died, tuple(_deaths())),
    Group(lambda scene: scene.told[:1], tuple(_notifications())),
    Group(lambda scene: scene.arrived[:1], tuple(_arrivals())),
    OF_STEPS,
    *_while_waiting(),
)


def situations(profile: Profile) -> tuple[str, ...]:
    """All situations that a kernel of the profile can get into, in words."""
    return tuple([one.words for group in GROUPS for one in group.situations if one.possible(profile)])


def reached(scene: Scene) -> Iterator[str]:
    """The situations that the step reaches, in words, each once."""
    changes_nothing = scene.before.ports is scene.after.ports and scene.before.tasks is scene.after.tasks
    for group in (OF_STEPS,) if changes_nothing else GROUPS:
        subjects = group.subjects(scene)
        for one in group.situations if subjects else ():
            for subject in subjects:
                if one.holds(scene, subject):
                    yield one.words
                    break
