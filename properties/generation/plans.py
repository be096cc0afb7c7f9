"""Short directed runs for the situations that random calls seldom bring together.

A plan says which objects there are and which calls come in which order. The rest is drawn: the kinds of rights, how
many, where notifications go, in which way a port dies. Random calls come in between, so a plan may fail; then it is
given up. A plan looks objects up by their numbers in the state, never by the names that it expects.

A plan is a generator: it yields a task and a call, and gets the step that the call became.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.descriptors import natural_size
from sendright.mach.abi.port_attributes import PortAttributes
from sendright.mach.abi.rights import EXC_MASK_ALL, Disposition, Notification, Place, PortObject, Right, SlotKind
from sendright.mach.abi.tokens import ASSIGN_SESSION, UNSET
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import CHILD_MAKERS, SIGNATURES, ArgumentType, Signature
from sendright.mach.state.process import FIRST_PID, Process
from sendright.mach.state.snapshot import EMPTY, Entry, PendingCall, Port, Snapshot
from sendright.mach.state.trace import Step
from sendright.properties.generation.caller_view import FEW, RECEIVING, SENDING
from sendright.properties.generation.choices import Choices
from sendright.properties.runs.judged_run import callers, can_make, waiters

_T = TypeVar("_T")
_Calls: TypeAlias = Generator[tuple[int, Call], Step, _T]
"""Some calls of a plan, and what they made."""
Plan: TypeAlias = Callable[["Stage"], _Calls[None]]
DrawCall: TypeAlias = Callable[[int, str, dict[str, Any]], Call]
"""Draws a call of this name for a task; some arguments are given."""

NO_SET_ID = {"set_user": UNSET, "set_group": UNSET}
"""Arguments of an image without set-id bits."""
MOST_TASKS = 6
"""With so many tasks, a plan makes no further one."""
MOST_SENT = 2
"""With room for more messages than that, a queue isn't filled, but gets a lower limit."""
ONE_IN_BETWEEN = 6
"""One in so many calls of a run with plans is a random call in the middle of a plan."""
COMBINED = "mach_msg"
"""The call that sends and then receives."""
AFTERWARDS = 4
"""After a plan, a random call comes with odds of this to one, each time, before the next plan."""


class Lost(Exception):
    """A plan can't go on: something isn't there, or a call failed."""


class Stage:
    """What a plan sees and draws from."""

    def __init__(self, profile: Profile, choices: Choices, has: Callable[[str], bool], draw: DrawCall) -> None:
        self.profile, self.choices, self.has, self._draw = profile, choices, has, draw
        self.snapshot = Snapshot({}, {})

    # ---- what there is

    def pick(self, options: Sequence[_T]) -> _T:
        """One of the options; raises Lost if there is none."""
        if not options:
            raise Lost
        return self.choices.pick(options)

    def names(self, task: int) -> dict[int, Entry]:
        """The names of a task; raises Lost if it has ended."""
        shown = self.snapshot.tasks.get(task)
        if shown is None:
            raise Lost
        return shown.names

    def port(self, number: int) -> Port:
        """A port; raises Lost if it is dead."""
        port = self.snapshot.ports.get(number)
        if port is None:
            raise Lost
        return port

    def name(self, task: int, port: int, *kinds: SlotKind) -> int:
        """The name by which a task has a right of these kinds to a port (none given: SEND or RECEIVE); raises Lost."""
        wanted = kinds or (*SENDING, SlotKind.RECEIVE)
        found = next((name for name, entry in self.names(task).items() if entry.port == port and entry.kind in wanted), None)
        if found is None:
            raise Lost
        return found

    def has_right(self, task: int, port: int, *kinds: SlotKind) -> bool:
        """Whether ``name`` finds one."""
        with suppress(Lost):
            self.name(task, port, *kinds)
            return True
        return False

    def port_of(self, task: int, name: int) -> int:
        """The live port that a task's name denotes; raises Lost."""
        port = self.names(task).get(name, EMPTY).port
        if port is None:
            raise Lost
        return port

    def control(self, task: int, other: int) -> int:
        """The name by which a task controls another one, or itself; raises Lost."""
        shown = self.snapshot.tasks.get(other)
        if shown is None:
            raise Lost
        return self.name(task, shown.port, *SENDING)

    def controls(self, task: int, other: int) -> bool:
        """Whether a task controls another one."""
        return other in self.snapshot.tasks and self.has_right(task, self.snapshot.tasks[other].port, *SENDING)

    def controlled(self, task: int) -> list[int]:
        """The other tasks that a task controls and that can make calls."""
        return [other for other in callers(self.snapshot) if other != task and self.controls(task, other)]

    def free(self, task: int) -> int:
        """A free name of a form that a task can choose, often the lowest one: a kernel takes that, too."""
        names = self.names(task)
        chosen = (self.profile.chosen_name(index) for index in range(1, 256))
        found = [name for name in chosen if name not in names][:FEW]
        return self.pick(found[:1] if self.choices.one_in(3) else found)

    def holder(self, port: int) -> tuple[int, int]:
        """The task and the name that have the receive right; raises Lost if it is on its way."""
        for task, shown in self.snapshot.tasks.items():
            for name, entry in shown.names.items():
                if entry.port == port and entry.kind in RECEIVING:
                    return task, name
        raise Lost

    # ---- calls

    def make(self, task: int, call: str, /, stop: bool = False, resume: bool = False, **arguments: Any) -> _Calls[Step]:
        """Make a call that has to succeed; raises Lost if it doesn't."""
        step = yield from self.attempt(task, Call(call, arguments, stop=stop, resume=resume))
        if step.code not in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS):
            raise Lost
        return step

    def attempt(self, task: int, call: Call) -> _Calls[Step]:
        """Make a call, whatever comes of it; raises Lost if it can't be made."""
        if not self.has(call.name) or not can_make(self.snapshot, task, call):
            raise Lost
        return (yield task, call)

    def draw(self, task: int, call: str, /, **given: Any) -> Call:
        """A call with drawn arguments, but for those given."""
        if task not in callers(self.snapshot) or not self.has(call):
            raise Lost
        return self._draw(task, call, given)

    def own(self, task: int) -> _Calls[int]:
        """The name by which a task controls itself."""
        if not self.controls(task, task):
            yield from self.make(task, "mach_task_self")
        return self.control(task, task)

    def actor(self) -> int:
        """A task that can make calls, preferably one that controls another."""
        ready = callers(self.snapshot)
        return self.pick([task for task in ready if self.controlled(task)] or ready)

    def other(self, task: int, ends: bool = False, waiting: bool = False) -> _Calls[int]:
        """Another task that ``task`` controls and that can make calls: a new one, or one that is there. With ``ends``,
        one that can be ended; with ``waiting``, also while it waits in a call.
        """
        there = [other for other in self.controlled(task) if not ends or self.can_end(other, waiting)]
        can_create = self.can_create(task) and not (waiting and self.profile.has_processes) and len(self.snapshot.tasks) < MOST_TASKS
        if can_create and (not there or self.choices.one_in(2)):
            created = yield from self.new_task(task)
            if created is not None:
                return created
        if not there:
            yield from self._wake(task)
        return self.pick(there or [other for other in self.controlled(task) if not ends or self.can_end(other, waiting)])

    def can_create(self, task: int) -> bool:
        """Whether the task can create another one, and get a right to its port."""
        return any(map(self.has, CHILD_MAKERS)) or self.may_fork(task)

    def may_fork(self, task: int) -> bool:
        """Whether the task has a process that can create another one, and may have its task."""
        process = self.snapshot.tasks[task].process if task in self.snapshot.tasks else None
        may = process is not None and (process.effective_user == 0 or not process.has_changed_ids)
        return may and self.has("fork") and self.has("task_for_pid")

    def new_task(self, task: int) -> _Calls[int | None]:
        """A task that ``task`` creates and controls."""
        me = yield from self.own(task)
        makers = [call for call in CHILD_MAKERS if self.has(call)]
        if makers:
            made = yield from self.make(task, "task_create" if "task_create" in makers else makers[0], parent_task=me)
        else:
            spawn = self.has("posix_spawn") and self.choices.one_in(4)
            made = yield from (self.make(task, "posix_spawn", set_user=UNSET, set_group=UNSET) if spawn else self.make(task, "fork"))
            yield from self.make(task, "task_for_pid", target_tport=me, pid=made.outputs["pid"])
        return made.created_task

    def can_end(self, task: int, waiting: bool = False) -> bool:
        """Whether a task can be ended: by ``task_terminate`` if no process is behind it, else by its own ``exit``, but
        not while it is ``waiting``. The first process never ends.
        """
        if not self.profile.has_processes:
            return task >= self.profile.processes
        if task not in self.snapshot.tasks:
            return False
        process = self.snapshot.tasks[task].process
        return process is None or (not waiting and process.pid != FIRST_PID and task in callers(self.snapshot) and self.has("exit"))

    def _wake(self, task: int) -> _Calls[None]:
        """Resume a task that ``task`` controls and that can't make calls, or its call."""
        sleeping = [other for other in self.snapshot.tasks if other != task and self.controls(task, other)]
        other = self.pick(sleeping)
        shown = self.snapshot.tasks[other]
        if shown.suspend_count:
            yield from self.make(task, "task_resume", task=self.control(task, other))
        elif shown.waiting is not None:
            yield from self.attempt(other, Call(shown.waiting.call, {}, resume=True))

    def new_port(self, task: int, sends: bool = False, by: int | None = None) -> _Calls[int]:
        """A new port that ``task`` receives from; with ``sends``, it has a send right beside it."""
        maker = task if by is None else by
        me = (yield from self.own(task)) if maker == task else self.control(maker, task)
        made = yield from self.make(maker, "mach_port_allocate", task=me, right=int(Right.RECEIVE))
        port = self.port_of(task, made.outputs["name"])
        if sends:
            yield from self.send_beside(task, port)
        return port

    def send_beside(self, task: int, port: int) -> _Calls[None]:
        """A send right beside the receive right."""
        me, name = (yield from self.own(task)), self.name(task, port, *RECEIVING)
        yield from self.make(task, "mach_port_insert_right", task=me, name=name, poly=name, disposition=int(Disposition.MAKE_SEND))

    def give(self, task: int, other: int, port: int, how: Disposition) -> _Calls[int]:
        """Give another task, which ``task`` controls, a right to a port; returns its name there."""
        there = self.control(task, other)
        known = how is not Disposition.MAKE_SEND_ONCE and self.has_right(other, port)
        name = self.name(other, port) if known else self.free(other)
        yield from self.make(task, "mach_port_insert_right", task=there, name=name, poly=self.name(task, port), disposition=int(how))
        return name

    def ask(self, task: int, owner: int, name: int, variant: Notification, home: int, sync: int = 0) -> _Calls[None]:
        """Ask for a notification about a name of ``owner``, which ``task`` controls. It comes to ``home``, a port of
        ``task``.
        """
        if task == owner:
            yield from self.own(task)
        yield from self.make(
            task,
            "mach_port_request_notification",
            task=self.control(task, owner),
            name=name,
            variant=int(variant),
            sync=sync,
            notify=self.name(task, home, *RECEIVING),
            notify_disposition=int(Disposition.MAKE_SEND_ONCE),
        )

    def send(
        self, task: int, port: int, *rights: tuple[int, Disposition], once: bool = False, reply: int = 0, wait: bool = False, then: int | None = None
    ) -> _Calls[Step]:
        """Send a message; ``once``: by a send-once right, regardless of the queue's limit. ``reply`` is a name with a
        receive right. ``then``: the call receives from that name when it has sent.
        """
        name = self.name(task, port)
        makes = self.names(task)[name].kind is SlotKind.RECEIVE or (once and self.names(task)[name].kind in RECEIVING)
        how = Disposition.MAKE_SEND_ONCE if once and makes else Disposition.MAKE_SEND if makes else Disposition.COPY_SEND
        arguments: dict[str, Any] = {"dest": name, "dest_disposition": int(how), "wait": wait}
        if reply:
            arguments |= {"reply": reply, "reply_disposition": int(Disposition.MAKE_SEND_ONCE)}
        body = tuple([(right, int(disposition)) for right, disposition in rights])
        if then is None or not self.has(COMBINED):
            return (yield from self.make(task, "mach_msg_send", descriptors=body, **arguments))
        waits = {"send_wait": arguments.pop("wait"), "receive_wait": not self.choices.one_in(4)}
        return (yield from self.make(task, COMBINED, descriptors=body, **arguments, **waits, port=then))

    def fill(self, task: int, port: int) -> _Calls[None]:
        """Send messages until the queue is full. If that would take many, lower the limit before, maybe to none."""
        if self.port(port).queue_limit - len(self.port(port).queue) > MOST_SENT:
            given: dict[str, Any] = {
                "name": self.name(task, port, *RECEIVING),
                "flavor": int(PortAttributes.LIMITS_INFO),
                "info": (self.choices.below(2),),
            }
            me = yield from self.own(task)
            yield from self.make(task, "mach_port_set_attributes", task=me, **given)
        while len(self.port(port).queue) < self.port(port).queue_limit:
            yield from self.send(task, port)

    def home(self, task: int) -> _Calls[int]:
        """A port for notifications, sometimes a full one."""
        port = yield from self.new_port(task)
        if self.choices.one_in(4):
            yield from self.fill(task, port)
        return port

    def end(self, task: int) -> _Calls[None]:
        """End a task: by another one that controls it, or by itself. Where none can be made, most are spared."""
        shown = self.snapshot.tasks.get(task)
        if shown is not None and shown.process is not None:
            yield from self._exit(task)
            return
        if not any(map(self.has, CHILD_MAKERS)) and self.can_end(task) and not self.choices.one_in(4):
            return
        by = [other for other in callers(self.snapshot) if other != task and self.controls(other, task)]
        if by and not self.choices.one_in(8):
            actor = self.choices.pick(by)
            yield from self.make(actor, "task_terminate", task=self.control(actor, task))
        else:
            me = yield from self.own(task)
            yield from self.make(task, "task_terminate", task=me)

    def _exit(self, task: int) -> _Calls[None]:
        """The process of a task ends, if it can."""
        if not self.can_end(task):
            raise Lost
        yield from self.make(task, "exit", status=self.choices.byte())

    def kill(self, port: int) -> _Calls[None]:
        """A port dies, or is rescued: in one of the ways in which a receive right is given up."""
        task, name = self.holder(port)
        way = self.choices.below(8)
        if way == 0:
            yield from self.end(task)
        elif way == 1 and can_make(self.snapshot, task, Call("mach_msg_send", {})):  # circular
            yield from self.send(task, port, (name, Disposition.MOVE_RECEIVE), once=True)
        else:
            yield from self.give_up(port, whole=way >= 5)

    def give_up(self, port: int, whole: bool = False) -> _Calls[None]:
        """A receive right is given up alone, or the whole name."""
        task, name = self.holder(port)
        by = task if task in callers(self.snapshot) else self.pick([other for other in callers(self.snapshot) if self.controls(other, task)])
        me = (yield from self.own(task)) if by == task else self.control(by, task)
        if whole:
            yield from self.make(by, "mach_port_destroy", task=me, name=name)
        else:
            yield from self.make(by, "mach_port_mod_refs", task=me, name=name, right=int(Right.RECEIVE), delta=-1)

    def receive_all(self, port: int) -> _Calls[None]:
        """The port's receiver receives what is in the queue."""
        while port in self.snapshot.ports and self.port(port).queue:
            task, name = self.holder(port)
            yield from self.make(task, "mach_msg_receive", port=name)


