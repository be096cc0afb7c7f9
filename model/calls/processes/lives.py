"""How processes begin and end: fork, exec in its phases, exit, and the wait for a child."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.abi.tokens import UNSET
from sendright.mach.state.process import FIRST_PID, NO_MEMBER
from sendright.model.calls.processes.identity import identify, needs_process
from sendright.model.calls.tasks import NewTask, end_task, inherit_memory
from sendright.model.language.actions import make_kernel_port, make_send, place_slot
from sendright.model.language.choices import choose_pid
from sendright.model.language.evidence import decided, read, rests_on
from sendright.model.language.release import release
from sendright.model.language.rule import EXEC_RESUMED, WAIT4_RESUMED, Case, Context, rule
from sendright.model.language.sequences import Driver, Steps, run, sequence
from sendright.model.language.sorts import OBJECT, PLACE, PROCESS, WAIT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Function, Int, Object, Port, Task

_COPIED = (
    *("pid", "pid_version", "parent_pid", "original_parent", "is_orphan", "has_changed_ids"),
    *("real_user", "effective_user", "saved_user", "real_group", "effective_group", "saved_group", "member_user", "audit_user", "session"),
)
"""What a new process has from the one that it is made from, unless something else is said."""
LOWEST_PID = -(1 << 31)
ANY_CHILD = -1
"""``WAIT_ANY``."""
STATUS_BITS = 256

MADE = rests_on(
    xnu="../bsd/kern/kern_exec.c: execve, __mac_execve; ../bsd/kern/kern_fork.c: cloneproc, forkproc, fork_create_child; kern/ipc_tt.c: ipc_task_init"
)
"""Of an exec's first phase."""
NAMED = rests_on(
    xnu="../bsd/kern/kern_exec.c: exec_handle_sugid; kern/ipc_tt.c: ipc_task_reset; ../bsd/kern/kern_credential.c: kauth_cred_proc_update; "
    "../bsd/kern/kern_prot.c: set_security_token"
)
"""Of its second phase."""
SWITCHED = rests_on(xnu="../bsd/kern/kern_exec.c: proc_exec_switch_task; kern/ipc_tt.c: ipc_task_enable")
"""Of its third phase."""
DONE = rests_on(xnu="../bsd/kern/kern_exec.c: __mac_execve; kern/task.c: task_terminate_internal")
"""Of its last phase."""
STOPS = decided("The phases of an exec of XNU 11417 aren't one step for other tasks. A test decides after which of them another task makes a call.")
"""Of an exec that stops between its phases."""


def _copy_process(k: Context, after: After, source: Term, task: Task) -> None:
    for field in _COPIED:
        after.at(field)[task] = k.before.fields[field](source)


def _begin_process(k: Context, after: After, child: Task, pid: Int) -> None:
    """A process like the caller's is behind the new task, with a pid and a pid version of its own."""
    b, parent = k.before, k.caller
    choose_pid(after, pid)
    _copy_process(k, after, parent, child)
    after.at("process")[child] = PROCESS.RUNNING
    after.at("pid")[child] = pid
    _draw_version(after, child)
    after.at("parent_pid")[child] = b.pid(parent)
    after.at("original_parent")[child] = b.pid(parent)
    after.at("is_orphan")[child] = z3.BoolVal(False)


def _draw_version(after: After, task: Term) -> None:
    """The process of ``task`` gets the next pid version."""
    version = after.pid_versions()
    after.at("pid_version")[task] = version
    after.store("pid_versions", (), version + 1)


def _no_process_made(k: Context, shortage: Int, out_of_memory: Bool) -> Case:
    title = "the kernel is out of memory, or there are too many processes"
    return k.fails(ReturnCode.EAGAIN, title, z3.And(shortage > 0, out_of_memory))


