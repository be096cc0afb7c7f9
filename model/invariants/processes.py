"""Invariants of the processes behind tasks."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.rights import FURTHER_TASK_PORTS, HostPort, Place, PortObject
from sendright.mach.abi.tokens import ASSIGN_SESSION, DEFAULT_SESSION, UNSET
from sendright.model.language.invariant import Variables, forall, invariant
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, PROCESS, WAIT, Term
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


@invariant(141, "the processes that exist have pids of their own", lambda profile: profile.has_processes)
def pids(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """No two processes, living or zombies, have one pid. While an exec is under way, one of its tasks is a shadow."""
    both = z3.And(*[_has_own_pid(s, task) for task in (v.t, v.u)])
    yield "no two", forall([v.t, v.u], z3.Implies(z3.And(both, s.pid(v.t) == s.pid(v.u)), v.t == v.u))


def _has_own_pid(s: State, task: Term) -> Term:
    return z3.Or(s.process(task) == PROCESS.RUNNING, s.process(task) == PROCESS.ZOMBIE)


@invariant(142, "a task's tokens say who its process is", lambda profile: profile.has_processes)
def tokens(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The security token of a live task with a process has its effective ids; the audit token has these, the real ones,
    the pid and its version, the audit user and session.
    """
    t, sorts = v.t, v.sorts
    lives = z3.And(s.alive(t), s.process(t) != PROCESS.NO_PROCESS)
    effective, real = (s.effective_user(t), s.effective_group(t)), (s.real_user(t), s.real_group(t))
    audit = sorts.audit_token_of(s.audit_user(t), *effective, *real, s.pid(t), s.session(t), s.pid_version(t))
    yield "the security token", forall([t], z3.Implies(lives, s.security(t) == sorts.security_token_of(*effective)))
    yield "the audit token", forall([t], z3.Implies(lives, s.audit(t) == audit))