# ---- requests


def _stake(s: Stage, task: int, other: int, home: int) -> _Calls[int | None]:
    """Something whose end makes a notification when ``other`` ends; returns the port that it is about, if one is."""
    kind = s.choices.below(8 + len(_OF_OWN_PORTS))
    if kind >= 8:
        return (yield from _OF_OWN_PORTS[kind - 8](s, task, other, home))
    if kind == 0:  # an unused send-once right
        yield from s.give(task, other, home, Disposition.MAKE_SEND_ONCE)
        return None
    if kind < 3:  # a receive right
        port = yield from s.new_port(other, by=task)
        name = s.name(other, port)
        variants = [variant for variant in (Notification.PORT_DESTROYED, Notification.NO_SENDERS) if s.choices.one_in(2)]
        if s.choices.one_in(2):
            yield from s.make(task, "mach_port_extract_right", task=s.control(task, other), name=name, disposition=int(Disposition.MAKE_SEND))
            yield from s.ask(task, task, s.name(task, port), Notification.DEAD_NAME, home)
        elif Notification.NO_SENDERS in variants:  # with a send right beside it, so that it doesn't fire at once
            beside = int(Disposition.MAKE_SEND)
            made = yield from s.make(task, "mach_port_extract_right", task=s.control(task, other), name=name, disposition=beside)
            there, how = s.control(task, other), int(Disposition.MOVE_SEND)
            yield from s.make(task, "mach_port_insert_right", task=there, name=name, poly=made.outputs["poly"], disposition=how)
        for variant in variants:
            yield from s.ask(task, other, name, variant, home)
        return port
    port = yield from s.new_port(task)  # a send or send-once right
    if kind == 3:
        name = yield from s.give(task, other, port, Disposition.MAKE_SEND_ONCE)
    elif kind < 6:
        yield from _keep(s, task, other, port)
    else:
        name = yield from s.give(task, other, port, Disposition.MAKE_SEND)
    if s.has_right(other, port, SlotKind.SEND) or kind in (4, 5):
        yield from s.ask(task, task, s.name(task, port), Notification.NO_SENDERS, home)
    if kind not in (4, 5) and not s.choices.one_in(3):
        yield from s.ask(task, other, name, Notification.DEAD_NAME, home)
    return port


def _watched_own_port(s: Stage, task: int, other: int, home: int) -> _Calls[int]:
    """``other`` gets a port, and a send-once right to it under another name, with a dead-name request."""
    port = yield from s.new_port(other, by=task)
    made = yield from s.make(task, "mach_port_extract_right", **_of(s, task, other, port), disposition=int(Disposition.MAKE_SEND_ONCE))
    name, how = s.free(other), int(Disposition.MOVE_SEND_ONCE)
    yield from s.make(task, "mach_port_insert_right", task=s.control(task, other), name=name, poly=made.outputs["poly"], disposition=how)
    yield from s.ask(task, other, name, Notification.DEAD_NAME, home)
    return port


def _of(s: Stage, task: int, other: int, port: int) -> dict[str, Any]:
    """The arguments by which ``task`` names a port that ``other`` receives from."""
    return {"task": s.control(task, other), "name": s.name(other, port, *RECEIVING)}


def _last_right_in_a_queue(s: Stage, task: int, other: int, home: int) -> _Calls[int]:
    """``other`` gets two ports; the only send right to one of them, which has a no-senders request, is in the queue of
    the other one.
    """
    ports: list[int] = []
    for _ in range(2):
        ports.append((yield from s.new_port(other, by=task)))
    queue, port = ports if s.choices.one_in(2) else ports[::-1]
    for each in ports:
        yield from s.make(task, "mach_port_extract_right", **_of(s, task, other, each), disposition=int(Disposition.MAKE_SEND))
    yield from s.ask(task, other, s.name(other, port), Notification.NO_SENDERS, home)
    yield from s.send(task, queue, (s.name(task, port), Disposition.MOVE_SEND))
    return port