@rule(
    evidence=rests_on(
        xnu="../bsd/kern/kern_fork.c: fork, fork1, cloneproc, forkproc; kern/task.c: task_create_internal; "
        "kern/ipc_tt.c: ipc_task_init; ../bsd/kern/kern_prot.c: set_security_token"
    )
)
def fork(
    k: Context,
    shortage: Int,
    *,
    child: Task,
    child_port: Port,
    new_pid: Int,
    copied_object: Function[Int, Object],
    copied_page: Function[Object, Int],
    out_of_memory: Bool,
) -> Iterator[Case]:
    """Create a process that is like the caller's, with a task of its own.

    The child has its parent's ids, and a pid and a pid version of its own. Its task is as if made by ``task_create``
    with inherited memory, but its tokens and its host port follow from its process. No task gets a right to its port.
    """
    # NAMES
    parent = k.caller

    # CASES
    yield needs_process(k)
    yield _no_process_made(k, shortage, out_of_memory)

    # RIGHTS
    def make(after: After) -> None:
        NewTask(k, parent, child, child_port).make(after)
        inherit_memory(k, after, parent, child, z3.BoolVal(True), copied_object, copied_page)
        _begin_process(k, after, child, new_pid)
        # TOKENS
        identify(k, after, child)

    # REPLY
    yield k.succeeds("a process like the caller's", k.otherwise(), make, pid=new_pid)


class _Image:
    """NAMES: an image for the process of ``task`` that has an ``owner`` and a ``group`` if it has the set-id bits."""

    def __init__(self, k: Context, task: Term, owner: Term, group: Term) -> None:
        self.k, self.task, self.owner, self.group = k, task, owner, group
        self.sets_user = z3.And(owner != UNSET, owner != k.before.effective_user(task))
        self.sets_group = z3.And(group != UNSET, group != k.before.effective_group(task))
        self.is_set_id = z3.Or(self.sets_user, self.sets_group)
        """The image has set-id bits that change an effective id."""

    def give_ids(self, after: After, new: Term, is_set_id: bool) -> None:
        """The process of ``new``, which has been like that of ``task``, gets the ids that the image gives it, and a pid
        version of its own. (``exec_handle_sugid``)
        """
        b, task = self.k.before, self.task
        user, group = b.effective_user(task), b.effective_group(task)
        if is_set_id:
            user = z3.If(self.owner != UNSET, self.owner, user)
            group = z3.If(self.group != UNSET, self.group, group)
            opts_out = z3.Or(self.owner != UNSET, self.sets_group)
            after.at("member_user")[new] = z3.If(opts_out, z3.IntVal(NO_MEMBER), b.member_user(task))
        for ids, own in (("user", user), ("group", group)):
            after.at(f"effective_{ids}")[new] = own
            after.at(f"saved_{ids}")[new] = own
        after.at("has_changed_ids")[new] = z3.BoolVal(is_set_id)
        _draw_version(after, new)
        # TOKENS
        identify(self.k, after, new)


class _TaskOfSetIdImage(NewTask):
    """A new task that begins with a set-id image."""

    def lacks_exception_port(self, place: Place) -> Term:
        """It inherits only the exception ports that root has set."""
        return z3.Not(self.k.before.set_by_root(self.parent, PLACE.of(place)))


@rule(
    evidence=rests_on(
        xnu=read(
            "../bsd/kern/kern_exec.c: posix_spawn, exec_handle_sugid; ../bsd/kern/kern_fork.c: fork1, cloneproc, forkproc; kern/task.c: "
            "task_create_internal; kern/ipc_tt.c: ipc_task_init, ipc_task_reset, ipc_task_enable; ../bsd/kern/kern_prot.c: set_security_token"
        )
        + decided("The kernel makes the child and gives it its image in several steps. Here it is one.")
    )
)
def posix_spawn(
    k: Context,
    set_user: Int,
    set_group: Int,
    shortage: Int,
    *,
    child: Task,
    child_port: Port,
    new_pid: Int,
    out_of_memory: Bool,
    before_fork: Bool,
) -> Iterator[Case]:
    """Create a process that begins with an image of its own.

    The child is as if made by ``fork``, but without memory, and its image gives it its ids as that of ``execve`` does.
    With a set-id image its task inherits only the exception ports that root has set. No task gets a right to its port.
    """
    # NAMES
    parent = k.caller
    image = _Image(k, parent, set_user, set_group)

    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.ENOMEM, "the kernel is out of memory before it makes a process", z3.And(shortage > 0, out_of_memory, before_fork))
    yield _no_process_made(k, shortage, out_of_memory)

    # RIGHTS
    def make(after: After) -> None:
        NewTask(k, parent, child, child_port).make(after)
        _begin_process(k, after, child, new_pid)
        image.give_ids(after, child, is_set_id=False)

    def make_another(after: After) -> None:
        _TaskOfSetIdImage(k, parent, child, child_port).make(after)
        _begin_process(k, after, child, new_pid)
        image.give_ids(after, child, is_set_id=True)

    # REPLY
    yield k.succeeds("a process with the identity of a set-id image", image.is_set_id, make_another, pid=new_pid)
    yield k.succeeds("a process with the caller's identity", k.otherwise(z3.Not(image.is_set_id)), make, pid=new_pid)


