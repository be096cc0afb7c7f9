"""Mutants of the rules of fork, exec, exit and the wait for a child: which property sees what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import z3
from support.mutants import Change, quick, seen, telling, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import XNU
from sendright.model.language.actions import clone, make_send, place_slot
from sendright.model.language.rule import EXEC_RESUMED, WAIT4_RESUMED, Context
from sendright.model.language.sorts import PROCESS, WAIT, Term
from sendright.model.language.state import After, State

MADE, SET_ID, IDENTITY = "the new task is made", "the new task gets the identity of a set-id image", "the new task gets its identity"
SWITCHED, DONE = "the pid denotes the new task", "the old task ends, and the new one begins"
FORKED, ZOMBIE, FORGOTTEN = (
    "a process like the caller's",
    "the task ends, and its process is a zombie",
    "the task of an orphan ends, and its process is forgotten",
)
SPAWNED, SPAWNED_SET_ID = "a process with the caller's identity", "a process with the identity of a set-id image"
NO_MEMORY, BEFORE_FORK = "the kernel is out of memory, or there are too many processes", "the kernel is out of memory before it makes a process"
OUT_OF_MEMORY = "the kernel is out of memory"
ENDED, NONE_YET = "a child has ended, and is forgotten", "no child has ended yet"


def new(k: Context) -> Term:
    """The new task of the caller's exec."""
    return k.before.waits_child(k.caller)


def child(k: Context) -> Term:
    return k["child"]


def of(task: Callable[[Context], Term], title: str, field: str, value: Callable[[Context, State], Term]) -> Change:
    """The case also sets this field of the task."""

    def more(k: Context, after: After) -> None:
        after.at(field)[task(k)] = value(k, State(after.sorts, after.fields))

    return then(title, more)


def as_before(task: Callable[[Context], Term], title: str, *fields: str) -> Change:
    """The case leaves these fields of the task as they were."""

    def keep(k: Context, after: After) -> None:
        for field in fields:
            after.at(field)[task(k)] = k.before.fields[field](task(k))

    return then(title, keep)


def whenever(title: str) -> Change:
    """The case applies whatever is so."""
    return lambda k, case: iter([replace(case, when=z3.BoolVal(True)) if case.title == title else case])


def exception_port(k: Context, after: After) -> None:
    """The new task has an exception port of the old one's."""
    clone(after, place_slot(after, k.caller, Place.EXC_BAD_ACCESS), place_slot(after, new(k), Place.EXC_BAD_ACCESS))


def port_for_the_old_task(k: Context, after: After) -> None:
    """The old task gets a right to the new task's port."""
    make_send(after, place_slot(after, k.caller, Place.BOOTSTRAP), after.task_port(new(k)))


def the_old_port_lives(k: Context, after: After) -> None:
    """The port of the old task doesn't die."""
    port = k.before.task_port(k.caller)
    after.at("port_life")[port] = k.before.port_life(port)


def port_for_the_parent(k: Context, after: After) -> None:
    """The caller gets a right to the port of the task that it makes."""
    make_send(after, place_slot(after, k.caller, Place.BOOTSTRAP), k["child_port"])


def inherited_exception_port(k: Context, after: After) -> None:
    """The new process gets a clone of its parent's exception port, even if root didn't set it."""
    clone(after, place_slot(after, k.caller, Place.EXC_BAD_ACCESS), place_slot(after, child(k), Place.EXC_BAD_ACCESS))


def children_stay(k: Context, after: After) -> None:
    """No child becomes an orphan."""
    after.sweep("is_orphan", "tasks", lambda task: (z3.BoolVal(True), k.before.is_orphan(task)))


def children_keep_their_parent(k: Context, after: After) -> None:
    after.sweep("parent_pid", "tasks", lambda task: (z3.BoolVal(True), k.before.parent_pid(task)))