def _receive_right_in_a_queue(s: Stage, task: int, other: int, home: int) -> _Calls[int]:
    """``other`` gets a port in whose queue a receive right is, and a send right to that, with a dead-name request."""
    port, queue = (yield from s.new_port(task)), (yield from s.new_port(other, by=task))
    name = yield from s.give(task, other, port, Disposition.MAKE_SEND)
    yield from s.ask(task, other, name, Notification.DEAD_NAME, home)
    yield from s.make(task, "mach_port_extract_right", **_of(s, task, other, queue), disposition=int(Disposition.MAKE_SEND))
    yield from s.send(task, queue, (s.name(task, port), Disposition.MOVE_RECEIVE))
    return port


_OF_OWN_PORTS = (_watched_own_port, _last_right_in_a_queue, _receive_right_in_a_queue)


def _keep(s: Stage, task: int, other: int, port: int) -> _Calls[None]:
    """Put a send right into a place of another task's."""
    yield from s.send_beside(task, port)
    name = s.name(task, port)
    there = s.control(task, other)
    if s.choices.one_in(2):
        yield from s.make(task, "mach_ports_register", task=there, ports=(name,) * (1 + s.choices.below(s.profile.registered_ports)))
    else:
        yield from s.make(task, "task_set_special_port", task=there, which=s.pick(_settable(s)), port=name)
    me = yield from s.own(task)
    yield from s.make(task, "mach_port_mod_refs", task=me, name=name, right=int(Right.SEND), delta=-1)


def _stakes(s: Stage, task: int, other: int, least: int = 1) -> _Calls[None]:
    home = yield from s.home(task)
    homes = [home, home, home if s.choices.one_in(2) else (yield from s.home(task))]
    for _ in range(least + s.choices.below(3)):
        yield from _stake(s, task, other, s.pick(homes))


def a_task_with_requests_ends(s: Stage) -> _Calls[None]:
    """A task ends that has several requests, and rights that others have requests for."""
    task = s.actor()
    other = yield from s.other(task, ends=True)
    yield from _stakes(s, task, other, 4 if s.choices.one_in(3) else 2)
    yield from s.end(other)


def the_richest_task_ends(s: Stage) -> _Calls[None]:
    """Of the tasks that another one controls, the one with most requests and rights to ports with requests ends."""
    if len(s.snapshot.tasks) < 3:
        raise Lost
    asked = {number for number, port in s.snapshot.ports.items() if port.no_senders.kind or port.port_destroyed.kind}
    victims = {other for task in callers(s.snapshot) for other in s.snapshot.tasks if other != task and s.controls(task, other)}
    victims = {task for task in victims if task > 0 and s.can_end(task)}

    def riches(task: int) -> int:
        shown = s.snapshot.tasks[task]
        return 2 * len(shown.requests) + sum(entry.port in asked for entry in (*shown.names.values(), *shown.places.values()))

    yield from s.end(max(sorted(victims), key=riches, default=s.pick(sorted(victims))))


def several_tasks_wait_for_a_port_to_die(s: Stage) -> _Calls[None]:
    """A port dies for which several tasks have dead-name requests, one of them more than one."""
    task = s.actor()
    port, home = (yield from s.new_port(task, sends=s.choices.one_in(2))), (yield from s.home(task))
    for _ in range(2 + s.choices.below(3)):
        other = yield from s.other(task)
        how = Disposition.MAKE_SEND_ONCE if s.choices.one_in(3) else Disposition.MAKE_SEND
        name = yield from s.give(task, other, port, how)
        yield from s.ask(task, other, name, Notification.DEAD_NAME, home)
    if s.choices.one_in(2):
        yield from s.ask(task, task, s.name(task, port), Notification.DEAD_NAME, home)
    if s.choices.one_in(3):
        yield from s.ask(task, task, s.name(task, port), Notification.NO_SENDERS, home)
    yield from s.kill(port)


def a_receive_right_is_rescued(s: Stage) -> _Calls[None]:
    """A receive right is given up whose port has a port-destroyed request; often there is a send right beside it."""
    task = s.actor()
    port, home = (yield from s.new_port(task, sends=not s.choices.one_in(3))), (yield from s.home(task))
    name = s.name(task, port)
    if s.choices.one_in(4):  # circular: it can't be rescued
        home = port
    yield from s.ask(task, task, name, Notification.PORT_DESTROYED, home)
    if s.choices.one_in(2):
        yield from s.ask(task, task, name, Notification.DEAD_NAME, home)
    if s.choices.one_in(3) and s.names(task)[name].kind is SlotKind.SEND_RECEIVE:
        yield from s.ask(task, task, name, Notification.NO_SENDERS, home)
    if s.choices.one_in(3):
        yield from s.send(task, port, once=True)
    if s.choices.one_in(6) and home != port:  # the request's port is dead
        yield from s.kill(home)
    yield from s.give_up(port) if s.choices.one_in(2) else s.kill(port)


def a_port_ends_with_its_only_sender(s: Stage) -> _Calls[None]:
    """A whole name is given up that has the receive right and the only send right. Its port has a no-senders request,
    and other notifications come from its queue, or from a dead-name request for a send-once right.
    """
    task = s.actor()
    port, home = (yield from s.new_port(task, sends=True)), (yield from s.home(task))
    yield from s.ask(task, task, s.name(task, port), Notification.NO_SENDERS, home)
    if s.choices.one_in(2):
        yield from s.send(task, port, (s.name(task, home, *RECEIVING), Disposition.MAKE_SEND_ONCE))
    else:
        other = yield from s.other(task)
        name = yield from s.give(task, other, port, Disposition.MAKE_SEND_ONCE)
        yield from s.ask(task, other, name, Notification.DEAD_NAME, home)
    yield from s.give_up(port, whole=True)


# ---- queues


def _requests(s: Stage, task: int, port: int, home: int) -> _Calls[None]:
    """Requests about a port that has a send right beside its receive right, if it has one."""
    for variant in (Notification.NO_SENDERS, Notification.DEAD_NAME):
        if s.has_right(task, port, SlotKind.SEND_RECEIVE) and s.choices.one_in(2):
            yield from s.ask(task, task, s.name(task, port), variant, home)


def _stuff(s: Stage, task: int, port: int, home: int, depth: int, messages: int) -> _Calls[None]:
    """Put messages with rights into a port's queue; the receive rights in them have queues of their own."""
    for _ in range(messages):
        body: list[tuple[int, Disposition]] = []
        reply = s.name(task, home, *RECEIVING) if s.choices.one_in(4) else 0
        for _ in range(1 + s.choices.below(2)):
            kind = s.choices.below(8)
            if kind < 4 and depth:
                inner = yield from s.new_port(task, sends=s.choices.one_in(2))
                if s.choices.one_in(3):
                    yield from s.ask(task, task, s.name(task, inner), Notification.PORT_DESTROYED, home)
                yield from _requests(s, task, inner, home)
                yield from _stuff(s, task, inner, home, depth - 1, s.choices.below(3))
                body.append((s.name(task, inner, *RECEIVING), Disposition.MOVE_RECEIVE))
            elif kind < 6:
                inner = yield from s.new_port(task, sends=True)
                yield from s.ask(task, task, s.name(task, inner), Notification.NO_SENDERS, home)
                body.append((s.name(task, inner), Disposition.MOVE_SEND))
            else:
                body.append((s.name(task, home, *RECEIVING), Disposition.MAKE_SEND_ONCE))
        yield from s.send(task, port, *body, once=len(s.port(port).queue) >= s.port(port).queue_limit, reply=reply)


def a_full_queue_dies(s: Stage) -> _Calls[None]:
    """A port dies with messages in its queue that carry rights of all kinds."""
    task = s.actor()
    port, home = (yield from s.new_port(task, sends=s.choices.one_in(2))), (yield from s.home(task))
    yield from _requests(s, task, port, home)
    yield from _stuff(s, task, port, home, 1, 2 + s.choices.below(2))
    yield from s.kill(port)


def _marked(s: Stage, task: int, home: int) -> _Calls[tuple[int, Disposition]]:
    """A right for a message, whose end makes a notification that differs from others."""
    kind = s.choices.below(4)
    if kind == 0:
        return s.name(task, home, *RECEIVING), Disposition.MAKE_SEND_ONCE
    port = yield from s.new_port(task, sends=True)
    name = s.name(task, port)
    yield from s.ask(task, task, name, Notification.NO_SENDERS if kind == 1 else Notification.DEAD_NAME, home)
    return name, Disposition.MOVE_SEND if kind == 1 else Disposition.MOVE_RECEIVE


def a_queue_of_two_dies(s: Stage) -> _Calls[None]:
    """A port dies with two messages: what a right in the first one leads to comes before or after the second one."""
    task = s.actor()
    home, port = (yield from s.new_port(task)), (yield from s.new_port(task))
    if s.choices.one_in(2):
        yield from s.send_beside(task, port)
        yield from s.ask(task, task, s.name(task, port), Notification.NO_SENDERS, home)
    inner = yield from s.new_port(task)
    yield from s.send(task, inner, (yield from _marked(s, task, home)))
    bodies = [[(s.name(task, inner), Disposition.MOVE_RECEIVE)], [(yield from _marked(s, task, home))]]
    for body in bodies if not s.choices.one_in(4) else bodies[::-1]:
        yield from s.send(task, port, *body)
    yield from s.kill(port)
    yield from s.receive_all(home)