@rule(evidence=MADE)
def execve(
    k: Context, set_user: Int, set_group: Int, shortage: Int, stop: Bool, *, child: Task, child_port: Port, out_of_memory: Bool
) -> Iterator[Case]:
    """Replace the image of the caller's process: the process goes on in a new task. This is the first of four phases.

    The new task has a copy of the process, and makes no calls yet. It is a shadow: the pid denotes the old task.
    """
    # NAMES
    parent = k.caller

    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.ENOMEM, "the kernel is out of memory", z3.And(shortage > 0, out_of_memory))

    # RIGHTS
    def make(after: After) -> None:
        NewTask(k, parent, child, child_port).make(after)
        _copy_process(k, after, parent, child)
        after.at("process")[child] = PROCESS.SHADOW
        after.at("wait")[child] = WAIT.BEGINNING
        after.at("wait")[parent] = WAIT.EXECUTING
        after.at("exec_phase")[parent] = z3.IntVal(1)
        after.at("waits_child")[parent] = child
        after.at("waits_set_user")[parent] = set_user
        after.at("waits_set_group")[parent] = set_group

    yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, "the new task is made; the call stops", stop, make, evidence=STOPS)
    yield k.continues("the new task is made", k.otherwise(z3.Not(stop)), make)


class _Exec:
    """NAMES of the later phases: the process, its old task (the caller) and its new one, and the image."""

    def __init__(self, k: Context) -> None:
        b = k.before
        self.k, self.old, self.new = k, k.caller, b.waits_child(k.caller)
        self.phase = b.exec_phase(k.caller)
        self.image = _Image(k, self.new, b.waits_set_user(k.caller), b.waits_set_group(k.caller))

    # ---- RIGHTS

    def reset_ports(self, after: After, port: Port) -> None:
        """The new task's port dies, ``port`` takes its place, and its exception ports end, except those that root has
        set. (``ipc_task_reset``)
        """
        k, b, S, new = self.k, self.k.before, self.k.sorts.Slot, self.new
        reset = [PortObject.TASK_READ, PortObject.TASK_INSPECT]
        dying = [b.task_port(new), *[b.flavour_port(new, OBJECT.of(kind)) for kind in reset]]
        exceptions = [PLACE.of(place) for place in k.profile.exception_places]

        def given_up(slot: Term) -> Term:
            place = S.place(slot)
            reset_place = z3.And(z3.Or(*[place == each for each in exceptions]), z3.Not(b.set_by_root(new, place)))
            return z3.And(S.is_place_slot(slot), S.holder(slot) == new, z3.Or(place == PLACE.of(Place.KERNEL), reset_place))

        make_kernel_port(after, port, PortObject.TASK, k.queue_limit)
        after.at("object_task")[port] = new
        release(after, given_up, lambda each: z3.Or(*[each == own for own in dying]))
        for kind in reset:
            after.at("flavour_port")[(new, OBJECT.of(kind))] = k.sorts.no_port
        for each in exceptions:
            slot = S.place_slot(new, each)
            after.at("had")[slot] = z3.If(b.set_by_root(new, each), after.had(slot), k.sorts.no_port)
        after.at("task_port")[new] = port
        make_send(after, place_slot(after, new, Place.KERNEL), port)


