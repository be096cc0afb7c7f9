"""Task identity tokens: kernel objects that say which image a task runs.

A token has a pid and a pid version. The kernel finds the task through the process with that pid (``proc_find_ident`` in
``bsd/kern/kern_proc.c`` of XNU 11417), and only if that process still runs the same image. So a holder of a token can
keep it and ask later: it gets no port of another image.

When the last right to a token's port goes, the kernel frees both (``task_id_token_no_senders`` in
``osfmk/kern/task_ident.c``). No task can see that, so the port stays here.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOUR_PORTS, PortObject
from sendright.model.calls.processes.identity import has_pid, has_process
from sendright.model.language.actions import make_kernel_port, make_send
from sendright.model.language.evidence import rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import OBJECT, Term
from sendright.model.language.state import After, State
from sendright.model.language.terms import Int, Message, Name, Port, Task

_TOKEN = PortObject.TASK_ID_TOKEN
_FURTHER = {flavour: kind for flavour, kind in TASK_FLAVOUR_PORTS.items() if kind is not PortObject.TASK}
_FOUND = "../bsd/kern/kern_proc.c: proc_find_ident"
_MADE = "kern/ipc_tt.c: convert_task_to_port_with_flavor"


@rule(evidence=rests_on(xnu="kern/task_ident.c: task_create_identity_token, convert_task_id_token_to_port; ../bsd/kern/kern_proc.c: proc_ident"))
def task_create_identity_token(k: Context, task: Name, *, reply_message: Message, new_port: Port) -> Iterator[Case]:
    """Make a token that says which image a task runs: the pid and the pid version of its process, as they are now.

    While an exec is under way the old task has the old image, until it ends.
    """
    # NAMES
    b, target = k.before, k.task_behind(task)
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no process is behind the task", z3.Not(has_process(b, target)))

    # REPLY
    def make(after: After) -> None:
        make_kernel_port(after, new_port, _TOKEN, k.queue_limit)
        after.at("object_task")[new_port] = target
        after.at("image_pid")[new_port] = b.pid(target)
        after.at("image_version")[new_port] = b.pid_version(target)
        [result] = k.begin_reply(after, reply_message, 1)
        make_send(after, result, new_port)

    yield k.succeeds("a right to a new token", k.otherwise(), make, replies=1)


def runs_image(state: State, task: Term, token: Term) -> Term:
    """The task is that of a living process, which runs the image of the token with the port ``token``."""
    return z3.And(has_pid(state, task, state.image_pid(token)), state.pid_version(task) == state.image_version(token))


@rule(evidence=rests_on(xnu=f"kern/task_ident.c: task_identity_token_get_task_port, task_identity_token_get_task_grp; {_FOUND}; {_MADE}"))
def task_identity_token_get_task_port(k: Context, token: Name, flavor: Int, *, found: Task, reply_message: Message, new_port: Port) -> Iterator[Case]:
    """Get a send right to a port of the task that runs the image of a token. The first call that asks for one of the
    weaker ports makes it.
    """
    # NAMES
    b, port = k.before, k.before.port(k.slot(token))
    task = z3.Const("of_image", k.sorts.Task)
    runs = z3.Exists([task], runs_image(b, task, port))
    wanted = _wanted(flavor)
    weaker, made = flavor != _CONTROL, b.flavour_port(found, wanted)
    # CASES
    yield from k.request(token, called="token")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "token is not a task identity token", z3.Not(k.object(token, _TOKEN)))
    unknown = z3.Not(z3.Or(*[flavor == each for each in TASK_FLAVOUR_PORTS]))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", unknown)
    yield k.fails(ReturnCode.KERN_NOT_FOUND, "no living process runs the image", z3.Not(runs))

    # REPLY
    def give(after: After, given: Term) -> None:
        after.assumptions.append(runs_image(b, found, port))
        [result] = k.begin_reply(after, reply_message, 1)
        make_send(after, result, given)

    def make(after: After) -> None:
        make_kernel_port(after, new_port, wanted, k.queue_limit)
        after.at("object_task")[new_port] = found
        after.at("flavour_port")[(found, wanted)] = new_port
        give(after, new_port)

    missing = z3.Exists([task], z3.And(runs_image(b, task, port), b.flavour_port(task, wanted) == k.sorts.no_port))
    yield k.succeeds("a right to a weaker port, which is made now", z3.And(weaker, missing), make, replies=1)
    there = k.otherwise(z3.And(weaker, z3.Not(missing)), tested=weaker)
    yield k.succeeds("a right to a weaker port", there, lambda after: give(after, made), replies=1)
    yield k.succeeds("a right to the control port", k.otherwise(z3.Not(weaker)), lambda after: give(after, b.task_port(found)), replies=1)


_CONTROL = next(flavour for flavour, kind in TASK_FLAVOUR_PORTS.items() if kind is PortObject.TASK)


def _wanted(flavor: Term) -> Term:
    """Which of a task's weaker ports the flavour means (when it means one)."""
    [(_, kind), *others] = _FURTHER.items()
    wanted = OBJECT.of(kind)
    for flavour, other in others:
        wanted = z3.If(flavor == flavour, OBJECT.of(other), wanted)
    return wanted