def queues_in_queues_die(s: Stage) -> _Calls[None]:
    """A port dies with receive rights in its queue whose ports have receive rights in theirs."""
    task = s.actor()
    home, outer = (yield from s.home(task)), (yield from s.new_port(task))
    port = outer
    for _ in range(2 + s.choices.below(3)):
        inner = yield from s.new_port(task, sends=s.choices.one_in(2))
        if s.choices.one_in(4):
            yield from s.ask(task, task, s.name(task, inner), Notification.PORT_DESTROYED, home)
        yield from _requests(s, task, inner, home)
        if s.choices.one_in(2):
            yield from _stuff(s, task, inner, home, 0, 1)
        sends = s.has_right(task, port, SlotKind.RECEIVE, SlotKind.SEND_RECEIVE, SlotKind.SEND)
        if not sends:
            raise Lost
        # The next message goes into this queue, which is then on its way: a send right stays behind.
        yield from s.send_beside(task, inner)
        yield from s.send(task, port, (s.name(task, inner, *RECEIVING), Disposition.MOVE_RECEIVE))
        if s.choices.one_in(2):
            yield from s.send(task, inner, (s.name(task, home, *RECEIVING), Disposition.MAKE_SEND_ONCE))
        port = inner
    yield from s.kill(outer)


def a_circle_of_queues(s: Stage) -> _Calls[None]:
    """Receive rights in each other's queues, until a message would close the circle."""
    task = s.actor()
    home = yield from s.home(task)
    first = yield from s.new_port(task, sends=True)
    port = first
    for _ in range(1 + s.choices.below(3)):
        inner = yield from s.new_port(task, sends=True)
        if s.choices.one_in(3):
            yield from s.ask(task, task, s.name(task, inner), Notification.DEAD_NAME, home)
        body = [(s.name(task, inner, *RECEIVING), Disposition.MOVE_RECEIVE)]
        if s.choices.one_in(3):
            body.append((s.name(task, home, *RECEIVING), Disposition.MAKE_SEND_ONCE))
        yield from s.send(task, port, *body)
        port = inner
    if s.choices.one_in(3):
        yield from s.ask(task, task, s.name(task, first), Notification.PORT_DESTROYED, home)
    yield from s.send(task, port, (s.name(task, first, *RECEIVING), Disposition.MOVE_RECEIVE), wait=s.choices.one_in(4))


def a_full_queue_gets_room(s: Stage) -> _Calls[None]:
    """Senders to a full queue ask for a message when they can send; a message is received from it, maybe without room
    for it, or its port dies.
    """
    if not s.profile.send_possible:
        raise Lost
    task = s.actor()
    other = yield from s.other(task)
    port, home = (yield from s.new_port(task, sends=s.choices.one_in(2))), (yield from s.home(task))
    for _ in range(1 + s.choices.below(2)):
        if not s.choices.one_in(6):
            yield from s.fill(task, port)
        for owner in (other, task)[: 1 + s.choices.below(2)]:
            if owner == other:
                yield from s.give(task, other, port, Disposition.MAKE_SEND)
            elif not s.has_right(task, port, SlotKind.SEND_RECEIVE):
                yield from s.send_beside(task, port)
            name = s.name(owner, port)
            yield from s.ask(task, owner, name, Notification.SEND_POSSIBLE, home, sync=s.choices.below(2))
            if not s.choices.one_in(4):
                message = {"dest": name, "dest_disposition": int(Disposition.COPY_SEND), "send_notify": True}
                yield from s.attempt(owner, Call("mach_msg_send", message))
        if s.choices.one_in(4):
            room = {"limit": s.choices.below(natural_size(()))}
            yield from s.attempt(task, Call("mach_msg_receive", {"port": s.name(task, port, *RECEIVING)} | room))
        elif not s.choices.one_in(3):
            yield from s.make(task, "mach_msg_receive", port=s.name(task, port, *RECEIVING))
    if s.choices.one_in(2):
        yield from s.kill(port)


# ---- sets and ledgers


def a_port_in_sets(s: Stage) -> _Calls[None]:
    """A port that is in a port set is put into one again, or into another, and dies or is received from."""
    task = s.actor()
    me, port = (yield from s.own(task)), (yield from s.new_port(task))
    sets: list[int] = []
    for _ in range(2):
        made = yield from s.make(task, "mach_port_allocate", task=me, right=int(Right.PORT_SET))
        sets.append(made.outputs["name"])
    yield from s.make(task, "mach_port_move_member", task=me, member=s.name(task, port), after=sets[0])
    for _ in range(1 + s.choices.below(2)):
        calls = [call for call in ("mach_port_move_member", "mach_port_insert_member", "mach_port_extract_member") if s.has(call)]
        call, pset = s.pick(calls), s.pick(sets)
        names = {"member": s.name(task, port), "after": pset} if call == "mach_port_move_member" else {"name": s.name(task, port), "pset": pset}
        yield from s.attempt(task, Call(call, {"task": me, **names}))
    yield from s.send(task, port)
    yield from s.attempt(task, Call("mach_msg_receive", {"port": s.pick([*sets, s.name(task, port)])}))
    if s.choices.one_in(2):
        yield from s.kill(port)
    else:
        yield from s.make(task, "mach_port_destroy", task=me, name=s.pick(sets))


def a_ledger_gives_all_it_has(s: Stage) -> _Calls[None]:
    """A finite ledger gives away all that it has left: to a new child, or to one that is there."""
    if not s.has("ledger_create"):
        raise Lost
    roots = [
        (task, name)
        for task in callers(s.snapshot)
        for name, entry in sorted(s.names(task).items())
        if (port := s.snapshot.ports.get(-1 if entry.port is None else entry.port)) is not None and port.ledger is not None and port.ledger.limit < 0
    ]
    task, root = s.pick(roots)
    has = 1 + s.choices.below(4)
    made = yield from s.make(task, "ledger_create", parent_ledger=root, ledger_ledger=root, transfer=has)
    ledger = s.port_of(task, made.outputs["new_ledger"])
    pays = s.name(task, ledger) if s.choices.one_in(3) else root  # a ledger may pay for its child
    child = yield from s.make(task, "ledger_create", parent_ledger=s.name(task, ledger), ledger_ledger=pays, transfer=_left(s, ledger, pays != root))
    below = s.port_of(task, child.outputs["new_ledger"])
    left = _left(s, ledger, False)
    if left:
        yield from s.make(task, "ledger_transfer", parent_ledger=s.name(task, ledger), child_ledger=s.name(task, below), transfer=left)
    yield from s.attempt(task, Call("ledger_transfer", {"parent_ledger": s.name(task, ledger), "child_ledger": s.name(task, below), "transfer": 1}))
    yield from s.attempt(task, Call("ledger_terminate", {"ledger": s.name(task, below)}))


def _left(s: Stage, ledger: int, pays: bool) -> int:
    """What a ledger still has to give, or some of that."""
    shown = s.port(ledger).ledger
    if shown is None:
        raise Lost
    left = shown.limit - shown.balance - pays
    return left if s.choices.one_in(2) or left < 1 else s.choices.below(left)


# ---- requests and replies


def a_server_answers(s: Stage) -> _Calls[None]:
    """A client sends a request and receives its reply by one call; the server answers one request and receives the next
    by one call.
    """
    task = s.actor()
    other = yield from s.other(task)
    server, client = (task, other) if s.choices.one_in(2) else (other, task)
    port = yield from s.new_port(server)
    name = s.name(server, port)
    if s.controls(server, client):
        yield from s.give(server, client, port, Disposition.MAKE_SEND)
    else:
        yield from s.make(client, "mach_port_extract_right", task=s.control(client, server), name=name, disposition=int(Disposition.MAKE_SEND))
    home = yield from s.new_port(client)
    for _ in range(1 + s.choices.below(2)):
        yield from s.send(client, port, reply=s.name(client, home), then=s.name(client, home))
        asked = yield from s.make(server, "mach_msg_receive", port=name)
        with suppress(Lost):
            answer: dict[str, Any] = {"dest": asked.outputs["reply"], "dest_disposition": int(Disposition.MOVE_SEND_ONCE), "port": name}
            yield from s.attempt(server, s.draw(server, COMBINED, **answer, reply=0, reply_disposition=0))
        yield from _goes_on(s, client, None)
        yield from _goes_on(s, server, None)


# ---- other calls while one waits


def _waits_to_send(s: Stage, task: int, other: int) -> _Calls[int]:
    """``other`` waits for room in a full queue; returns the port."""
    port = yield from s.new_port(task)
    yield from s.give(task, other, port, Disposition.MAKE_SEND)
    home = yield from s.new_port(task)
    yield from s.fill(task, port)
    body: list[tuple[int, Disposition]] = []
    for _ in range(s.choices.below(3)):
        kind = s.choices.below(3)
        if kind == 0:
            inner = yield from s.new_port(other, sends=s.choices.one_in(2))
            body.append((s.name(other, inner), Disposition.MOVE_RECEIVE))
        elif kind == 1:
            once = yield from s.give(task, other, home, Disposition.MAKE_SEND_ONCE)
            body.append((once, Disposition.MOVE_SEND_ONCE))
        else:
            inner = yield from s.new_port(task)
            name = yield from s.give(task, other, inner, Disposition.MAKE_SEND)
            yield from s.ask(task, task, s.name(task, inner), Notification.NO_SENDERS, home)
            body.append((name, Disposition.MOVE_SEND))
    then = (yield from s.new_port(other)) if s.choices.one_in(2) else None
    reply = 0 if then is None else s.name(other, then)
    yield from s.send(other, port, *body, wait=True, reply=reply, then=reply or None)
    return port


def _waits_to_receive(s: Stage, task: int, other: int) -> _Calls[int]:
    """``other`` waits at a port, or at a port set; returns the port, or a member of the set."""
    port = yield from s.new_port(other)
    name = s.name(other, port)
    if s.choices.one_in(2):
        me = yield from s.own(other)
        made = yield from s.make(other, "mach_port_allocate", task=me, right=int(Right.PORT_SET))
        name = made.outputs["name"]
        yield from s.make(other, "mach_port_move_member", task=me, member=s.name(other, port), after=name)
    yield from s.make(other, "mach_msg_receive", port=name, wait=True)
    return port


