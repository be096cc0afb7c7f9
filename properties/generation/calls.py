"""Calls for random runs: decoded from a block of bytes, depending on the state that the run has reached.

Every argument is chosen by its *type* in the signature table. So a new call needs at most a weight here, and an entry
in ``names.py`` if its names must denote certain kinds of rights.

With most arguments the call is likely to succeed. A hostile minority are unknown, stale, dead, reserved, foreign or of
the wrong kind, out of range, or near a limit. The same bytes and the same answers of an implementation give the same
calls.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import accumulate
from typing import Any

import msgspec
from hypothesis import strategies as st

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import ALL, Capabilities
from sendright.mach.kernel.profiles import Profile
from sendright.mach.kernel.unmodelled import is_ordinary, why_unmodelled_argument
from sendright.mach.signatures import CHILD_MAKERS, SIGNATURES, TASK_MAKERS, Argument, ArgumentType, Signature
from sendright.mach.signatures.widths import value_seen
from sendright.mach.state.process import FIRST_PID
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import Step
from sendright.properties.generation import draws
from sendright.properties.generation.arguments import DRAWS
from sendright.properties.generation.caller_view import RECEIVING, Situation, can_go_on
from sendright.properties.generation.choices import Choices
from sendright.properties.generation.names import kinds_wanted
from sendright.properties.generation.plans import Director
from sendright.properties.runs.judged_run import callers, waiters

BYTES_PER_CALL = 40
"""More than any call reads, except for the longest messages."""
MANY_TASKS = 5
"""With this many tasks or more, calls that create a task are rare."""
FEW_TASKS, FEW_PORTS = 3, 2
"""With fewer tasks, calls that terminate one are rare (and always rare if no call creates tasks), and every third
call creates one. With fewer ports in the caller's space, every fifth call makes one. Little happens in an empty
kernel."""
TRIES = 3
"""How often to choose another call if the caller lacks the rights for the first."""
REDRAWS = 16
"""How often to draw another value for an argument if the profile doesn't model the first."""

USUAL_WEIGHT = 4
WEIGHTS = {
    "mach_msg_send": 50,
    "mach_msg_receive": 26,
    "mach_msg": 16,
    "mach_port_insert_right": 46,
    "mach_port_extract_right": 16,
    "mach_port_allocate": 18,
    "mach_port_mod_refs": 20,
    "mach_port_deallocate": 7,
    "mach_port_destroy": 8,
    "mach_port_request_notification": 28,
    "mach_port_move_member": 5,
    "mach_port_insert_member": 7,
    "mach_port_get_attributes": 3,
    "mach_port_get_set_status": 2,
    "mach_port_set_mscount": 2,
    "mach_port_set_seqno": 2,
    "mach_port_allocate_name": 3,
    "mach_port_allocate_full": 3,
    "mach_reply_port": 2,
    "mach_port_construct": 14,
    "mach_port_destruct": 8,
    "mach_port_guard": 8,
    "mach_port_unguard": 5,
    "mach_port_peek": 7,
    "mach_port_dnrequest_info": 3,
    "mach_port_set_context": 3,
    "mach_port_guard_with_flags": 5,
    "mach_port_swap_guard": 4,
    **dict.fromkeys(("mach_port_get_srights", "mach_port_get_context", "mach_port_kobject", "mach_port_kernel_object"), 2),
    **dict.fromkeys(("mach_port_space_info", "mach_port_space_basic_info"), 1),
    "task_create": 9,
    "host_security_create_task_token": 11,
    "host_security_set_task_token": 7,
    "task_terminate": 4,
    "task_suspend": 2,
    "task_resume": 3,
    "task_get_exception_ports": 3,
    "ledger_create": 8,
    "ledger_read": 2,
    "vm_allocate": 8,
    "vm_deallocate": 2,
    "vm_copy": 3,
    "mach_host_self": 2,
    "issetugid": 1,
    **dict.fromkeys(("setuid", "setreuid", "pid_for_task"), 3),
    **dict.fromkeys(("setgid", "setegid", "setregid"), 2),
    **dict.fromkeys(("setgroups", "initgroups", "getaudit_addr", "setauid"), 1),
    "setaudit_addr": 3,
    "fork": 10,
    "posix_spawn": 6,
    "execve": 10,
    "wait4": 8,
    "task_for_pid": 10,
}
"""The weights of calls, if not USUAL_WEIGHT."""


def near_limits(profile: Profile) -> Profile:
    """The same kernel with limits small enough for random runs to reach them."""
    return msgspec.structs.replace(profile, urefs_max=4, queue_limit=2, queue_limit_max=3, pages=2)


def blocks(steps: int) -> st.SearchStrategy[bytes]:
    """One block of bytes for a run of ``steps`` calls."""
    return draws.blocks(steps * BYTES_PER_CALL)


