"""Shorthand for tests of processes: actors that fork, and what the snapshot says of the processes behind tasks."""

from __future__ import annotations

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place
from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.process import Process
from support.kernel import Actor, Machine

NO_ID = 0xFFFFFFFF
"""-1, as an id: it stays as it is."""
HOST, HOST_PRIV = 0, 1
"""The ports that a place HOST can have."""
USER, GROUP = 501, 20
"""The ids of the second task of boot."""


def user() -> Actor:
    """The second task of boot: a process that isn't root."""
    return Machine(XNU).booted(1)


def process_of(actor: Actor) -> Process:
    """The process behind an actor."""
    process = actor.shown.process
    assert process is not None
    return process


def forked(actor: Actor) -> Actor:
    """A new child of an actor."""
    return _created(actor, actor.result("fork"))


def spawned(actor: Actor, set_user: int = NO_ID, set_group: int = NO_ID) -> Actor:
    """A new child of an actor, with an image of its own."""
    return _created(actor, actor.result("posix_spawn", set_user=set_user, set_group=set_group))


def _created(actor: Actor, result: Result) -> Actor:
    assert (result.code, result.created_task is not None) == (ReturnCode.KERN_SUCCESS, True)
    child = Actor(actor.machine, result.created_task or 0)
    assert process_of(child).pid == result.outputs["pid"]
    return child


def executed(actor: Actor, set_user: int = NO_ID, set_group: int = NO_ID) -> Actor:
    """The actor as it goes on after an exec."""
    result = actor.result("execve", set_user=set_user, set_group=set_group)
    assert (result.code, result.outputs, result.created_task is not None) == (ReturnCode.KERN_SUCCESS, {}, True)
    return Actor(actor.machine, result.created_task or 0)


def stopped(actor: Actor, phases: int, set_user: int = NO_ID, set_group: int = NO_ID) -> int:
    """Let an actor begin an exec, and stop after so many phases. The number of its new task."""
    created = actor.waits("execve", stop=True, set_user=set_user, set_group=set_group).created_task
    assert created is not None
    for _ in range(phases - 1):
        assert actor.waits("execve", stop=True, resume=True).created_task is None
    return created


def host_of(actor: Actor) -> int | None:
    """The port in the actor's place HOST."""
    return actor.shown.places[Place.HOST].port


def check_tokens(actor: Actor) -> None:
    """An actor's tokens and host port are those of its process."""
    process, task = process_of(actor), actor.shown
    assert task.security_token == (process.effective_user, process.effective_group)
    ids = process.effective_user, process.effective_group, process.real_user, process.real_group
    assert task.audit_token == (process.audit_user, *ids, process.pid, process.session, process.pid_version)
    assert host_of(actor) == (HOST_PRIV if process.effective_user == 0 else HOST)


def check_all_tokens(machine: Machine) -> None:
    """As ``check_tokens``, of every task of a process that has begun."""
    for number, task in machine.snapshot().tasks.items():
        if task.process is not None and task.process.has_begun:
            check_tokens(Actor(machine, number))