def _stops(s: Stage, task: int, other: int) -> _Calls[int | None]:
    """``other``, or ``task``, stops between the steps of a call; returns the port that the call holds a right to."""
    in_steps = [signature for signature in SIGNATURES.values() if signature.in_steps and signature.target and s.has(signature.name)]
    signature = s.pick([one for one in in_steps if s.profile.tokens_in_two_steps or not one.creates_task])
    target = str(signature.target)
    wanted = signature.argument(target).object
    if signature.creates_task and not _known_objects(s, other, wanted):  # few tasks have the host's security port
        known = s.snapshot.tasks[task].names[s.pick(_known_objects(s, task, wanted))].port
        assert known is not None
        yield from s.give(task, other, known, Disposition.COPY_SEND)
    stopped = s.pick([one for one in (other, task) if wanted is PortObject.TASK or _known_objects(s, one, wanted)])
    me = yield from s.own(stopped)
    if signature.creates_task:
        given: dict[str, Any] = {target: s.pick(_known_objects(s, stopped, wanted)), "parent_task": me}
        if s.choices.one_in(2):  # then the child has the right, too
            yield from s.make(stopped, "task_set_special_port", task=me, which=_selector(s, Place.BOOTSTRAP), port=given[target])
        yield from s.make(stopped, signature.name, stop=True, **given, security_token=(501 + s.choices.below(2), 20))
        return None
    held, which = (yield from s.new_port(task, sends=True)), s.pick(_settable(s))  # the right that the call will replace
    there = s.control(task, stopped) if stopped != task else me
    given = {target: there, "which": which, "port": s.name(task, held)}
    yield from s.make(task, signature.name, **given)
    put = s.pick([0, *_known_objects(s, stopped, PortObject.NONE)])
    yield from s.make(stopped, signature.name, stop=True, **(given | {target: me, "port": put}))
    return held


def _selector(s: Stage, place: Place) -> int:
    """The number of a task's special port in this place."""
    return s.pick([which for which, here in s.profile.special_ports.items() if here is place])


def _settable(s: Stage) -> list[int]:
    """The special ports that a task can always set, but for its own."""
    protected = {*s.profile.protected_places, *s.profile.set_once_places, Place.KERNEL}
    return [which for which, place in s.profile.special_ports.items() if place not in protected]


def _known_objects(s: Stage, task: int, wanted: PortObject | None) -> list[int]:
    """The names by which a task has send rights to kernel objects of this kind."""
    found: list[int] = []
    for name, entry in s.names(task).items():
        port = s.snapshot.ports.get(-1 if entry.port is None else entry.port)
        if port is not None and port.object is wanted and entry.kind in SENDING:
            found.append(name)
    return found


class Waiter(NamedTuple):
    """A task that waits, as another one sees it that makes a call meanwhile."""

    by: int
    task: int
    there: int
    """The name by which ``by`` controls the task."""
    pending: PendingCall
    port: int | None
    """A port that has to do with the call."""


def _about_tasks(s: Stage) -> list[tuple[Signature, str]]:
    """The calls about a task, each with the argument that says which. (Calls that create tasks aren't.)"""
    found: list[tuple[Signature, str]] = []
    for signature in SIGNATURES.values():
        tasks = [argument.name for argument in signature.arguments if argument.object is PortObject.TASK and argument.type is ArgumentType.PORT]
        if s.has(signature.name) and tasks and not signature.creates_task:
            found.append((signature, tasks[0]))
    return found


def _any_call(s: Stage, w: Waiter) -> _Calls[None]:
    """Any call about the task."""
    signature, which = s.pick(_about_tasks(s))
    yield from s.attempt(w.by, s.draw(w.by, signature.name, **{which: w.there}))


def _any_call_on_its_name(s: Stage, w: Waiter) -> _Calls[None]:
    """Any call on the name at which the task waits, or on its name for the port."""
    names = [name for name in (w.pending.name, w.port is not None and s.has_right(w.task, w.port) and s.name(w.task, w.port)) if name]
    calls = [(one, which) for one, which in _about_tasks(s) if one.takes(ArgumentType.NAME)]
    signature, which = s.pick(calls)
    first = next(argument.name for argument in signature.arguments if argument.type is ArgumentType.NAME)
    yield from s.attempt(w.by, s.draw(w.by, signature.name, **{which: w.there, first: s.pick(names)}))


def _has_place_set(s: Stage, w: Waiter) -> _Calls[None]:
    """A place of the task is set, perhaps the one that its own call is about."""
    setters = [(one, which) for one, which in _about_tasks(s) if one.carries_rights and one.takes(ArgumentType.SELECTOR)]
    signature, which = s.pick(setters)
    selector = next(argument.name for argument in signature.arguments if argument.type is ArgumentType.SELECTOR)
    yield from s.attempt(w.by, s.draw(w.by, signature.name, **{which: w.there, selector: s.pick(_settable(s))}))


def _ends(s: Stage, w: Waiter) -> _Calls[None]:
    """The task ends, or the one that it is making."""
    yield from s.make(w.by, "task_terminate", task=w.there) if w.pending.child is None or s.choices.one_in(3) else s.end(w.pending.child)


def _is_suspended(s: Stage, w: Waiter) -> _Calls[None]:
    """The task is suspended, and mostly resumed."""
    yield from s.make(w.by, "task_suspend", task=w.there)
    if not s.choices.one_in(4):
        yield from s.make(w.by, "task_resume", task=w.there)


def _gets_tokens(s: Stage, w: Waiter) -> _Calls[None]:
    """The task gets other tokens, or the one that it is making does."""
    setters = [(one, which) for one, which in _about_tasks(s) if one.sets_tokens]
    signature, which = s.pick(setters)
    target = str(signature.target)
    child, by, there = w.pending.child, w.by, w.there
    if child is not None and s.choices.one_in(2):  # only the child itself has its port so far
        by, there = child, (yield from s.own(child))
        yield from s.make(child, "task_get_special_port", task=there, which=_selector(s, Place.BOOTSTRAP))
    security = _known_objects(s, by, signature.argument("host_security").object)
    given = {"host_security": s.pick(security), which: there}
    assert target in given
    yield from s.attempt(by, s.draw(by, signature.name, **given))


def _is_renamed(s: Stage, w: Waiter) -> _Calls[None]:
    """The name gets another name."""
    yield from s.make(w.by, "mach_port_rename", task=w.there, old_name=s.pick([w.pending.name][: w.pending.name]), new_name=s.free(w.task))


def _changes_sets(s: Stage, w: Waiter) -> _Calls[None]:
    """The port comes into a port set of the task's, or out of all."""
    name = s.name(w.task, -1 if w.port is None else w.port, *RECEIVING)
    sets = [pset for pset, entry in s.names(w.task).items() if entry.kind is SlotKind.PORT_SET]
    if not sets:
        made = yield from s.make(w.by, "mach_port_allocate", task=w.there, right=int(Right.PORT_SET))
        sets = [made.outputs["name"]]
    yield from s.attempt(w.by, Call("mach_port_move_member", {"task": w.there, "member": name, "after": s.pick([0, *sets])}))


def _waits_too(s: Stage, w: Waiter) -> _Calls[None]:
    """Another task begins the same call, on the same object if it can, and waits, too."""
    signature = SIGNATURES[w.pending.call]
    if signature.in_steps:
        given = {signature.target: w.there} if signature.target and signature.argument(signature.target).object is PortObject.TASK else {}
        yield from s.attempt(w.by, msgspec.structs.replace(s.draw(w.by, w.pending.call, **given), stop=True, shortage=0))
    elif w.pending.message is not None and w.port is not None:
        then = w.pending.name if w.pending.call == COMBINED else None
        yield from s.send(s.pick([one for one in callers(s.snapshot) if s.has_right(one, w.port)]), w.port, wait=True, then=then)
    else:
        port = yield from s.new_port(w.by)
        yield from s.make(w.by, w.pending.call, port=s.name(w.by, port), wait=True)


def _port_gets_message(s: Stage, w: Waiter) -> _Calls[None]:
    """A message comes to the port."""
    port = -1 if w.port is None else w.port
    if s.has_right(w.task, port, *RECEIVING) and not s.has_right(w.by, port):
        yield from s.make(w.by, "mach_port_extract_right", task=w.there, name=s.name(w.task, port), disposition=int(Disposition.MAKE_SEND))
    yield from s.send(w.by, port)


def _port_dies(s: Stage, w: Waiter) -> _Calls[None]:
    """The port dies, or another one that the call has a right to."""
    message = w.pending.message
    carried = () if message is None else [each.entry.port for each in message.body if each.entry.kind is not SlotKind.RECEIVE]
    held = [*carried, w.pending.held.port, w.port]
    yield from s.kill(s.pick([port for port in held if port in s.snapshot.ports and port is not None]))


def _port_moves(s: Stage, w: Waiter) -> _Calls[None]:
    """Another task gets the receive right."""
    holder, name = s.holder(-1 if w.port is None else w.port)
    if holder != w.by:
        yield from s.make(w.by, "mach_port_extract_right", task=s.control(w.by, holder), name=name, disposition=int(Disposition.MOVE_RECEIVE))
    else:
        other = s.pick([one for one in s.snapshot.tasks if one != holder and s.controls(holder, one)])
        there = s.name(other, int(w.port or 0)) if s.has_right(other, int(w.port or 0)) else s.free(other)
        given: dict[str, Any] = {"task": s.control(holder, other), "name": there, "poly": name}
        yield from s.make(holder, "mach_port_insert_right", **given, disposition=int(Disposition.MOVE_RECEIVE))


def _port_gets_limit(s: Stage, w: Waiter) -> _Calls[None]:
    """The port gets another queue limit."""
    holder, name = s.holder(-1 if w.port is None else w.port)
    there = (yield from s.own(holder)) if holder == w.by else s.control(w.by, holder)
    limit = s.choices.below(s.profile.queue_limit_max + 1)
    given = {"task": there, "name": name, "flavor": int(PortAttributes.LIMITS_INFO), "info": (limit,)}
    yield from s.attempt(w.by, Call("mach_port_set_attributes", given))