class Calls:
    """The calls of one run. The choices come from ``block``.

    ``next`` returns a task and its call. Before the next one, ``made`` must get the resulting step. ``over`` is True
    when the run is stuck.
    """

    def __init__(self, profile: Profile, block: bytes, capabilities: Capabilities = ALL, directed: bool = False) -> None:
        """With ``directed``, most calls are those of plans (``plans.py``)."""
        self.profile = profile
        self._shortages = capabilities.shortages
        has = SIGNATURES.keys() if capabilities.calls is None else capabilities.calls
        self.choices = Choices(block)
        self.count = 0
        self.not_modelled: Counter[str] = Counter()
        """The values that were drawn and not used, because the profile doesn't model them: in words, and how often."""
        self.names_seen: dict[int, set[int]] = {}
        """Task -> all names that it ever had, including stale ones."""
        self._still_blocked: set[int] = set()
        """The tasks that were still blocked when last resumed, with no change since then."""
        self._creating = [name for name in TASK_MAKERS if profile.serves(name) and name in has]
        self._can_allocate, self._can_always = "mach_port_allocate" in has, "mach_task_self" in has
        self._can_receive = "mach_msg_receive" in has
        served = [(signature, WEIGHTS.get(name, USUAL_WEIGHT)) for name, signature in SIGNATURES.items() if profile.serves(name)]
        others = [(signature, 1) for name, signature in SIGNATURES.items() if not (profile.serves(name) or signature.of_processes)]
        weights = [weighted for weighted in served + others if weighted[0].name in has]
        self._drawn_from, self._sums = [signature for signature, _ in weights], list(accumulate(weight for _, weight in weights))
        self._snapshot = Snapshot({}, {})
        self._director = Director(profile, self.choices, lambda call: profile.serves(call) and call in has, self._given) if directed else None

    def reread(self, block: bytes) -> None:
        """Take the choices from the start of another block."""
        self.choices = Choices(block)
        self.count = 0

    def over(self, snapshot: Snapshot) -> bool:
        """True when the run is stuck: there is no call to make, or every task is suspended, or blocked and still
        blocked when last resumed."""
        return not self._drawn_from or (not callers(snapshot) and self._still_blocked.issuperset(waiters(snapshot)))

    def next(self, snapshot: Snapshot, only: str | None = None) -> tuple[int, Call]:
        """A task, and a call for it to make or to resume. The run must not be ``over``.

        With ``only``: a new call of that name; there must be a task that can make one.
        """
        self.choices.seek(self.count * BYTES_PER_CALL)
        self.count += 1
        if self._director is not None and only is None:
            self._snapshot = snapshot
            planned = self._director.next(snapshot)
            if planned is not None:
                return planned
        going_on = None if only is not None else self._resumption(snapshot)
        if going_on is not None:
            return going_on
        situation = Situation(self.profile, snapshot, self.choices.pick(callers(snapshot)), self.names_seen)
        signature = self._signature(situation) if only is None else SIGNATURES[only]
        return situation.caller, self._call(signature, situation)

    def _resumption(self, snapshot: Snapshot) -> tuple[int, Call] | None:
        """A blocked task, and the resumption of its call; None: choose a new call instead."""
        waiting = waiters(snapshot)
        if not waiting:
            return None
        untried = [task for task in waiting if task not in self._still_blocked]
        hopeful = [task for task in untried if can_go_on(snapshot, task)]
        if callers(snapshot) and not self.choices.one_in(3 if hopeful else 32):
            return None
        task = self.choices.pick(hopeful or untried or waiting)
        shown = snapshot.tasks[task].waiting
        assert shown is not None
        stop = shown.phase > 0 and self.choices.one_in(2)
        return task, Call(shown.call, {}, stop=stop, resume=True)

    def reception(self, snapshot: Snapshot) -> tuple[int, Call] | None:
        """A task that can receive, and a call that receives a message from the fullest queue; None: there is none."""
        self.count += 1
        ready = receivable(snapshot) if self._can_receive else []
        _, task, name = max(ready, default=(0, 0, 0))
        return (task, Call("mach_msg_receive", {"port": name})) if ready else None

    def made(self, step: Step) -> None:
        """Remember the names after ``step``, and the tasks that it resumed without success."""
        if self._director is not None:
            self._director.made(step)
        if step.resume and step.code in IN_PROGRESS:
            self._still_blocked.add(step.task)
        else:
            self._still_blocked.clear()
        if step.code == ReturnCode.KERN_SUCCESS:
            for change in step.changes:
                if change.slot.where == "name":
                    self.names_seen.setdefault(change.slot.owner, set()).add(change.slot.index)

    def _signature(self, situation: Situation) -> Signature:
        if situation.senders(PortObject.TASK):
            if self._creating and len(situation.snapshot.tasks) < FEW_TASKS and self.choices.one_in(3):
                return SIGNATURES[self.choices.pick(self._creating)]
            if self._can_allocate and len(situation.user_ports) < FEW_PORTS and self.choices.one_in(5):
                return SIGNATURES["mach_port_allocate"]
            if not self._creating and situation.user_ports and situation.has_strangers and self.choices.one_in(4):
                return SIGNATURES["mach_port_insert_right"]
        for _ in range(TRIES):
            signature = self._drawn_from[self.choices.among(self._sums)]
            able = all(situation.senders(wanted) for wanted in _objects_wanted(signature))
            if able and (not _is_of_little_use(signature, situation) or self.choices.one_in(6)):
                return signature
        # A call that a task can nearly always make. (A call without the rights for it is worth a try, too.)
        usual = SIGNATURES["mach_task_self"] if self._can_always else None
        return usual if usual is not None and not self.choices.one_in(4) else self._drawn_from[self.choices.among(self._sums)]

    def _given(self, task: int, name: str, given: dict[str, Any]) -> Call:
        """A call of this name by ``task``, with these arguments."""
        return self._call(SIGNATURES[name], Situation(self.profile, self._snapshot, task, self.names_seen), given)

    def _call(self, signature: Signature, situation: Situation, given: dict[str, Any] | None = None) -> Call:
        drawn: dict[str, Any] = dict(given or {})
        for argument in _in_order(signature):
            if argument.name not in drawn and self.profile.takes(signature.name, argument.name):
                drawn[argument.name] = self._argument(situation, signature, argument, drawn)
        arguments = {argument.name: drawn[argument.name] for argument in signature.arguments if argument.name in drawn}
        # A shortage can leave incomplete tasks behind.
        short = self.choices.one_in(3 if signature.creates_task else 12) and self._shortages
        shortage = 1 + self.choices.below(3) if short else 0
        # It must have no effect on calls that aren't in steps.
        stop = self.choices.one_in(2 if signature.of_processes and signature.in_steps else 3 if signature.in_steps else 40)
        return Call(signature.name, arguments, shortage, stop)

    def _argument(self, situation: Situation, signature: Signature, argument: Argument, drawn: dict[str, Any]) -> Any:
        """A value that the profile models, as the kernel sees it."""
        for _ in range(REDRAWS):
            value = DRAWS[argument.type](self.choices, situation, signature, argument, drawn)
            if is_ordinary(signature.name, argument.name, value, self.profile):
                break
            value = value_seen(value, signature, argument, self.profile.name)
            unmodelled = why_unmodelled_argument(signature, argument, value, self.profile)
            if unmodelled is None:
                break
            self.not_modelled[unmodelled] += 1
        return value


