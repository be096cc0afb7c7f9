"""The ports of a task, by the pid of its process.

The kernel finds the process by its pid (``proc_find`` in ``bsd/kern/kern_proc.c`` of XNU 11417), so the task is a
choice of the kernel's. No two living processes have one pid, so there is never more than one to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.model.calls.processes.identity import has_pid, has_process, is_root
from sendright.model.language.actions import is_kernel_objects, make_kernel_port, make_send, place_slot
from sendright.model.language.evidence import decided, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import KIND, OBJECT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Int, Message, Name, Port, Task

_CHECKS = "task_for_pid_posix_check"
_CREDENTIALS = "../bsd/kern/kern_credential.c: kauth_cred_gid_subset, kauth_cred_issuser"
_MADE = "kern/ipc_tt.c: port_name_to_task_grp, convert_task_to_port_with_flavor; ipc/ipc_port.c: ipc_port_copyout_send"
NO_SERVER = rests_on(xnu=decided("The kernel asks the server of the access port with a message. We don't model that: no server answers."))
"""Of a task whose access port decides who gets its ports."""


@dataclass(frozen=True)
class _Wanted:
    """The task of the process with this ``pid``, which is ``found``, and what its caller may have of it."""

    k: Context
    pid: Int
    found: Task
    message: Message

    def some(self, so: Callable[[Term], Term]) -> Term:
        """A living process has the pid, and it is ``so`` of its task."""
        task = z3.Const("of_pid", self.k.sorts.Task)
        return z3.Exists([task], z3.And(has_pid(self.k.before, task, self.pid), so(task)))

    @property
    def is_there(self) -> Term:
        """A living process has the pid."""
        return self.some(lambda task: z3.BoolVal(True))

    @property
    def refused(self) -> Term:
        """The caller may not control the process."""
        return self.some(lambda task: z3.Not(self._may_control(task)))

    @property
    def name_refused(self) -> Term:
        """The caller may not have the process's name port."""
        return self.some(lambda task: z3.Not(self._may_name(task)))

    def asks(self, kind: Term) -> Term:
        """The access port of the process decides, and its place has a right of this ``kind``."""
        b = self.k.before

        def decides(task: Term) -> Term:
            access = place_slot(b, task, Place.ACCESS)
            return z3.And(z3.Not(is_root(b, self.k.caller)), task != self.k.caller, b.kind(access) == kind, z3.Not(is_kernel_objects(b, access)))

        return self.some(decides)

    def _may_control(self, task: Term) -> Term:
        """The caller is root, or the process itself; or the process hasn't changed its ids, its users are all the
        caller's effective one, and its groups are all among the caller's.
        """
        b, caller = self.k.before, self.k.caller
        users = [b.fields[f"{which}_user"](task) == b.effective_user(caller) for which in _THREE]
        own = [b.fields[f"{which}_group"](caller) for which in _THREE]
        groups = [z3.Or(*[b.fields[f"{which}_group"](task) == group for group in own]) for which in _THREE]
        like = z3.And(has_process(b, caller), *users, *groups, z3.Not(b.has_changed_ids(task)))
        return z3.Or(is_root(b, caller), task == caller, like)

    def _may_name(self, task: Term) -> Term:
        """The caller is root, or the process itself, or of the same effective and real user."""
        b, caller = self.k.before, self.k.caller
        same = z3.And(b.effective_user(task) == b.effective_user(caller), b.real_user(task) == b.real_user(caller))
        return z3.Or(is_root(b, caller), task == caller, z3.And(has_process(b, caller), same))

    def lacks(self, kind: PortObject) -> Term:
        """No further port of this ``kind`` was made for the task."""
        return self.some(lambda task: self.k.before.flavour_port(task, OBJECT.of(kind)) == self.k.sorts.no_port)

    def give(self, after: After, port: Term) -> None:
        """Give the caller a right to ``port``, which is one of the task's."""
        after.assumptions.append(has_pid(self.k.before, self.found, self.pid))
        [result] = self.k.begin_reply(after, self.message, 1)
        make_send(after, result, port)

    def rights(self, kind: PortObject, new_port: Port) -> Iterator[Case]:
        """The cases that give a right to a further port of this ``kind``."""
        k, flavour = self.k, OBJECT.of(kind)
        made = k.before.flavour_port(self.found, flavour)

        def make(after: After) -> None:
            after.assumptions.append(made == k.sorts.no_port)
            make_kernel_port(after, new_port, kind, k.queue_limit)
            after.at("object_task")[new_port] = self.found
            after.at("flavour_port")[(self.found, flavour)] = new_port
            self.give(after, new_port)

        def give(after: After) -> None:
            after.assumptions.append(made != k.sorts.no_port)
            self.give(after, made)

        yield k.succeeds("a right to its port, which is made now", self.lacks(kind), make, replies=1)
        yield k.succeeds("a right to its port", k.otherwise(z3.Not(self.lacks(kind))), give, replies=1)


