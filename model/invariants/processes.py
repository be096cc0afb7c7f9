"""Invariants of the processes behind tasks."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.model.language.invariant import Variables, forall, invariant
from sendright.model.language.sorts import PROCESS, WAIT, Term
from sendright.model.language.state import State


def tokens_of_process(s: State, task: Term) -> tuple[Term, Term]:
    """The security and the audit token of a task with this process."""
    ids = [s.effective_user(task), s.effective_group(task)]
    more = [s.real_user(task), s.real_group(task), s.pid(task), s.session(task), s.pid_version(task)]
    return s.sorts.security_token_of(*ids), s.sorts.audit_token_of(s.audit_user(task), *ids, *more)


@invariant(140, "where kernels have no processes, there are none", lambda profile: not profile.has_processes)
def no_processes(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Where a kernel has no processes, none is behind a task, and no task waits in a call that is about processes."""
    yield "processes", forall([v.t], s.process(v.t) == PROCESS.NO_PROCESS)
    calls = z3.Or(*[s.wait(v.t) == wait for wait in (WAIT.EXECUTING, WAIT.BEGINNING, WAIT.FOR_CHILD)])
    yield "waiting", forall([v.t], z3.Not(calls))