@rule(EXEC_RESUMED, resumes="EXECUTING", applies=lambda profile: profile.has_processes, evidence=NAMED)
def next_phase(k: Context, stop: Bool, *, new_port: Port) -> Iterator[Case]:
    """The next phase of an exec.

    After the first phase, the new task gets its identity: the ids of a set-id image, a pid version, its tokens and its
    host port. If the image changes an id, the task gets a new port, and loses its exception ports. Then the pid denotes
    the new task. Then the old task ends, and the new one begins.
    """
    # NAMES
    e = _Exec(k)
    first, second = e.phase == 1, e.phase == 2

    # RIGHTS
    def become(after: After) -> None:
        e.image.give_ids(after, e.new, is_set_id=False)
        after.at("exec_phase")[e.old] = z3.IntVal(2)

    def become_another(after: After) -> None:
        e.reset_ports(after, new_port)
        e.image.give_ids(after, e.new, is_set_id=True)
        after.at("exec_phase")[e.old] = z3.IntVal(2)

    def switch(after: After) -> None:
        after.at("process")[e.new] = PROCESS.RUNNING
        after.at("process")[e.old] = PROCESS.SHADOW
        after.at("exec_phase")[e.old] = z3.IntVal(3)

    def end(after: After) -> None:
        end_task(k, after, e.old, z3.BoolVal(False))
        after.at("process")[e.old] = PROCESS.NO_PROCESS
        after.at("wait")[e.new] = WAIT.NOTHING

    goes_on = z3.Not(stop)
    for title, when, effect, evidence in (
        ("the new task gets the identity of a set-id image", z3.And(first, e.image.is_set_id), become_another, NAMED),
        ("the new task gets its identity", first, become, NAMED),
        ("the pid denotes the new task", second, switch, SWITCHED),
    ):
        yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, f"{title}; the call stops", z3.And(when, stop), effect, evidence=STOPS)
        meaning = z3.And(when, goes_on, z3.Not(e.image.is_set_id)) if effect is become else z3.And(when, goes_on)
        yield k.continues(title, k.otherwise(meaning, tested=when), effect, evidence=evidence, more=z3.BoolVal(True))
    title = "the old task ends, and the new one begins"
    yield k.succeeds(title, k.otherwise(z3.Not(z3.Or(first, second))), end, evidence=DONE)


@sequence("execve")
def exec_in_phases(d: Driver) -> Steps:
    """The first phase, then the others."""
    yield run("execve")
    yield from rest_of_exec(d)


@sequence("execve", resumed=True)
def rest_of_exec(d: Driver) -> Steps:
    """The phases of an exec that are left: three at most."""
    first = yield run(EXEC_RESUMED)
    second = yield run(EXEC_RESUMED, when=first.says("more"))
    yield run(EXEC_RESUMED, when=second.says("more"))


# ---- the end


def _is_child(k: Context, task: Term) -> Term:
    """The process of ``task`` is a child of the caller's."""
    return z3.And(k.before.parent_pid(task) == k.before.pid(k.caller), task != k.caller)


@rule("exit", evidence=rests_on(xnu="../bsd/kern/kern_exit.c: exit, exit1, proc_exit, reap_child_locked; kern/task.c: task_terminate_internal"))
def end_process(k: Context, status: Int) -> Iterator[Case]:
    """End the calling process and its task.

    The process is a zombie until its parent waits for it. An orphan, for which no parent waits, is forgotten at once.
    The process's own children become orphans; those that are zombies are forgotten.
    """
    # NAMES
    b = k.before

    # CASES
    yield needs_process(k)

    # RIGHTS
    def end(after: After, then: Term) -> None:
        end_task(k, after, k.caller, z3.BoolVal(False))

        def lives(t: Term) -> Term:
            return z3.And(_is_child(k, t), z3.Or(b.process(t) == PROCESS.RUNNING, b.process(t) == PROCESS.SHADOW))

        after.sweep("process", "tasks", lambda t: (z3.And(_is_child(k, t), b.process(t) == PROCESS.ZOMBIE), PROCESS.NO_PROCESS))
        after.sweep("parent_pid", "tasks", lambda t: (lives(t), z3.IntVal(FIRST_PID)))
        after.sweep("is_orphan", "tasks", lambda t: (lives(t), z3.BoolVal(True)))
        after.at("process")[k.caller] = then

    def forget(after: After) -> None:
        end(after, PROCESS.NO_PROCESS)

    def leave_zombie(after: After) -> None:
        end(after, PROCESS.ZOMBIE)
        after.at("exit_status")[k.caller] = STATUS_BITS * (status % STATUS_BITS)

    orphan = b.is_orphan(k.caller)
    yield k.succeeds("the task of an orphan ends, and its process is forgotten", orphan, forget)
    yield k.succeeds("the task ends, and its process is a zombie", k.otherwise(z3.Not(orphan)), leave_zombie)