_THREE = ("real", "effective", "saved")


@rule(evidence=rests_on(xnu=f"../bsd/kern/kern_proc.c: task_for_pid, {_CHECKS}; {_CREDENTIALS}; {_MADE}"))
def task_for_pid(k: Context, target_tport: Name, pid: Int, *, found: Task, reply_message: Message) -> Iterator[Case]:
    """Get a send right to the control port of a process's task.

    A right to a kernel object's port in the place of the access port counts as none (``ipc_port_copy_send_mqueue`` in
    ``ipc/ipc_port.c`` of XNU 11417).
    """
    # NAMES
    wanted = _Wanted(k, pid, found, reply_message)
    # CASES
    yield k.fails(ReturnCode.KERN_FAILURE, "the kernel's pid", pid == 0)
    yield k.fails(ReturnCode.KERN_FAILURE, "target_tport is not a task's port", z3.Not(k.object(target_tport, PortObject.TASK)))
    yield k.fails(ReturnCode.KERN_FAILURE, "no living process has the pid", z3.Not(wanted.is_there))
    yield k.fails(ReturnCode.KERN_FAILURE, "the caller may not control the process", wanted.refused)
    yield k.fails(ReturnCode.KERN_PROTECTION_FAILURE, "the access port is dead", wanted.asks(KIND.DEAD_NAME))
    yield k.fails(ReturnCode.KERN_FAILURE, "no server answers at the access port", wanted.asks(KIND.SEND), evidence=NO_SERVER)
    # REPLY
    yield k.succeeds("a right to its port", k.otherwise(), lambda after: wanted.give(after, k.before.task_port(found)), replies=1)


@rule(evidence=rests_on(xnu=f"../bsd/kern/kern_proc.c: task_name_for_pid; ../bsd/kern/kern_credential.c: kauth_cred_issuser; {_MADE}"))
def task_name_for_pid(k: Context, target_tport: Name, pid: Int, *, found: Task, reply_message: Message, new_port: Port) -> Iterator[Case]:
    """Get a send right to the name port of a process's task. The first call that asks for one makes it."""
    # NAMES
    wanted = _Wanted(k, pid, found, reply_message)
    # CASES
    yield k.fails(ReturnCode.KERN_FAILURE, "target_tport is not a task's port", z3.Not(k.object(target_tport, PortObject.TASK)))
    yield k.fails(ReturnCode.KERN_FAILURE, "no living process has the pid", z3.Not(wanted.is_there))
    yield k.fails(ReturnCode.KERN_FAILURE, "the caller is another user", wanted.name_refused)
    # REPLY
    yield from wanted.rights(PortObject.TASK_NAME, new_port)


def _weaker(k: Context, target_tport: Name, wanted: _Wanted) -> Iterator[Case]:
    """The tests of the two calls that give an inspect and a read port."""
    yield k.fails(ReturnCode.EPERM, "the kernel's pid", wanted.pid == 0)
    yield k.fails(ReturnCode.EINVAL, "target_tport is not a task's port", z3.Not(k.object(target_tport, PortObject.TASK)))
    yield k.fails(ReturnCode.ESRCH, "no living process has the pid", z3.Not(wanted.is_there))
    yield k.fails(ReturnCode.EPERM, "the caller may not control the process", wanted.refused)
    yield k.fails(ReturnCode.EACCES, "the access port is dead", wanted.asks(KIND.DEAD_NAME))
    yield k.fails(ReturnCode.EPERM, "no server answers at the access port", wanted.asks(KIND.SEND), evidence=NO_SERVER)


@rule(evidence=rests_on(xnu=f"../bsd/kern/kern_proc.c: task_inspect_for_pid, {_CHECKS}; {_CREDENTIALS}; {_MADE}"))
def task_inspect_for_pid(k: Context, target_tport: Name, pid: Int, *, found: Task, reply_message: Message, new_port: Port) -> Iterator[Case]:
    """Get a send right to the inspect port of a process's task. The first call that asks for one makes it."""
    # NAMES
    wanted = _Wanted(k, pid, found, reply_message)
    # CASES
    yield from _weaker(k, target_tport, wanted)
    # REPLY
    yield from wanted.rights(PortObject.TASK_INSPECT, new_port)


@rule(evidence=rests_on(xnu=f"../bsd/kern/kern_proc.c: task_read_for_pid, {_CHECKS}; {_CREDENTIALS}; {_MADE}"))
def task_read_for_pid(k: Context, target_tport: Name, pid: Int, *, found: Task, reply_message: Message, new_port: Port) -> Iterator[Case]:
    """Get a send right to the read port of a process's task. The first call that asks for one makes it."""
    # NAMES
    wanted = _Wanted(k, pid, found, reply_message)
    # CASES
    yield from _weaker(k, target_tport, wanted)
    # REPLY
    yield from wanted.rights(PortObject.TASK_READ, new_port)