MEANWHILE: tuple[tuple[Callable[[Stage, Waiter], _Calls[None]], int], ...] = (
    (_any_call, 3),
    (_any_call_on_its_name, 3),
    (_has_place_set, 2),
    (_ends, 1),
    (_is_suspended, 2),
    (_gets_tokens, 3),
    (_is_renamed, 3),
    (_changes_sets, 2),
    (_waits_too, 1),
    (_port_gets_message, 1),
    (_port_dies, 4),
    (_port_moves, 1),
    (_port_gets_limit, 1),
)
"""What other tasks do while one waits, and how often each is drawn."""


def _meanwhile(s: Stage, by: int, stopped: int, port: int | None) -> _Calls[None]:
    """One thing that ``by`` does about a task that waits, if it can be done."""
    shown = s.snapshot.tasks.get(stopped)
    if shown is None or shown.waiting is None:
        return
    happens = s.choices.weighted(MEANWHILE)
    with suppress(Lost):
        yield from happens(s, Waiter(by, stopped, s.control(by, stopped), shown.waiting, port))


def _goes_on(s: Stage, task: int, port: int | None) -> _Calls[None]:
    """A task's pending call is resumed, if it has one; then the port's messages are received."""
    shown = s.snapshot.tasks.get(task)
    if shown is not None and shown.waiting is not None:
        yield from s.attempt(task, Call(shown.waiting.call, {}, resume=True))
    if port is not None:
        yield from s.receive_all(port)


def _while_waiting(begin: Callable[[Stage, int, int], _Calls[int | None]]) -> Plan:
    """A task waits, others make calls about what it is in the middle of, and it goes on."""

    def plan(s: Stage) -> _Calls[None]:
        task = s.actor()
        other = yield from s.other(task)
        if s.choices.one_in(3):
            yield from _stakes(s, task, other)
        port = yield from begin(s, task, other)
        stopped = s.pick([one for one in (other, task) if one in waiters(s.snapshot)])
        for _ in range(1 + s.choices.below(4)):
            yield from _meanwhile(s, other if stopped == task else task, stopped, port)
        yield from _goes_on(s, stopped, port)
        yield from _goes_on(s, stopped, port)

    return plan


def _ends_waiting(begin: Callable[[Stage, int, int], _Calls[int | None]]) -> Plan:
    """A task that has requests ends while it waits."""

    def plan(s: Stage) -> _Calls[None]:
        task = s.actor()
        other = yield from s.other(task, ends=True, waiting=True)
        yield from _stakes(s, task, other)
        yield from begin(s, task, other)
        yield from s.end(other)

    return plan


def a_task_ends_with_its_message(s: Stage) -> _Calls[None]:
    """A task ends that waits to send a message; its names and the rights in the message end one after another."""
    task = s.actor()
    other = yield from s.other(task, ends=True, waiting=True)
    home, port = (yield from s.new_port(task)), (yield from s.new_port(task))
    yield from s.fill(task, port)
    yield from s.give(task, other, port, Disposition.MAKE_SEND)
    body: list[tuple[int, Disposition]] = []
    for carried in (False, True, s.choices.one_in(2)):
        if carried and s.choices.one_in(2):
            once = yield from s.give(task, other, home, Disposition.MAKE_SEND_ONCE)
            body.append((once, Disposition.MOVE_SEND_ONCE))
            continue
        watched = yield from s.new_port(task)
        name = yield from s.give(task, other, watched, Disposition.MAKE_SEND)
        if carried:
            yield from s.ask(task, task, s.name(task, watched), Notification.NO_SENDERS, home)
            body.append((name, Disposition.MOVE_SEND))
        else:
            yield from s.ask(task, other, name, Notification.DEAD_NAME, home)
    yield from s.send(other, port, *body, wait=True)
    yield from s.end(other)
    yield from s.receive_all(home)


def the_kernel_answers_a_full_port(s: Stage) -> _Calls[None]:
    """A message to a kernel object's port, whose reply right leads to a full queue."""
    task = s.actor()
    me, port = (yield from s.own(task)), (yield from s.new_port(task, sends=s.choices.one_in(2)))
    yield from s.fill(task, port)
    ways = [Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE, *([Disposition.COPY_SEND] if s.has_right(task, port, SlotKind.SEND_RECEIVE) else [])]
    reply: dict[str, Any] = {"reply": s.name(task, port, *RECEIVING), "reply_disposition": int(s.pick(ways))}
    yield from s.make(task, "mach_msg_send", dest=me, dest_disposition=int(Disposition.COPY_SEND), wait=s.choices.one_in(2), **reply)


def a_dead_port_is_named(s: Stage) -> _Calls[None]:
    """Calls of any kind are about a task's names for a port that has died: perhaps none has looked at them yet."""
    task = s.actor()
    other = yield from s.other(task)
    port = yield from s.new_port(task)
    names: list[int] = []
    for how in (Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE):
        names.append((yield from s.give(task, other, port, how)))
    if s.choices.one_in(2):
        home = yield from s.new_port(task)
        yield from s.ask(task, other, s.pick(names), Notification.DEAD_NAME, home)
    yield from s.make(other, "mach_task_self")
    yield from s.kill(port)
    types = s.pick([_NAMING[:1], _NAMING])  # most calls that take a name take one of any right
    named = [(one, each.name) for one in SIGNATURES.values() if s.has(one.name) for each in one.arguments if each.type in types]
    tasks = {one.name: which for one, which in _about_tasks(s)}
    for _ in range(1 + s.choices.below(6)):
        signature, argument = s.pick(named)
        given = {tasks[signature.name]: s.control(other, other)} if signature.name in tasks else {}
        if signature.argument(argument).type is ArgumentType.RIGHT_NAME and s.choices.one_in(2):
            carried = [each.name for each in signature.arguments if each.type is ArgumentType.DISPOSITION]
            given |= {which: int(s.pick(list(Disposition))) for which in carried if which in ("disposition", f"{argument}_disposition")}
        yield from s.attempt(other, s.draw(other, signature.name, **(given | {argument: s.pick(names)})))


_NAMING = (ArgumentType.RIGHT_NAME, ArgumentType.PORT, ArgumentType.NAME)
"""The types of arguments that are names."""


# ---- suspensions that rights to resume ports hold


def suspensions_are_held(s: Stage) -> _Calls[None]:
    """One or two tasks suspend another one. Then they use, carry on and give up their rights to its resume port."""
    ready = callers(s.snapshot)
    task, target = s.pick([(one, other) for one in ready for other in s.snapshot.tasks if other != one and s.controls(one, other)])
    others = [other for other in ready if other not in (task, target) and s.controls(task, other)]
    if others and not s.choices.one_in(3):
        other = s.pick(others)
        if not s.controls(other, target):
            yield from s.give(task, other, s.snapshot.tasks[target].port, Disposition.COPY_SEND)
    others = [other for other in others if s.controls(other, target)]
    for _ in range(1 + s.choices.below(3)):
        yield from _suspends(s, s.pick([task, *others]), target)
    for _ in range(2 + s.choices.below(5)):
        holders = [each for each in (task, *others) if each in callers(s.snapshot) and target in s.snapshot.tasks]
        with suppress(Lost):  # that isn't possible now; the next may be
            yield from s.choices.weighted(_WITH_RESUME_RIGHTS)(s, s.pick(holders), target)


def _suspends(s: Stage, task: int, target: int) -> _Calls[None]:
    """A suspension more. Sometimes there is no room for the right that comes with it."""
    call = Call("task_suspend", {"task": s.control(task, target)}, shortage=int(s.choices.one_in(8)))
    yield from s.attempt(task, call)


def _resumes(s: Stage, task: int, target: int) -> _Calls[None]:
    """A suspension less, whether the task made one or not."""
    yield from s.attempt(task, Call("task_resume", {"task": s.control(task, target)}))


def _resume_right(s: Stage, task: int, target: int) -> int:
    """The task's name for the target's resume port; raises Lost if it has none."""
    return s.pick([name for name in _known_objects(s, task, PortObject.TASK_RESUME) if s.port(s.port_of(task, name)).task == target])


def _gives_up_resume_right(s: Stage, task: int, target: int) -> _Calls[None]:
    """The right goes, or a reference of it, in one of the ways in which names are given up."""
    name, me = _resume_right(s, task, target), (yield from s.own(task))
    call, given = s.pick([("deallocate", {}), ("destroy", {}), ("mod_refs", {"right": int(Right.SEND), "delta": s.pick([-2, -1, 1])})])
    yield from s.attempt(task, Call(f"mach_port_{call}", {"task": me, "name": name, **given}))


def _hands_on_resume_right(s: Stage, task: int, target: int) -> _Calls[None]:
    """Another task gets the right, or a copy of it."""
    how = s.pick([Disposition.COPY_SEND, Disposition.MOVE_SEND])
    other = s.pick([each for each in s.snapshot.tasks if each != task and s.controls(task, each)])
    yield from s.give(task, other, s.port_of(task, _resume_right(s, task, target)), how)


def _sends_resume_right(s: Stage, task: int, target: int) -> _Calls[None]:
    """A message carries the right. It is received, or ends with its queue."""
    _resume_right(s, task, target)
    queue = yield from s.new_port(task)
    yield from s.send(task, queue, (_resume_right(s, task, target), s.pick([Disposition.COPY_SEND, Disposition.MOVE_SEND])))
    if s.choices.one_in(2):
        yield from s.receive_all(queue)
    else:
        yield from s.kill(queue)


def _ends_with_resume_right(s: Stage, task: int, target: int) -> _Calls[None]:
    """A holder ends, or the suspended task."""
    yield from s.end(s.pick([task, target]))


_WITH_RESUME_RIGHTS: tuple[tuple[Callable[[Stage, int, int], _Calls[None]], int], ...] = (
    (_suspends, 2),
    (_resumes, 4),
    (_gives_up_resume_right, 3),
    (_hands_on_resume_right, 2),
    (_sends_resume_right, 2),
    (_ends_with_resume_right, 1),
)


