"""Suspending and resuming a task. A task whose suspend count isn't 0 makes no calls (``Context.assumptions``).

Where ``resume_ports`` (XNU 11417) a caller that suspends a task gets a send right to the task's resume port, under a
name of its space. Only the suspend count says how often the task is suspended. But when the last of these rights goes,
wherever it was, all suspensions end: a rule for pending work does that.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.model.calls.allocation import fresh_name
from sendright.model.language.actions import forget_name, lose_send, make_kernel_port, put_name
from sendright.model.language.evidence import decided, page, read, rests_on, suite
from sendright.model.language.rule import SUSPENSIONS_END, Case, Context, rule
from sendright.model.language.sorts import KIND, OBJECT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Int, Name, Port

RESUME = OBJECT.of(PortObject.TASK_RESUME)

_COPIED_OUT = "kern/task.c: task_suspend; ipc/ipc_object.c: ipc_object_copyout; ipc/ipc_right.c: ipc_right_copyout"
LEFT = rests_on(xnu=_COPIED_OUT)
"""Of the right that a caller gets with which it suspends a task."""
NO_ROOM = rests_on(
    xnu=read(f"{_COPIED_OUT}; ipc/ipc_entry.c: ipc_entry_alloc, ipc_entry_grow_table")
    + decided("XNU 11417 answers so when the space's table can't grow (ipc_entry_grow_table). A test decides when: it makes memory short.")
)
"""Of a right for which the caller's space has no room."""
GIVEN_UP = rests_on(xnu="kern/task.c: task_resume, release_task_hold; ipc/ipc_hash.c: ipc_hash_lookup; ipc/ipc_right.c: ipc_right_dealloc")
"""Of the caller's right when it resumes a task."""
LOST = rests_on(xnu="kern/task.c: task_resume, release_task_hold; ipc/ipc_hash.c: ipc_hash_lookup; ipc/ipc_right.c: ipc_right_destroy")
"""Of the caller's right when it resumes a task that isn't suspended."""


class _Holder:
    """NAMES: the resume port of the task ``target``, and the caller's right to it."""

    def __init__(self, k: Context, target: Term) -> None:
        b = k.before
        self.k, self.target = k, target
        self.port = b.flavour_port(target, RESUME)
        self.is_made = self.port != k.sorts.no_port
        self.name = b.known_as(k.caller, self.port)
        self.slot = k.slot(self.name)
        self.holds = z3.And(self.is_made, self.name != k.sorts.null)
        """The caller has a send right to the port."""
        self.urefs = b.urefs(self.slot)
        self.is_pegged = z3.And(k.profile.pegged_urefs, k.is_pegged(self.slot))

    # ---- RIGHTS

    def make_port(self, after: After, port: Port) -> None:
        """The kernel makes the port."""
        make_kernel_port(after, port, PortObject.TASK_RESUME, self.k.queue_limit)
        after.at("object_task")[port] = self.target
        after.at("flavour_port")[(self.target, RESUME)] = port

    def give(self, after: After, port: Term, name: Name) -> None:
        """The caller gets a new send right to ``port``, under the free ``name``."""
        fresh_name(self.k, after, self.k.caller, name)
        after.add("srights", port, 1)
        after.add("mscount", port, 1)
        put_name(after, self.k.caller, name, KIND.SEND, port, 1)

    def give_up(self, after: After) -> None:
        """The caller's right goes, and its name with it."""
        lose_send(after, self.port)
        forget_name(after, self.k.caller, self.name)


@rule(
    evidence=rests_on(
        "kern/task.c: task_suspend",
        gnumach=suite("test-task.c: test_new_task", "the task is suspended once more"),
        xnu="kern/task.c: task_suspend, place_task_hold",
        manual=page("task_suspend"),
    )
)
def task_suspend(k: Context, task: Name, shortage: Int, *, new_name: Name, new_port: Port, out_of_memory: Bool) -> Iterator[Case]:
    """Suspend a task once more.

    Suspensions are counted: the task runs again when all of them are taken back.

    Where ``resume_ports``, the kernel makes a send right to the task's resume port (the first time, the port too) and
    copies it out to the caller: it joins the right that the caller has, or gets a new name. If there is no room for it
    the call fails, but the task is suspended, unless no other right to the port exists: the right ends, and with the
    last one all suspensions. Source: ``task_suspend`` in ``kern/task.c`` of XNU 11417.
    """
    # NAMES
    target = k.task_behind(task)
    holder = _Holder(k, target)

    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))

    # RIGHTS
    def suspend(after: After) -> None:
        after.add("suspend_count", target, 1)

    def make_and_lose(after: After) -> None:
        suspend(after)
        holder.make_port(after, new_port)
        after.add("mscount", new_port, 1)

    def count_made(after: After) -> None:
        suspend(after)
        after.add("mscount", holder.port, 1)

    def make_and_give(after: After) -> None:
        suspend(after)
        holder.make_port(after, new_port)
        holder.give(after, new_port, new_name)

    def give(after: After) -> None:
        suspend(after)
        holder.give(after, holder.port, new_name)

    def add_reference(after: After) -> None:
        count_made(after)
        after.at("urefs")[holder.slot] = holder.urefs + 1

    if not k.profile.resume_ports:
        yield k.succeeds("the task is suspended once more", k.otherwise(), suspend)
        return
    fails, first = z3.And(shortage > 0, out_of_memory), z3.Not(holder.is_made)
    title = "the task is suspended, and there is no room for the first right to its resume port"
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, title, z3.And(fails, first), make_and_lose, evidence=NO_ROOM)
    title = "the task is suspended, and there is no room for a right to its resume port"
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, title, fails, count_made, evidence=NO_ROOM)
    room = z3.Not(fails)
    title = "the task is suspended, and the caller gets the first right to its resume port"
    yield k.succeeds(title, k.otherwise(z3.And(room, first), tested=first), make_and_give, evidence=LEFT)
    title, new = "the task is suspended, and the caller gets a right to its resume port", z3.Not(holder.holds)
    yield k.succeeds(title, k.otherwise(z3.And(room, holder.is_made, new), tested=new), give, evidence=LEFT)
    full = holder.urefs >= k.send_urefs_max
    title = "the task is suspended, and the caller's right to its resume port has all references it can have"
    yield k.succeeds(title, k.otherwise(z3.And(room, holder.holds, full), tested=full), count_made, evidence=LEFT)
    title = "the task is suspended, and the caller's right to its resume port gets one more reference"
    yield k.succeeds(title, k.otherwise(z3.And(room, holder.holds, z3.Not(full))), add_reference, evidence=LEFT)


