"""The identity of the process behind a task, and what the kernel gives the task for it: tokens and a host port."""

from __future__ import annotations

from collections.abc import Mapping

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place
from sendright.model.calls.tasks import set_tokens
from sendright.model.language.actions import drop_held_send, place_slot, put
from sendright.model.language.evidence import decided, rests_on
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import KIND, PROCESS, Term
from sendright.model.language.state import After, State

NO_PROCESS = rests_on(xnu=decided("XNU runs no user's code in a task without a process. We let its calls fail as if its process were gone."))
"""Of a caller without a process."""

IDS = (*(f"{which}_{of}" for of in ("user", "group") for which in ("real", "effective", "saved")), "member_user")
"""The fields that calls set together."""


def has_process(state: State, task: Term) -> Term:
    """A process is behind the task. (That of a task that lives isn't a zombie.)"""
    return state.process(task) != PROCESS.NO_PROCESS


def is_root(state: State, task: Term) -> Term:
    """A process is behind the task, and it is root."""
    return z3.And(has_process(state, task), state.effective_user(task) == 0)


def has_pid(state: State, task: Term, pid: Term) -> Term:
    """The pid denotes the task: that of a living process."""
    return z3.And(state.process(task) == PROCESS.RUNNING, state.pid(task) == pid)


def needs_process(k: Context) -> Case:
    """Only processes may make the call."""
    return k.fails(ReturnCode.ESRCH, "no process is behind the caller", z3.Not(has_process(k.before, k.caller)), evidence=NO_PROCESS)


def has_ids(k: Context, ids: Mapping[str, Term]) -> Term:
    """The caller's process has these ``ids`` already."""
    return z3.And(*[k.before.fields[name](k.caller) == value for name, value in ids.items()])


def set_ids(k: Context, after: After, ids: Mapping[str, Term]) -> None:
    """The caller's process gets these ``ids``, and is marked as changed."""
    for name, value in ids.items():
        after.at(name)[k.caller] = value
    after.at("has_changed_ids")[k.caller] = z3.BoolVal(True)
    identify(k, after, k.caller)


def identify(k: Context, after: After, task: Term) -> None:
    """Give ``task`` the tokens and the host port of its process, as it is now. The audit user is its session's.

    Root gets a clone of the host's privileged port, any other of its ordinary one. (``set_security_token`` in
    ``bsd/kern/kern_prot.c``, ``task_set_security_tokens`` in ``osfmk/kern/task.c``)
    """
    now = State(after.sorts, after.fields)
    after.at("audit_user")[task] = now.session_user(now.session(task))
    now = State(after.sorts, after.fields)
    set_tokens(k, after, task, *tokens_of(now, task))
    held, port = place_slot(after, task, Place.HOST), z3.If(now.effective_user(task) == 0, k.sorts.host_priv_port, k.sorts.host_port)
    drop_held_send(after, held)
    after.add("srights", port, 1)  # a copy: the host has a right to each (invariant 146)
    put(after, held, KIND.SEND, port)


def tokens_of(state: State, task: Term) -> tuple[Term, Term]:
    """The security and the audit token of the process behind ``task``."""
    s, sorts = state, state.sorts
    effective = s.effective_user(task), s.effective_group(task)
    real = s.real_user(task), s.real_group(task)
    audit = sorts.audit_token_of(s.audit_user(task), *effective, *real, s.pid(task), s.session(task), s.pid_version(task))
    return sorts.security_token_of(*effective), audit
