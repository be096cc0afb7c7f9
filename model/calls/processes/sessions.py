"""Audit sessions: what processes share of who they are.

A session is a number with an audit user, which is set once. A process is in one session, and its credential points to
it. So a call of one member that sets the audit user sets it for all. But the kernel computes a task's tokens only when
it sets them: until then they have the audit user that the session had before (``kauth_cred_proc_update`` in
``bsd/kern/kern_credential.c`` of XNU 11417, with ``PROC_SETTOKEN_LAZY``).

A session exists as long as a process is in it, be it a zombie. No process is in the default session here.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.tokens import ASSIGN_SESSION, DEFAULT_SESSION, UNSET
from sendright.model.calls.processes.identity import has_process, identify, is_root, needs_process
from sendright.model.language.choices import choose_session
from sendright.model.language.evidence import rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import Term
from sendright.model.language.state import After, State
from sendright.model.language.terms import Int

_SET = "../bsd/security/audit/audit_session.c: audit_session_setaia, audit_session_update_check, audit_session_new, audit_update_sentry"
_ROOT = "../bsd/kern/kern_prot.c: suser"
_TOKENS = "../bsd/kern/kern_credential.c: kauth_cred_proc_update, kauth_cred_model_setauditinfo"


def is_in_session(state: State, task: Term, session: Term) -> Term:
    """The process behind the task is in the session."""
    return z3.And(has_process(state, task), state.session(task) == session)


def _only_root(k: Context) -> Iterator[Case]:
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "the caller isn't root", z3.Not(is_root(k.before, k.caller)))


def _has_another_user(k: Context, session: Term, audit_user: Term) -> Term:
    """The session has an audit user, and it is another one."""
    user = k.before.session_user(session)
    return z3.And(user != UNSET, user != audit_user)


@rule(evidence=rests_on(xnu=f"../bsd/security/audit/audit_syscalls.c: setauid; {_ROOT}; {_SET}; {_TOKENS}"))
def setauid(k: Context, auid: Int) -> Iterator[Case]:
    """Set the audit user of the session that the caller's process is in. It is set once.

    The caller's credential points to the same session as before, so the kernel doesn't set the caller's tokens.
    """
    # NAMES
    own = k.before.session(k.caller)
    # CASES
    yield from _only_root(k)
    yield k.fails(ReturnCode.EINVAL, "the session has another audit user", _has_another_user(k, own, auid))

    # RIGHTS
    def name_user(after: After) -> None:
        after.at("session_user")[own] = auid

    yield k.succeeds("the session has this audit user", k.otherwise(), name_user)


@rule(evidence=rests_on(xnu=f"../bsd/security/audit/audit_syscalls.c: setaudit_addr; {_ROOT}; {_SET}, audit_session_lookup; {_TOKENS}"))
def setaudit_addr(k: Context, audit_user: Int, session: Int, *, new_session: Int) -> Iterator[Case]:
    """Put the caller's process into an audit session, with an audit user: a new one, or the one of a number.

    If the process is in that session already, the kernel doesn't set the caller's tokens.
    """
    # NAMES
    b, caller, task = k.before, k.caller, z3.Const("member", k.sorts.Task)
    numbered = z3.And(session != ASSIGN_SESSION, session != DEFAULT_SESSION)
    exists = z3.Exists([task], is_in_session(b, task, session))
    stays = z3.And(numbered, session == b.session(caller))
    # CASES
    yield from _only_root(k)
    title = "the session has another audit user"
    yield k.fails(ReturnCode.EINVAL, title, z3.And(numbered, exists, _has_another_user(k, session, audit_user)))

    # TOKENS
    def name_user(after: After) -> None:
        after.at("session_user")[session] = audit_user

    def enter(after: After, number: Term) -> None:
        after.at("session_user")[number] = audit_user
        after.at("session")[caller] = number
        identify(k, after, caller)

    def enter_new(after: After) -> None:
        choose_session(after, new_session)
        enter(after, new_session)

    # REPLY
    yield k.succeeds("the process is in the session already", stays, name_user, session=session)
    moves = k.otherwise(z3.And(numbered, z3.Not(stays)), tested=numbered)
    yield k.succeeds("the process enters the session of this number", moves, lambda after: enter(after, session), session=session)
    yield k.succeeds("the process enters a new session", k.otherwise(z3.Not(numbered)), enter_new, session=new_session)