@invariant(143, "the next pid version is new", lambda profile: profile.has_processes)
def pid_versions(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The pid version of a process is below the next one that the kernel gives."""
    yield "those in use", forall([v.t], z3.Implies(s.process(v.t) != PROCESS.NO_PROCESS, s.pid_version(v.t) < s.pid_versions()))


@invariant(144, "a process that lives has a task that lives", lambda profile: profile.has_processes)
def zombies(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The process of a live task isn't a zombie. A task that has ended has no process but a zombie, and a task that
    wasn't made yet has none.
    """
    process, life = s.process(v.t), s.task_life(v.t)
    yield "of a live task", forall([v.t], z3.Implies(s.alive(v.t), process != PROCESS.ZOMBIE))
    ended = z3.Or(process == PROCESS.NO_PROCESS, z3.And(process == PROCESS.ZOMBIE, life == LIFE.ENDED))
    yield "of any other", forall([v.t], z3.Implies(z3.Not(s.alive(v.t)), ended))


@invariant(147, "an exec has two tasks and one process", lambda profile: profile.has_processes)
def execs(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """While an exec is under way, its new task lives, hasn't begun, and is of no other exec. Its pid denotes the old
    task in the first two phases, then the new one; the other is its shadow. There is no other shadow.
    """
    t, new = v.t, s.waits_child(v.t)
    under_way, phase = s.wait(t) == WAIT.EXECUTING, s.exec_phase(t)
    early = z3.And(z3.Or(phase == 1, phase == 2), s.process(t) == PROCESS.RUNNING, s.process(new) == PROCESS.SHADOW)
    late = z3.And(phase == 3, s.process(t) == PROCESS.SHADOW, s.process(new) == PROCESS.RUNNING)
    both = z3.And(s.alive(new), s.wait(new) == WAIT.BEGINNING, s.pid(new) == s.pid(t), z3.Or(early, late))
    yield "its tasks", forall([t], z3.Implies(under_way, both))
    same = z3.And(under_way, s.wait(v.u) == WAIT.EXECUTING, s.waits_child(v.u) == new)
    yield "of one exec", forall([t, v.u], z3.Implies(same, v.u == t))
    in_exec = z3.Or(under_way, s.wait(t) == WAIT.BEGINNING)
    yield "shadows", forall([t], z3.Implies(s.process(t) == PROCESS.SHADOW, in_exec))


@invariant(148, "a pid and a pid version name one image", lambda profile: profile.has_processes)
def images(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """No two processes have one pid and one pid version, but for the two tasks of an exec whose new one has no identity
    yet.
    """
    exist = z3.And(*[s.process(task) != PROCESS.NO_PROCESS for task in (v.t, v.u)])
    same = z3.And(s.pid(v.t) == s.pid(v.u), s.pid_version(v.t) == s.pid_version(v.u))
    in_exec = z3.Or(*[z3.And(s.wait(t) == WAIT.EXECUTING, s.waits_child(t) == u, s.exec_phase(t) == 1) for t, u in ((v.t, v.u), (v.u, v.t))])
    yield "one image", forall([v.t, v.u], z3.Implies(z3.And(exist, same), z3.Or(v.t == v.u, in_exec)))


@invariant(151, "a token has its session's audit user, or none", lambda profile: profile.has_processes)
def audit_users(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The audit user in a living process's audit token is that of its audit session, or none: it wasn't set when the
    kernel set the token. No process is in the default session.
    """
    exists = s.process(v.t) != PROCESS.NO_PROCESS
    same = z3.Or(s.audit_user(v.t) == UNSET, s.audit_user(v.t) == s.session_user(s.session(v.t)))
    yield "the audit user", forall([v.t], z3.Implies(z3.And(s.alive(v.t), exists), same))
    numbers = z3.And(s.session(v.t) != DEFAULT_SESSION, s.session(v.t) != ASSIGN_SESSION)
    yield "the session", forall([v.t], z3.Implies(exists, numbers))


@invariant(150, "an identity token names one image", lambda profile: profile.has_processes)
def tokens_name_images(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The pid version of an identity token is below the next one that the kernel gives. Only the task of which it was
    made has its pid and its pid version, and the new task of that one's exec before it has an identity.
    """
    token = z3.And(s.active(v.p), s.object(v.p) == OBJECT.of(PortObject.TASK_ID_TOKEN))
    yield "its version", forall([v.p], z3.Implies(token, s.image_version(v.p) < s.pid_versions()))
    same = z3.And(s.pid(v.t) == s.image_pid(v.p), s.pid_version(v.t) == s.image_version(v.p))
    runs = z3.And(token, s.process(v.t) != PROCESS.NO_PROCESS, same)
    made_of = s.object_task(v.p)
    new = z3.And(s.wait(made_of) == WAIT.EXECUTING, s.waits_child(made_of) == v.t, s.exec_phase(made_of) == 1)
    yield "its task", forall([v.p, v.t], z3.Implies(runs, z3.Or(v.t == made_of, new)))


@invariant(149, "no right leads to the new task of an exec before the switch", lambda profile: profile.has_processes)
def unreached(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """While an exec's new task is a shadow, the only right to its port is its own, and it has no further ports. So no
    other task can do anything with it before its identity is settled.
    """
    hidden = z3.And(s.alive(v.t), s.wait(v.t) == WAIT.BEGINNING, s.process(v.t) == PROCESS.SHADOW)
    own = v.S.place_slot(v.t, PLACE.of(Place.KERNEL))
    right = z3.And(s.sends(v.s), s.port(v.s) == s.task_port(v.t))
    yield "its port", forall([v.t, v.s], z3.Implies(z3.And(hidden, right), v.s == own))
    for kind in FURTHER_TASK_PORTS:
        none = s.flavour_port(v.t, OBJECT.of(kind)) == v.sorts.no_port
        yield f"its {kind.name.lower()} port", forall([v.t], z3.Implies(hidden, none))


@invariant(146, "the host keeps its own ports", lambda profile: profile.has_processes)
def own_host_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The host's first special port is its ordinary port, and its second one the privileged port."""
    for which, port in ((HostPort.HOST, v.sorts.host_port), (HostPort.HOST_PRIV, v.sorts.host_priv_port)):
        slot = v.S.host_slot(z3.IntVal(int(which)))
        yield which.name.lower(), z3.And(s.kind(slot) == KIND.SEND, s.port(slot) == port)


@invariant(145, "root has the privileged host port", lambda profile: profile.has_processes)
def host_ports(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """The place HOST of a live task with a process has a right to the privileged host port if the process is root, else
    to the ordinary one.
    """
    slot, sorts = v.S.place_slot(v.t, PLACE.of(Place.HOST)), v.sorts
    port = z3.If(s.effective_user(v.t) == 0, sorts.host_priv_port, sorts.host_port)
    right = z3.And(s.kind(slot) == KIND.SEND, s.port(slot) == port)
    yield "its host port", forall([v.t], z3.Implies(z3.And(s.alive(v.t), s.process(v.t) != PROCESS.NO_PROCESS), right))