@rule(
    evidence=rests_on(
        "kern/task.c: task_resume",
        gnumach=suite("test-task.c: test_new_task", "one suspension is taken back"),
        xnu="kern/task.c: task_resume, release_task_hold",
        manual=page("task_resume"),
    )
)
def task_resume(k: Context, task: Name) -> Iterator[Case]:
    """Take back one suspension of a task. This fails if the task isn't suspended.

    Where ``resume_ports``, a caller may take back a suspension that another task made. If the caller has a right to the
    task's resume port, the call takes one reference of it. If the task isn't suspended, it takes all. Source:
    ``task_resume`` in ``kern/task.c`` of XNU 11417.
    """
    # NAMES
    target = k.task_behind(task)
    holder = _Holder(k, target)

    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))
    runs = k.before.suspend_count(target) == 0
    if k.profile.resume_ports:
        title = "the task is not suspended: the caller loses its right to the resume port"
        yield k.fails(k.profile.resume_at_zero_code, title, z3.And(runs, holder.holds), holder.give_up, evidence=LOST)
    yield k.fails(k.profile.resume_at_zero_code, "the task is not suspended", runs)

    # RIGHTS
    def resume(after: After) -> None:
        after.add("suspend_count", target, -1)

    def take_reference(after: After) -> None:
        resume(after)
        after.at("urefs")[holder.slot] = holder.urefs - 1

    def resume_and_give_up(after: After) -> None:
        resume(after)
        holder.give_up(after)

    stopped, none = z3.Not(runs), z3.BoolVal(True)
    if k.profile.resume_ports:
        held, several, none = z3.And(stopped, holder.holds), holder.urefs > 1, z3.Not(holder.holds)
        if k.profile.pegged_urefs:
            title, pegged = "one suspension is taken back, and the caller's right is pegged", z3.And(holder.holds, holder.is_pegged)
            yield k.succeeds(title, k.otherwise(z3.And(held, holder.is_pegged), tested=pegged), resume, evidence=GIVEN_UP)
        title, stays = "one suspension is taken back, with one reference of the caller's right", z3.And(holder.holds, several)
        meaning = z3.And(held, several, z3.Not(holder.is_pegged))
        yield k.succeeds(title, k.otherwise(meaning, tested=stays), take_reference, evidence=GIVEN_UP)
        meaning = z3.And(held, z3.Not(several), z3.Not(holder.is_pegged))
        title = "one suspension is taken back, and the caller's right goes"
        yield k.succeeds(title, k.otherwise(meaning, tested=holder.holds), resume_and_give_up, evidence=GIVEN_UP)
    yield k.succeeds("one suspension is taken back", k.otherwise(z3.And(stopped, none)), resume)


def _without_holders(k: Context, of: Port) -> list[Term]:
    return [k.ends_suspensions(of)]


@rule(
    SUSPENSIONS_END,
    pending=True,
    applies=lambda profile: profile.resume_ports,
    requires=_without_holders,
    evidence=rests_on(xnu="kern/task.c: task_suspension_no_senders, release_task_hold; kern/ipc_kobject.c: ipc_kobject_notify_no_senders"),
)
def end_suspensions(k: Context, of: Port) -> Iterator[Case]:
    """The last send right to a task's resume port has gone: all suspensions end, also those of other tasks.

    Source: ``task_suspension_no_senders`` in ``kern/task.c`` of XNU 11417. It takes back those that ``task_suspend``
    made (``legacy_stop_count``), and no other call that is modelled makes any.
    """
    # NAMES
    target = k.before.object_task(of)

    # RIGHTS
    def run_again(after: After) -> None:
        after.at("suspend_count")[target] = z3.IntVal(0)

    yield k.continues("the task runs again", k.otherwise(), run_again)