class _Children:
    """NAMES of the wait for a child: the children of the caller's process with the pid that it asks for."""

    def __init__(self, k: Context, pid: Term) -> None:
        self.k, self.pid = k, pid
        task = z3.Const("t", k.sorts.Task)
        self.none = z3.Not(z3.Exists([task], self._is_meant(task)))
        """There is no such child."""
        self.some_ended = z3.Exists([task], self.has_ended(task))
        """One of them is a zombie."""

    def _is_meant(self, task: Term) -> Term:
        b = self.k.before
        exists = z3.Or(b.process(task) == PROCESS.RUNNING, b.process(task) == PROCESS.ZOMBIE)
        return z3.And(exists, _is_child(self.k, task), z3.Or(self.pid == ANY_CHILD, b.pid(task) == self.pid))

    def has_ended(self, task: Term) -> Term:
        return z3.And(self._is_meant(task), self.k.before.process(task) == PROCESS.ZOMBIE)


WHICH_CHILD = rests_on(
    xnu=read("../bsd/kern/kern_exit.c: wait4_nocancel, reap_child_locked")
    + decided("Which of several zombies it is, the kernel's list of children decides. The state doesn't have that list.")
)
"""Of the zombie that a parent gets."""


LAST_CHILD = rests_on(
    xnu=read("../bsd/kern/kern_exit.c: reap_child_locked, wait4_nocancel")
    + decided("The kernel wakes a waiting parent when its last child is forgotten. Here a call that goes on looks again in any case.")
)
"""Of a wait that goes on when there is no child left for it."""


def _has_ended(k: Context, children: _Children, ended: Task) -> Case:
    """The case of a wait in which a child has ended, when the wait begins and when it goes on."""
    b = k.before

    def forget(after: After) -> None:
        after.assumptions.append(children.has_ended(ended))
        after.at("wait")[k.caller] = WAIT.NOTHING
        after.at("process")[ended] = PROCESS.NO_PROCESS

    title = "a child has ended, and is forgotten"
    return k.succeeds(title, children.some_ended, forget, evidence=WHICH_CHILD, child=b.pid(ended), status=b.exit_status(ended))


_WAIT = rests_on(xnu="../bsd/kern/kern_exit.c: wait4, wait4_nocancel")


@rule(evidence=_WAIT)
def wait4(k: Context, pid: Int, no_hang: Bool, *, ended: Task) -> Iterator[Case]:
    """Wait until a child has ended, and forget it: its pid is free again."""
    # NAMES
    children = _Children(k, pid)

    # CASES
    yield k.fails(ReturnCode.EINVAL, "the number of the process can't be one", pid == LOWEST_PID)
    yield needs_process(k)
    yield k.fails(ReturnCode.ECHILD, "the process has no such child", children.none)

    # RIGHTS
    yield _has_ended(k, children, ended)

    def wait(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.FOR_CHILD
        after.at("waits_pid")[k.caller] = pid

    # REPLY
    yield k.succeeds(
        "no child has ended yet", k.otherwise(z3.And(no_hang, z3.Not(children.some_ended)), tested=no_hang), child=z3.IntVal(0), status=z3.IntVal(0)
    )
    yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, "the caller waits for a child", k.otherwise(z3.Not(no_hang)), wait)


@rule(WAIT4_RESUMED, resumes="FOR_CHILD", applies=lambda profile: profile.has_processes, evidence=_WAIT)
def resume_wait4(k: Context, *, ended: Task) -> Iterator[Case]:
    """Look again whether a child has ended for which the caller waits.

    If the caller is the first process, the child may have been an orphan, and is forgotten by now.
    """
    # NAMES
    children = _Children(k, k.before.waits_pid(k.caller))

    # RIGHTS
    def give_up(after: After) -> None:
        after.at("wait")[k.caller] = WAIT.NOTHING

    yield k.fails(ReturnCode.ECHILD, "the process has no such child any more", children.none, give_up, evidence=LAST_CHILD)
    yield _has_ended(k, children, ended)
    yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, "the caller still waits for a child", k.otherwise())