# ---- processes


def _process(s: Stage, task: int) -> Process:
    """The process behind a task; raises Lost if there is none."""
    process = s.snapshot.tasks[task].process if task in s.snapshot.tasks else None
    if process is None:
        raise Lost
    return process


def _parent(s: Stage) -> int:
    """A task whose process can create another one: often one that isn't root."""
    able = [task for task in callers(s.snapshot) if s.may_fork(task)]
    others = [task for task in able if _process(s, task).effective_user]
    return s.pick(others if others and s.choices.one_in(2) else able)


def _child(s: Stage, parent: int) -> _Calls[int]:
    """A task whose process is a child of the parent's, which controls it."""
    pid = _process(s, parent).pid
    there = [task for task in s.controlled(parent) if (own := s.snapshot.tasks[task].process) is not None and own.parent == pid]
    there = [task for task in there if task in callers(s.snapshot)]
    if there and s.choices.one_in(3):
        return s.choices.pick(there)
    made = (yield from s.new_task(parent)) if len(s.snapshot.tasks) < MOST_TASKS else None
    return s.pick(there) if made is None else made


def _asks(s: Stage, pid: int) -> _Calls[None]:
    """A task asks for a port of another one, by the pid of its process: often one of the same user, not root."""
    processes = {each: process for each in callers(s.snapshot) if (process := s.snapshot.tasks[each].process) is not None}
    users = [process.effective_user for process in processes.values() if process.pid == pid]
    alike = [each for each, process in processes.items() if process.pid != pid and process.effective_user in users and process.effective_user]
    task = s.pick(alike if alike and s.choices.one_in(2) else list(processes))
    me = yield from s.own(task)
    call = s.choices.weighted((("task_for_pid", 4), ("task_name_for_pid", 2), ("task_inspect_for_pid", 1), ("task_read_for_pid", 1)))
    yield from s.attempt(task, Call(call, {"target_tport": me, "pid": pid}))


def _sets_ids(s: Stage, task: int) -> _Calls[None]:
    """A process sets some of its ids."""
    call = s.pick(["setuid", "seteuid", "setreuid", "setgid", "setegid", "setregid", "setgroups", "initgroups"])
    yield from s.attempt(task, s.draw(task, call))


def a_process_executes_while_others_look(s: Stage) -> _Calls[None]:
    """The process of a task that others control executes an image, mostly a set-id image. Between its phases others use
    their rights to its old task's port, and ask for the task by its pid. Some do so afterwards, too.
    """
    parent = _parent(s)
    child = yield from _child(s, parent)
    pid = _process(s, child).pid
    if s.choices.one_in(3):
        yield from _stakes(s, parent, child)
    for _ in range(s.choices.below(3)):
        with suppress(Lost):
            yield from _sets_ids(s, s.pick([child, parent]))
    if s.choices.one_in(3):
        with suppress(Lost):
            yield from _handles_own_exceptions(s, child)
    given: dict[str, int] = {}
    if not s.choices.one_in(4):
        given = {"set_user": s.pick([0, 0, 501, 502, UNSET]), "set_group": s.pick([UNSET, UNSET, 0, 20])}
    call = Call("execve", NO_SET_ID | given, stop=True)
    yield from s.attempt(child, call)
    while (shown := s.snapshot.tasks.get(child)) is not None and shown.waiting is not None:
        for _ in range(s.choices.below(3)):
            with suppress(Lost):
                yield from _looks(s, parent, child, pid)
        yield from s.attempt(child, Call("execve", {}, stop=not s.choices.one_in(6), resume=True))
    for _ in range(1 + s.choices.below(2)):
        with suppress(Lost):
            yield from _asks(s, pid)


def a_process_spawns_a_set_id_image(s: Stage) -> _Calls[None]:
    """A process, mostly one that isn't root and has exception ports, makes a process with an image of another user or
    group. Then a task asks for the child by its pid, and the child sets its ids.
    """
    parent = _parent(s)
    with suppress(Lost):
        yield from _child(s, parent)
    processes = {each: own for each in callers(s.snapshot) if (own := s.snapshot.tasks[each].process) is not None}
    users = [each for each, own in processes.items() if own.effective_user]
    task = s.pick(users if users and not s.choices.one_in(4) else list(processes))
    if not s.choices.one_in(4):
        yield from _handles_own_exceptions(s, task)
    made = yield from s.make(task, "posix_spawn", set_user=s.pick([0, 501, 502, UNSET]), set_group=s.pick([UNSET, UNSET, 0, 20]))
    with suppress(Lost):
        yield from _asks(s, made.outputs["pid"])
    with suppress(Lost):
        yield from _sets_ids(s, made.created_task or 0)


def _handles_own_exceptions(s: Stage, task: int) -> _Calls[None]:
    """A task has its exceptions sent to a port of its own."""
    me = yield from s.own(task)
    port = yield from s.new_port(task, sends=True)
    to = {"exception_mask": EXC_MASK_ALL, "new_port": s.name(task, port)}
    yield from s.attempt(task, s.draw(task, "task_set_exception_ports", task=me, **to))


def a_process_with_two_users_sets_both(s: Stage) -> _Calls[None]:
    """A process executes an image of another user or group, and sets its real and its effective id in one call. It may
    have the real one, and often not the effective one.
    """
    parent = _parent(s)
    child = yield from _child(s, parent)
    pid = _process(s, child).pid
    other = s.pick([501, 502, 503])
    yield from s.attempt(child, Call("execve", {"set_user": other, "set_group": other}))
    processes = {each: own for each in callers(s.snapshot) if (own := s.snapshot.tasks[each].process) is not None}
    task = s.pick([each for each, own in processes.items() if own.pid == pid])
    real, effective, call = s.pick([("ruid", "euid", "setreuid"), ("rgid", "egid", "setregid")])
    strangers = [each for each in (0, 501, 502, 503) if each != other]
    yield from s.attempt(task, Call(call, {real: other, effective: s.pick(strangers)}))


def _looks(s: Stage, parent: int, child: int, pid: int) -> _Calls[None]:
    """Something that another task does about an exec."""
    shown = s.snapshot.tasks.get(child)
    if shown is None or shown.waiting is None or s.choices.one_in(2):
        yield from _asks(s, pid)
        return
    by = s.pick([task for task in callers(s.snapshot) if s.controls(task, child)])
    yield from s.pick([_any_call, _has_place_set, _is_suspended])(s, Waiter(by, child, s.control(by, child), shown.waiting, None))


def a_process_with_other_ids_is_asked_for(s: Stage) -> _Calls[None]:
    """Processes set ids; others ask for their tasks, which may have an access port."""
    parent = _parent(s)
    child = yield from _child(s, parent)
    me = yield from s.own(parent)
    places = [which for which, place in s.profile.special_ports.items() if place is Place.ACCESS]
    if places and s.choices.one_in(3):
        port = yield from s.new_port(parent, sends=True)
        held = s.pick([s.name(parent, port), me])
        yield from s.make(parent, "task_set_special_port", task=s.control(parent, child), which=places[0], port=held)
        if s.choices.one_in(2):
            yield from s.kill(port)
    pid = _process(s, child).pid
    with suppress(Lost):
        yield from _asks(s, pid)
    if s.choices.one_in(3):  # then it is of another's user, and marked
        user = s.pick([process.effective_user for task in callers(s.snapshot) if (process := s.snapshot.tasks[task].process) is not None])
        yield from s.attempt(child, Call("setuid", {"uid": user}))
        yield from _asks(s, pid)
    for _ in range(1 + s.choices.below(3)):
        with suppress(Lost):
            yield from _sets_ids(s, s.pick([child, child, parent]))
        with suppress(Lost):
            yield from _asks(s, s.pick([pid, pid, _process(s, parent).pid]))


def an_image_is_asked_for_by_its_token(s: Stage) -> _Calls[None]:
    """A task makes identity tokens of a child, before, during or after an exec of the child's, and asks with them for
    its ports; now and then the child ends, or the token goes to another task.
    """
    parent = _parent(s)
    child = yield from _child(s, parent)
    stops = s.choices.one_in(2)
    names = [(yield from _token_of(s, parent, child))]
    yield from _asks_by_token(s, parent, names)
    if s.choices.one_in(3):
        other = s.pick([task for task in callers(s.snapshot) if task not in (parent, child)])
        port = s.port_of(parent, names[0])
        yield from s.give(parent, other, port, Disposition.COPY_SEND)
        yield from _asks_by_token(s, other, [s.name(other, port)])
    if s.choices.one_in(4):
        yield from s.end(child)
    else:
        yield from s.attempt(child, Call("execve", {"set_user": s.pick([0, 501, UNSET]), "set_group": UNSET}, stop=stops))
    while (shown := s.snapshot.tasks.get(child)) is not None and shown.waiting is not None:
        with suppress(Lost):
            names.append((yield from _token_of(s, parent, child)))
        yield from _asks_by_token(s, parent, names)
        yield from s.attempt(child, Call("execve", {}, stop=not s.choices.one_in(4), resume=True))
    yield from _asks_by_token(s, parent, names)


def _token_of(s: Stage, by: int, task: int) -> _Calls[int]:
    """A new identity token of a task, which another task makes: that one's name for it."""
    made = yield from s.make(by, "task_create_identity_token", task=s.control(by, task))
    return int(made.outputs["token"])


def _asks_by_token(s: Stage, task: int, names: list[int]) -> _Calls[None]:
    """A task asks for a port by one of its tokens."""
    yield from s.attempt(task, s.draw(task, "task_identity_token_get_task_port", token=s.choices.pick(names)))