def another_is_forgotten(k: Context, after: After) -> None:
    """The zombie of another process is forgotten."""
    other = z3.Const("another_task", k.sorts.Task)
    after.at("process")[other] = z3.If(k.before.process(other) == PROCESS.ZOMBIE, PROCESS.NO_PROCESS, after.process(other))


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        (EXEC_RESUMED, SET_ID, 225, then(SET_ID, exception_port)),
        (EXEC_RESUMED, SET_ID, 225, as_before(new, SET_ID, "task_port")),
        (EXEC_RESUMED, SET_ID, 225, then(SET_ID, port_for_the_old_task)),
        (EXEC_RESUMED, SET_ID, 149, then(SET_ID, port_for_the_old_task)),
        (EXEC_RESUMED, SET_ID, 220, as_before(new, SET_ID, "saved_user")),
        (EXEC_RESUMED, SET_ID, 220, of(new, SET_ID, "has_changed_ids", lambda k, s: z3.BoolVal(False))),
        (EXEC_RESUMED, SET_ID, 220, of(new, SET_ID, "effective_user", lambda k, s: z3.IntVal(0))),
        (EXEC_RESUMED, SET_ID, 220, of(new, SET_ID, "real_user", lambda k, s: s.effective_user(new(k)))),
        (EXEC_RESUMED, SET_ID, 221, as_before(new, SET_ID, "member_user")),
        (EXEC_RESUMED, SET_ID, 142, as_before(new, SET_ID, "security")),
        (EXEC_RESUMED, SET_ID, 142, as_before(new, SET_ID, "audit")),
        (EXEC_RESUMED, SET_ID, 148, as_before(new, SET_ID, "pid_version", "audit")),
        (EXEC_RESUMED, IDENTITY, 148, as_before(new, IDENTITY, "pid_version", "audit")),
        (EXEC_RESUMED, IDENTITY, 220, of(new, IDENTITY, "effective_user", lambda k, s: z3.IntVal(0))),
        (EXEC_RESUMED, IDENTITY, 220, as_before(new, IDENTITY, "saved_group")),
        (EXEC_RESUMED, IDENTITY, 29, of(lambda k: k.caller, IDENTITY, "security", lambda k, s: s.security(new(k)))),
        (EXEC_RESUMED, IDENTITY, "T4", of(lambda k: z3.Const("another", k.sorts.Task), IDENTITY, "saved_user", lambda k, s: z3.IntVal(0))),
        (EXEC_RESUMED, SWITCHED, 141, as_before(lambda k: k.caller, SWITCHED, "process")),
        (EXEC_RESUMED, SWITCHED, 147, as_before(new, SWITCHED, "process")),
        (EXEC_RESUMED, DONE, 225, then(DONE, the_old_port_lives)),
        (EXEC_RESUMED, DONE, 144, of(lambda k: k.caller, DONE, "process", lambda k, s: PROCESS.RUNNING)),
        (EXEC_RESUMED, DONE, 124, of(lambda k: z3.Const("another", k.sorts.Task), DONE, "wait", lambda k, s: WAIT.NOTHING)),
        ("execve", MADE, 149, then(MADE, port_for_the_parent)),
        ("execve", MADE, 147, of(child, MADE, "process", lambda k, s: PROCESS.RUNNING)),
        ("execve", MADE, 222, of(child, MADE, "pid_version", lambda k, s: s.pid_versions())),
        ("execve", MADE, 30, of(child, MADE, "security", lambda k, s: k.sorts.kernel_security_token)),
        ("fork", FORKED, 141, of(child, FORKED, "pid", lambda k, s: k.before.pid(k.caller))),
        ("fork", FORKED, 222, of(child, FORKED, "pid_version", lambda k, s: k.before.pid_version(k.caller))),
        ("fork", FORKED, 142, of(child, FORKED, "effective_user", lambda k, s: z3.IntVal(0))),
        ("fork", FORKED, 226, of(child, FORKED, "parent_pid", lambda k, s: z3.IntVal(1))),
        ("fork", FORKED, 226, of(child, FORKED, "is_orphan", lambda k, s: z3.BoolVal(True))),
        ("fork", FORKED, 226, telling(FORKED, pid=lambda k: k.before.pid(k.caller))),
        ("fork", FORKED, 226, then(FORKED, port_for_the_parent)),
        ("fork", FORKED, 145, then(FORKED, lambda k, after: make_send(after, place_slot(after, child(k), Place.HOST), k.sorts.host_priv_port))),
        ("fork", FORKED, 220, of(child, FORKED, "has_changed_ids", lambda k, s: z3.BoolVal(True))),
        ("fork", FORKED, 220, of(child, FORKED, "saved_group", lambda k, s: z3.IntVal(0))),
        ("fork", FORKED, 221, of(child, FORKED, "member_user", lambda k, s: s.effective_user(child(k)))),
        ("fork", NO_MEMORY, 204, whenever(NO_MEMORY)),
        ("execve", OUT_OF_MEMORY, 204, whenever(OUT_OF_MEMORY)),
        ("posix_spawn", NO_MEMORY, 204, whenever(NO_MEMORY)),
        ("posix_spawn", BEFORE_FORK, 204, whenever(BEFORE_FORK)),
        ("posix_spawn", SPAWNED, 141, of(child, SPAWNED, "pid", lambda k, s: k.before.pid(k.caller))),
        ("posix_spawn", SPAWNED, 222, of(child, SPAWNED, "pid_version", lambda k, s: k.before.pid_version(k.caller))),
        ("posix_spawn", SPAWNED, 220, of(child, SPAWNED, "effective_user", lambda k, s: z3.IntVal(0))),
        ("posix_spawn", SPAWNED, 220, of(child, SPAWNED, "saved_user", lambda k, s: k.before.saved_user(k.caller))),
        ("posix_spawn", SPAWNED, 220, of(child, SPAWNED, "has_changed_ids", lambda k, s: k.before.has_changed_ids(k.caller))),
        ("posix_spawn", SPAWNED, 226, then(SPAWNED, port_for_the_parent)),
        ("posix_spawn", SPAWNED, 30, of(child, SPAWNED, "security", lambda k, s: k.sorts.kernel_security_token)),
        ("posix_spawn", SPAWNED_SET_ID, 34, then(SPAWNED_SET_ID, inherited_exception_port)),
        ("posix_spawn", SPAWNED_SET_ID, 220, of(child, SPAWNED_SET_ID, "saved_user", lambda k, s: k.before.saved_user(k.caller))),
        ("posix_spawn", SPAWNED_SET_ID, 220, of(child, SPAWNED_SET_ID, "has_changed_ids", lambda k, s: z3.BoolVal(False))),
        ("posix_spawn", SPAWNED_SET_ID, 220, of(child, SPAWNED_SET_ID, "real_user", lambda k, s: s.effective_user(child(k)))),
        ("posix_spawn", SPAWNED_SET_ID, 221, of(child, SPAWNED_SET_ID, "member_user", lambda k, s: k.before.member_user(k.caller))),
        ("exit", ZOMBIE, 226, then(ZOMBIE, children_stay)),
        ("exit", ZOMBIE, 226, then(ZOMBIE, children_keep_their_parent)),
        ("exit", ZOMBIE, 226, of(lambda k: k.caller, ZOMBIE, "exit_status", lambda k, s: k["status"])),
        ("exit", ZOMBIE, 226, of(lambda k: k.caller, ZOMBIE, "process", lambda k, s: PROCESS.NO_PROCESS)),
        ("exit", FORGOTTEN, 226, of(lambda k: k.caller, FORGOTTEN, "process", lambda k, s: PROCESS.ZOMBIE)),
        ("exit", ZOMBIE, 144, of(lambda k: k.caller, ZOMBIE, "process", lambda k, s: PROCESS.RUNNING)),
        ("wait4", ENDED, 226, as_before(lambda k: k["ended"], ENDED, "process")),
        ("wait4", ENDED, 226, telling(ENDED, status=lambda k: z3.IntVal(0))),
        ("wait4", ENDED, 201, then(ENDED, another_is_forgotten)),
        ("wait4", NONE_YET, 226, telling(NONE_YET, child=lambda k: k.before.pid(k.caller))),
        ("wait4", "the process has no such child", 226, whenever("the process has no such child")),
        (WAIT4_RESUMED, "the process has no such child any more", 226, whenever("the process has no such child any more")),
        (WAIT4_RESUMED, ENDED, 226, telling(ENDED, child=lambda k: k.before.pid(k.caller))),
        ("setuid", "it gets these ids", 226, then("it gets these ids", another_is_forgotten)),
    ],
)
def test_a_wrong_life_is_seen(rule: str, title: str, number: int | str, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU)
