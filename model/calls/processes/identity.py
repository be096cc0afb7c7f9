"""What follows from who a process is: the tokens and the host port of its task."""

from __future__ import annotations

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.calls.tasks import set_host
from sendright.model.language.evidence import decided
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import PROCESS, Term
from sendright.model.language.state import After, State

NO_PROCESS = decided("XNU runs no user's code in a task without a process. We let the calls of processes fail there.")
"""Of a caller without a process."""


def no_process(k: Context) -> Case:
    """The first test of a system call: a process is behind the caller."""
    return k.fails(ReturnCode.ESRCH, "no process is behind the caller", k.before.process(k.caller) == PROCESS.NO_PROCESS, evidence=NO_PROCESS)


def tokens_of(state: State, task: Term) -> tuple[Term, Term]:
    """The security and the audit token that follow from the process of ``task``. (``proc_calc_audit_token``)"""
    sorts, ids = state.sorts, [state.effective_user(task), state.effective_group(task)]
    more = [state.real_user(task), state.real_group(task), state.pid(task), state.session(task), state.pid_version(task)]
    return sorts.security_token_of(*ids), sorts.audit_token_of(state.audit_user(task), *ids, *more)


def follow_process(k: Context, after: After, task: Term) -> None:
    """Set the tokens of ``task`` and its host port: the privileged one for root. (``set_security_token``)"""
    now = State(after.sorts, after.fields)
    after.at("security")[task], after.at("audit")[task] = tokens_of(now, task)
    set_host(after, task, z3.If(now.effective_user(task) == 0, k.sorts.host_priv_port, k.sorts.host_port))