def receivable(snapshot: Snapshot) -> list[tuple[int, int, int]]:
    """The queues that a task can receive from now: the number of messages, the task, and the name to receive from (of
    a port set that the port is in, if it is in one).
    """
    found: list[tuple[int, int, int]] = []
    for task in callers(snapshot):
        shown = snapshot.tasks[task]
        inside = {member: pset for pset, members in shown.sets.items() for member in members}
        for name, entry in shown.names.items():
            port = snapshot.ports.get(-1 if entry.port is None else entry.port)
            if entry.kind in RECEIVING and port is not None and port.queue:
                found.append((len(port.queue), task, inside.get(name, name)))
    return found


def _is_of_little_use(signature: Signature, situation: Situation) -> bool:
    """Whether the call is of little use in this situation."""
    tasks, process = len(situation.snapshot.tasks), situation.process
    if signature.of_processes and process is None:
        return signature.name != "pid_for_task"
    if signature.name == "exit":
        return tasks <= FEW_TASKS or process is None or process.pid == FIRST_PID
    if signature.name == "wait4":
        return not situation.children
    if signature.creates_task:
        return tasks >= MANY_TASKS
    if signature.name == "task_terminate":
        return tasks < FEW_TASKS or not any(map(situation.profile.serves, CHILD_MAKERS))
    if signature.name == "task_suspend":
        return len(callers(situation.snapshot)) < FEW_TASKS
    if signature.name == "task_resume":
        return not any(task.suspend_count for task in situation.snapshot.tasks.values())
    if signature.name in ("ledger_transfer", "ledger_terminate"):
        return not any(situation.is_ledger_below(name) for name in situation.names)
    wanted = kinds_wanted(signature)
    if wanted:
        return not all(situation.names_of(situation.caller, kinds) for kinds in wanted)
    if signature.name == "mach_msg_receive":
        return not situation.with_messages and not situation.worth_waiting_at
    return _carries(signature) and not situation.user_ports


@cache
def _objects_wanted(signature: Signature) -> tuple[PortObject, ...]:
    """The kernel objects that the call needs to succeed."""
    needed = [argument.object for argument in signature.arguments if argument.type is ArgumentType.PORT and argument.required]
    return tuple(object_ for object_ in needed if object_ is not None)


@cache
def _in_order(signature: Signature) -> tuple[Argument, ...]:
    """The arguments in the order in which they are drawn: a right before its destination."""
    rights = [argument for argument in signature.arguments if argument.type is ArgumentType.RIGHT_NAME]
    before = signature.arguments[: signature.arguments.index(rights[-1])] if rights else ()
    return tuple(sorted(signature.arguments, key=lambda argument: argument in before and argument.type is ArgumentType.NAME))


@cache
def _carries(signature: Signature) -> bool:
    """Whether the call moves or copies a right of the caller's to elsewhere."""
    return any(argument.type is ArgumentType.RIGHT_NAME for argument in signature.arguments)