def a_child_ends_and_is_waited_for(s: Stage) -> _Calls[None]:
    """A child ends, and its parent waits for it, before or after; others ask for the child meanwhile, and when it is
    forgotten.
    """
    parent = _parent(s)
    child = yield from _child(s, parent)
    pid = _process(s, child).pid
    wait = Call("wait4", {"pid": s.pick([pid, -1]), "no_hang": False})
    waits = s.choices.one_in(2)
    if waits:
        yield from s.attempt(parent, wait)
    if s.choices.one_in(3):
        yield from _stakes(s, s.pick([task for task in callers(s.snapshot) if s.controls(task, child)]), child)
    yield from s.end(child)
    if s.choices.one_in(2):
        other = s.pick([task for task in callers(s.snapshot) if task != parent])
        yield from s.attempt(other, Call("wait4", {"pid": pid, "no_hang": True}))
    for _ in range(2):
        with suppress(Lost):
            yield from _asks(s, pid)
        shown = s.snapshot.tasks.get(parent)
        if pid in [zombie.pid for zombie in s.snapshot.zombies.values()]:
            waiting = shown is not None and shown.waiting is not None
            yield from s.attempt(parent, Call("wait4", {}, resume=True) if waiting else wait)


def a_parent_ends_before_its_children(s: Stage) -> _Calls[None]:
    """A process ends whose children live, or have ended; then the children end."""
    first = _parent(s)
    parent = yield from _child(s, first)
    pid = _process(s, parent).pid
    children: list[int] = []
    for _ in range(1 + s.choices.below(2)):
        made = yield from s.make(parent, "fork")
        children.append(made.created_task or 0)
    if s.choices.one_in(3):
        yield from s.end(children[0])
    if s.choices.one_in(4):
        yield from s.attempt(children[-1], Call("execve", {"set_user": s.pick([UNSET, 0]), "set_group": UNSET}, stop=True))
    yield from s.end(parent)
    with suppress(Lost):
        yield from s.attempt(first, Call("wait4", {"pid": s.pick([pid, -1]), "no_hang": True}))
    for child in children:
        with suppress(Lost):
            yield from s.end(child)


def processes_share_an_audit_session(s: Stage) -> _Calls[None]:
    """A process of root's and its child are in one audit session. They set its audit user, enter others' sessions, look
    at theirs, and do what sets their tokens.
    """
    processes = {each: own for each in callers(s.snapshot) if (own := s.snapshot.tasks[each].process) is not None}
    parent = s.pick([each for each, own in processes.items() if not own.effective_user])
    if s.choices.one_in(2):
        new = s.pick([ASSIGN_SESSION, ASSIGN_SESSION, 7])
        yield from s.attempt(parent, Call("setaudit_addr", {"audit_user": s.pick([UNSET, UNSET, 501]), "session": new}))
    child = parent
    with suppress(Lost):
        child = (yield from s.make(parent, "fork")).created_task or parent
    for _ in range(3 + s.choices.below(4)):
        task = s.pick([parent, child])
        with suppress(Lost):
            yield from s.pick([_sets_audit_user, _sets_audit_user, _enters_session, _looks_at_session, _sets_ids, _executes])(s, task)


def _sets_audit_user(s: Stage, task: int) -> _Calls[None]:
    yield from s.attempt(task, Call("setauid", {"auid": s.pick([501, 501, 502, UNSET])}))


def _enters_session(s: Stage, task: int) -> _Calls[None]:
    """Into a session of another process, mostly as the audit user that it has."""
    number = s.pick(sorted(s.snapshot.sessions))
    user = s.snapshot.sessions[number]
    named = s.pick([user, user, 501, 502]) if user != UNSET else s.pick([UNSET, 501])
    yield from s.attempt(task, Call("setaudit_addr", {"audit_user": named, "session": number}))


def _looks_at_session(s: Stage, task: int) -> _Calls[None]:
    yield from s.attempt(task, Call("getaudit_addr", {}))


def _executes(s: Stage, task: int) -> _Calls[None]:
    yield from s.attempt(task, Call("execve", NO_SET_ID, stop=s.choices.one_in(2)))


def the_first_process_waits_for_an_orphan(s: Stage) -> _Calls[None]:
    """A process ends before its child, which is the first process's then. That one waits for it, and it ends."""
    processes = {own.pid: each for each in callers(s.snapshot) if (own := s.snapshot.tasks[each].process) is not None}
    if FIRST_PID not in processes:
        raise Lost
    first = processes[FIRST_PID]
    parent = (yield from s.make(first, "fork")).created_task or 0
    pid = _process(s, parent).pid
    child = (yield from s.make(parent, "fork")).created_task or 0
    orphan = _process(s, child).pid
    yield from s.end(parent)
    yield from s.attempt(first, Call("wait4", {"pid": pid, "no_hang": False}))
    yield from s.attempt(first, Call("wait4", {"pid": s.pick([orphan, orphan, -1]), "no_hang": False}))
    yield from s.end(child)
    yield from s.attempt(first, Call("wait4", {}, resume=True))


def a_message_outlives_its_senders_ids(s: Stage) -> _Calls[None]:
    """A process sends a message and sets its ids, or executes or ends, before the message is received."""
    parent = _parent(s)
    child = yield from _child(s, parent)
    port = yield from s.new_port(parent)
    yield from s.give(parent, child, port, Disposition.MAKE_SEND)
    yield from s.send(child, port)
    kind = s.choices.below(4)
    if kind == 0:
        yield from s.end(child)
    elif kind == 1:
        yield from s.attempt(child, Call("execve", {"set_user": s.pick([UNSET, 0]), "set_group": UNSET}))
    else:
        yield from _sets_ids(s, child)
    name = s.name(parent, port, *RECEIVING)
    yield from s.attempt(parent, s.draw(parent, "mach_msg_receive", port=name))


PLANS: tuple[tuple[Plan, int], ...] = (
    (a_task_with_requests_ends, 6),
    (the_richest_task_ends, 2),
    (several_tasks_wait_for_a_port_to_die, 4),
    (a_receive_right_is_rescued, 8),
    (a_full_queue_dies, 3),
    (a_queue_of_two_dies, 4),
    (queues_in_queues_die, 4),
    (a_circle_of_queues, 2),
    (a_port_in_sets, 1),
    (a_dead_port_is_named, 3),
    (a_port_ends_with_its_only_sender, 3),
    (a_ledger_gives_all_it_has, 1),
    (a_server_answers, 2),
    (a_full_queue_gets_room, 3),
    (_while_waiting(_waits_to_send), 6),
    (_while_waiting(_waits_to_receive), 3),
    (_while_waiting(_stops), 5),
    (_ends_waiting(_waits_to_send), 1),
    (_ends_waiting(_waits_to_receive), 1),
    (_ends_waiting(_stops), 1),
    (a_task_ends_with_its_message, 4),
    (the_kernel_answers_a_full_port, 3),
)
"""The plans, and how often each is drawn."""
PLANS_WITH_RESUME_PORTS: tuple[tuple[Plan, int], ...] = ((suspensions_are_held, 4),)
"""Further plans for kernels in which rights hold suspensions."""


PLANS_WITH_PROCESSES: tuple[tuple[Plan, int], ...] = (
    (a_process_executes_while_others_look, 12),
    (a_process_with_other_ids_is_asked_for, 6),
    (a_child_ends_and_is_waited_for, 6),
    (a_parent_ends_before_its_children, 3),
    (a_process_with_two_users_sets_both, 8),
    (a_process_spawns_a_set_id_image, 4),
    (an_image_is_asked_for_by_its_token, 5),
    (processes_share_an_audit_session, 4),
    (the_first_process_waits_for_an_orphan, 2),
    (_ends_waiting(_stops), 1),  # once more: a process that waits can't be ended, so the plan often comes to nothing here
    (a_message_outlives_its_senders_ids, 2),
)
"""Further plans for kernels with processes."""


def plans_of(profile: Profile) -> tuple[tuple[Plan, int], ...]:
    """The plans for kernels of ``profile``, and how often each is drawn."""
    further = (PLANS_WITH_RESUME_PORTS, profile.resume_ports), (PLANS_WITH_PROCESSES, profile.has_processes)
    return (*PLANS, *(plan for plans, has in further if has for plan in plans))


class Director:
    """Draws plans one after another, and gives out their calls."""

    def __init__(self, profile: Profile, choices: Choices, has: Callable[[str], bool], draw: DrawCall) -> None:
        self._stage = Stage(profile, choices, has, draw)
        self._plan: _Calls[None] | None = None
        self._next: tuple[int, Call] | None = None
        self._made: Step | None = None
        self._asked = False

    def next(self, snapshot: Snapshot) -> tuple[int, Call] | None:
        """A plan's next call; None: a random call should come now."""
        self._stage.snapshot = snapshot
        if self._asked:
            self._advance()
        if self._plan is None:
            if self._stage.choices.below(AFTERWARDS + 1) and self._stage.choices.one_in(2):
                return None
            self._plan = self._stage.choices.weighted(plans_of(self._stage.profile))(self._stage)
            self._asked, self._made = True, None
            self._advance(begin=True)
        if self._next is None or self._stage.choices.one_in(ONE_IN_BETWEEN):
            return None
        task, call = self._next
        if not can_make(snapshot, task, call):
            self._drop()
            return None
        self._asked = True
        return self._next

    def made(self, step: Step) -> None:
        """Take the step that the last call became. (A call that couldn't be made becomes none.)"""
        if self._asked and self._made is None and self._next is not None and (step.task, step.call) == (self._next[0], self._next[1].name):
            self._made = step

    def _advance(self, begin: bool = False) -> None:
        self._asked = False
        step, self._made = self._made, None
        assert self._plan is not None
        if step is None and not begin:
            self._drop()
            return
        try:
            self._next = self._plan.send(step)  # type: ignore[arg-type]  # None begins a generator
        except (StopIteration, Lost):
            self._drop()

    def _drop(self) -> None:
        self._plan = self._next = None
