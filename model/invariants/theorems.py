"""Theorems beyond invariants.

1. *As if created by task_create*: made in the same state, with the same choices of the kernel's, the two creating calls
   differ only in the child's tokens (and, where the call sets the child's host port, in that place and in the counts of
   rights to the two host ports). So do both steps of a creation that stops between them, if nothing comes between.
   Where task_create fails, the call with tokens fails, and for the same reason if its caller presents the security
   port. (So where the call with tokens succeeds, task_create would have succeeded.)
2. *Isolation*: only connectivity begets connectivity. Divide tasks and ports into two halves so that no right leads
   from one to the other. Then no call, made in either half, makes such a right. (Where tasks' ports are given by pids,
   the users of the processes are divided, too. No process is root or has root among its three users, and none executes
   a set-user-id image of root or of a user of the other half.)
3. *Token integrity*: a living or new task is given tokens only by a call that presents the host security port (a task
   made without it has its parent's tokens). Where tasks have processes, a task's tokens change when its process
   sets its ids, and an exec's new task gets those of its image (step invariants 29 and 30). A message carries the
   tokens that its sender has when it sends. The kernel's messages carry the kernel's tokens.
4. *Non-interference*: a step changes nothing of what belongs to a task that its caller doesn't control, except through
   a legal channel; and two states that look the same to a caller give its call the same answer, and look the same to it
   after the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.actions import place_slot
from sendright.model.language.invariant import Variables
from sendright.model.language.mentions import without_quantifiers
from sendright.model.language.rule import CREATION_RESUMED, LOOK_AT_NAME, RULES, Case, Context, effective_guards
from sendright.model.language.sorts import LIFE, OBJECT, PROCESS, STAGE, UNBOUNDED, WAIT, Term
from sendright.model.language.state import FIELDS, After, State, sort_named, unknown_state
from sendright.model.language.step_property import IN_PROGRESS, forall
from sendright.model.language.terms import Name, sort_of
from sendright.model.language.transition import SUSPENSION, Transition

NEUTRAL = (PortObject.HOST, PortObject.LEDGER, PortObject.DEVICE)
"""Kernel objects to which any task may hold a right: no right flows through them from task to task, and they give no
authority over a task.
"""


class Halves:
    """A division of all tasks and ports into two halves."""

    def __init__(self, v: Variables, profile: Profile) -> None:
        self.v, self.profile = v, profile
        self.of_task = z3.Function("half_of_task", v.sorts.Task, z3.BoolSort())
        self.of_port = z3.Function("half_of_port", v.sorts.Port, z3.BoolSort())
        self.of_user = z3.Function("half_of_user", z3.IntSort(), z3.BoolSort())
        """The half of a user: processes of one user can get each other's ports."""
        self.of_host = z3.Const("half_of_host", z3.BoolSort())
        """The half of the privileged host port: a holder of that port has the host's special ports."""

    def of_slot(self, s: State, slot: Term) -> Term:
        """The half of a slot: that of its task, or of its message's queue, or of the task that is sending or receiving
        its message.

        The host's special ports belong to the half of the privileged host port.
        """
        S, sorts = self.v.S, self.v.sorts
        message = sorts.message_of(slot)
        of_message = z3.If(s.stage(message) == STAGE.QUEUED, self.of_port(s.queue(message)), self.of_task(s.owner(message)))
        task = z3.If(S.is_name_slot(slot), S.space(slot), z3.If(S.is_request_slot(slot), S.requester(slot), S.holder(slot)))
        of_the_port = z3.If(S.is_no_senders_slot(slot), S.watched(slot), z3.If(S.is_port_destroyed_slot(slot), S.guarded(slot), S.rescued(slot)))
        ports = z3.Or(S.is_no_senders_slot(slot), S.is_port_destroyed_slot(slot), S.is_limbo_slot(slot))
        in_port = self.of_port(z3.If(S.is_kernel_slot(slot), S.of(slot), of_the_port))
        of_kernel = z3.If(S.is_host_slot(slot), self.of_host, in_port)
        kernels = z3.Or(S.is_kernel_slot(slot), S.is_host_slot(slot), ports)
        return z3.If(kernels, of_kernel, z3.If(sorts.in_message(slot), of_message, self.of_task(task)))

    def closed(self, s: State) -> Iterator[tuple[str, Term]]:
        """No right leads from one half to the other, except to neutral kernel objects."""
        v = self.v
        nothing = s.port(v.s) == v.sorts.no_port
        neutral = z3.Or(*[s.object(s.port(v.s)) == OBJECT.of(kind) for kind in NEUTRAL])
        inside = self.of_slot(s, v.s) == self.of_port(s.port(v.s))
        yield "no right leads from one half to the other", forall([v.s], z3.Or(nothing, neutral, inside))
        privileged = z3.And(s.active(v.p), s.object(v.p) == OBJECT.of(PortObject.HOST_PRIV))
        yield "the host and its privileged port are in one half", forall([v.p], z3.Implies(privileged, self.of_port(v.p) == self.of_host))
        yield "a task and its port are in one half", forall([v.t], z3.Implies(s.alive(v.t), self.of_task(v.t) == self.of_port(s.task_port(v.t))))
        for kind in self.profile.further_ports:
            port = s.flavour_port(v.t, OBJECT.of(kind))
            together = z3.Or(port == v.sorts.no_port, self.of_task(v.t) == self.of_port(port))
            yield f"a task and its {kind.name.lower()} port are in one half", forall([v.t], z3.Implies(s.alive(v.t), together))
        if self.profile.tokens_in_two_steps:
            child, host = s.waits_child(v.t), s.waits_host(v.t)
            with_child = z3.Implies(s.alive(child), self.of_task(v.t) == self.of_task(child))
            with_host = z3.Implies(s.object(host) == OBJECT.of(PortObject.HOST_PRIV), self.of_task(v.t) == self.of_port(host))
            stopped = z3.Implies(s.wait(v.t) == WAIT.CREATING, z3.And(with_child, with_host))
            yield "a task with a stopped creation is in one half with the child and its host port", forall([v.t], stopped)

        if self.profile.has_processes:
            process = z3.And(s.alive(v.t), s.process(v.t) != PROCESS.NO_PROCESS)
            users = [s.real_user(v.t), s.effective_user(v.t), s.saved_user(v.t)]
            yield "no process is, or can become, root", forall([v.t], z3.Implies(process, z3.And(*[user != 0 for user in users])))
            own = z3.And(*[self.of_user(user) == self.of_task(v.t) for user in users])
            yield "a process and its users are in one half", forall([v.t], z3.Implies(process, own))
            token = z3.And(s.active(v.p), s.object(v.p) == OBJECT.of(PortObject.TASK_ID_TOKEN), s.process(v.t) != PROCESS.NO_PROCESS)
            named = z3.And(token, s.pid(v.t) == s.image_pid(v.p), s.pid_version(v.t) == s.image_version(v.p))
            in_half = z3.Implies(named, self.of_port(v.p) == self.of_task(v.t))
            yield "a token and the tasks of its image are in one half", forall([v.p, v.t], in_half)
            new, owner = s.waits_child(v.t), s.waits_set_user(v.t)
            under_way = z3.And(s.alive(v.t), s.wait(v.t) == WAIT.EXECUTING)
            together = z3.And(self.of_task(new) == self.of_task(v.t), self.may_execute(owner, self.of_task(v.t)))
            yield "an exec is in one half with its new task and its image", forall([v.t], z3.Implies(under_way, together))

    def may_execute(self, owner: Term, half: Term) -> Term:
        """A task of this half may execute the image: it isn't a set-user-id image, or its owner is a user of the half
        and isn't root.
        """
        return z3.Or(owner == UNSET, z3.And(owner != 0, self.of_user(owner) == half))

    def makes_in_own_half(self, x: Transition) -> list[Term]:
        """New tasks and ports belong to the caller's half, and so do the images that it executes."""
        v, b, own = self.v, x.before, self.of_task(x.k.caller)
        return [
            *([self.may_execute(x.k["set_user"], own)] if x.rule in ("execve", "posix_spawn") else []),
            forall([v.t], z3.Implies(b.task_life(v.t) == LIFE.UNBORN, self.of_task(v.t) == own)),
            forall([v.p], z3.Implies(b.port_life(v.p) == LIFE.UNBORN, self.of_port(v.p) == own)),
        ]


def isolation(v: Variables, x: Transition) -> tuple[list[Term], list[tuple[str, Term]]]:
    """Theorem 2 for one case: the assumptions, and the goals."""
    halves = Halves(v, x.k.profile)
    assumptions = [clause for _, clause in halves.closed(x.before)] + halves.makes_in_own_half(x)
    return assumptions, list(halves.closed(x.after))


def security_port_is_confined(v: Variables, x: Transition) -> tuple[list[Term], list[tuple[str, Term]]]:
    """Invariant 32 for one case: the security port stays in its half."""
    halves = Halves(v, x.k.profile)

    def confined(s: State) -> Term:
        security = z3.And(s.object(s.port(v.s)) == OBJECT.of(PortObject.HOST_SECURITY), x.right(s, v.s))
        held = z3.Or(v.S.is_name_slot(v.s), v.S.is_place_slot(v.s), v.S.is_host_slot(v.s))
        mine = halves.of_slot(s, v.s) == halves.of_port(s.port(v.s))
        return forall([v.s], z3.Implies(z3.And(security, held), mine))

    assumptions = [clause for _, clause in halves.closed(x.before)] + halves.makes_in_own_half(x) + [confined(x.before)]
    return assumptions, [("the other half doesn't have it", confined(x.after))]


def token_integrity(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Theorem 3 for one case: invariants 29, 30 and 31 together."""
    yield from chain.from_iterable(STEP_PROPERTIES[number].clauses(v, x) for number in (29, 30, 31))


_EXPLICIT, _PLAIN = "host_security_create_task_token", "task_create"


def as_if_created_by_task_create(profile: Profile) -> Iterator[tuple[str, list[Term], Term]]:
    """Theorem 1: (what is compared, assumptions, goal).

    Field by field, for each way in which the call with tokens succeeds; where it is stopped between its two steps, for
    both steps together if no other call comes between. Then, code by code, where ``task_create`` fails.
    """
    [(plain_guard, plain, _)] = _creations(_PLAIN, profile)
    for guard, explicit, k in (*_creations(_EXPLICIT, profile), *_creations_in_two_steps(profile)):
        assumptions = [*k.assumptions(), guard, plain_guard, *explicit.assumptions]
        for name, declaration in FIELDS.items():
            point = [z3.Const(f"x{index}", sort_named(UNBOUNDED, part)) for index, part in enumerate(declaration.domain)]
            same = explicit.fields[name](*point) == plain.fields[name](*point)
            apart = _apart(k, explicit, name, point[0]) if point else z3.BoolVal(False)
            yield f"field {name}", assumptions, forall(point, z3.Or(apart, same)) if point else same
    yield from _fails_like_task_create(profile)


def _creations(rule: str, profile: Profile) -> list[tuple[Term, After, Context]]:
    """The cases in which the rule makes a task: the condition, the state after, and the context."""
    return [(guard, _after(k, case), k) for guard, case, k in _cases(rule, profile) if case.code is ReturnCode.KERN_SUCCESS]


def _cases(rule: str, profile: Profile) -> list[tuple[Term, Case, Context]]:
    k = Context(RULES[rule], State.arbitrary(UNBOUNDED), profile)
    cases = list(k.rule.cases(k))
    return [(guard, case, k) for guard, case in zip(effective_guards(cases), cases, strict=True)]


def _after(k: Context, case: Case) -> After:
    after = After(k.before, k.profile)
    case.effect(after)
    return after


def _creations_in_two_steps(profile: Profile) -> list[tuple[Term, After, Context]]:
    """As ``_creations``, of creations that stop, after the second step: no other call comes between the two."""
    made = []
    for guard, case, k in _cases(_EXPLICIT, profile) if profile.tokens_in_two_steps else ():
        if case.code is ReturnCode.MACH_RCV_IN_PROGRESS:
            first = _after(k, case)
            between = Context(RULES[CREATION_RESUMED], State(k.sorts, dict(first.fields)), profile)
            lives = next(iter(between.rule.cases(between)))
            second = _after(between, lives)
            # the child's host port is cloned from its parent's: that right is one of those that are counted (a ghost counts slots)
            held = place_slot(k.before, k.task_behind(k["parent_task"]), Place.HOST)
            counted = z3.Implies(k.before.sends(held), k.before.sending_slots(k.before.port(held)) >= 1)
            second.assumptions += [*first.assumptions, counted]
            made.append((z3.And(guard, lives.when), second, k))
    return made


def _fails_like_task_create(profile: Profile) -> Iterator[tuple[str, list[Term], Term]]:
    """Where ``task_create`` fails, the call with tokens fails; and if its caller presents the security port, and can
    give the host port that it names, it fails for the same reason.

    The reason has another code where the parent's port isn't the target of the request but carried by it.
    """
    cases = _cases(_EXPLICIT, profile)
    k = cases[0][2]
    failing = [(guard, case) for guard, case, _ in cases if case.refuses and case.code not in IN_PROGRESS]
    presented = [k.object(k["host_security"], PortObject.HOST_SECURITY)]
    if profile.takes(_EXPLICIT, "host"):
        presented.append(k.carriable(k["host"]))
    if profile.task_is_target:
        no_parent = {ReturnCode.MACH_SEND_INVALID_DEST}
    else:
        no_parent = {ReturnCode.MACH_SEND_INVALID_RIGHT, ReturnCode.KERN_INVALID_ARGUMENT}
    same_reason = {ReturnCode.MACH_SEND_INVALID_DEST: no_parent, profile.null_parent_code: {ReturnCode.KERN_INVALID_ARGUMENT}}
    for guard, case, _ in _cases(_PLAIN, profile):
        if case.refuses and case.code is not None:
            known = [*k.assumptions(), guard]
            codes = same_reason.get(case.code, {case.code})
            for words, more, answers in (
                ("it fails too", [], [other for other, _ in failing]),
                ("for the same reason", presented, [other for other, one in failing if one.code in codes]),
            ):
                *assumptions, goal = without_quantifiers([*known, *more, z3.Or(*answers)])
                yield f"{case.id}: {words}", assumptions, goal


def _apart(k: Context, explicit: After, name: str, point: Term) -> Term:
    """Where the two calls may differ: the child's tokens, and its host port if the call sets it."""
    if name in ("security", "audit"):
        return point == k["child"]
    if name.startswith("waits_"):  # what a stopped call noted for its second step
        return point == k.caller
    if not k.profile.takes("host_security_create_task_token", "host"):
        return z3.BoolVal(False)
    given, cloned = place_slot(explicit, k["child"], Place.HOST), place_slot(explicit, k.task_behind(k["parent_task"]), Place.HOST)
    if name in ("kind", "port"):
        return point == given
    if name in ("srights", "mscount", "sending_slots"):
        return z3.Or(point == explicit.port(given), point == k.before.port(cloned))
    return z3.BoolVal(False)


def is_targeted_only(rule: str, profile: Profile) -> bool:
    """Whether the rule's call depends only on the right to the target task's port, not on which task holds it.

    Where rights to tasks' ports are immovable, extracting one depends on the caller: only the task itself may copy its
    own.
    """
    signature = SIGNATURES.get(rule)
    extracts = rule == "mach_port_extract_right" and bool(profile.immovable_objects)
    return signature is not None and signature.targets_task_only and not extracts


def all_authority(k: Context) -> Iterator[tuple[str, list[Term], list[Term]]]:
    """Invariant 23 for one rule, case by case: the call does the same for all holders of a task's port.

    The same case applies, the results are the same, and the state after is the same (except for the reply's owner).
    Only the first task makes service ports: of calls that ask for one, nothing is said. Where suspensions are held by
    rights to resume ports, task_suspend and task_resume also change a right of the caller's. Then their code is the
    same, and what they do to the task and to its resume port.
    """
    other_caller, other_name = z3.Const("other_caller", k.sorts.Task), z3.Const("other_name", k.sorts.Name)
    b = k.before
    slot, other = k.slot(k["task"]), k.slot(other_name, other_caller)
    holders = [b.sends(slot), b.sends(other), b.port(slot) == b.port(other), b.alive(other_caller)]
    if "service" in k.constants:
        holders.append(z3.Not(k["service"]))

    def swapped(term: Term) -> Term:
        return z3.substitute(term, (k.caller, other_caller), (k["task"], other_name))

    cases = list(k.rule.cases(k))
    if k.rule.name in SUSPENSION and k.profile.resume_ports:
        yield from _same_suspensions(k, cases, holders, swapped)
        return
    for case, guard in zip(cases, effective_guards(cases), strict=True):
        yield f"{case.id}: whether it applies", holders, [case.when == swapped(case.when)]
        after = After(b, k.profile)
        case.effect(after)
        chosen = [*after.assumptions, *[swapped(term) for term in after.assumptions]]
        same = [value == swapped(value) for value in case.outputs.values()]
        for name, declaration in FIELDS.items():
            if after.changed(name) and name != "owner":
                point = [z3.Const(f"x{index}", sort_named(k.sorts, part)) for index, part in enumerate(declaration.domain)]
                value = after.fields[name](*point)
                same.append(forall(point, value == swapped(value)) if point else value == swapped(value))
        if same:
            yield case.id, [*holders, guard, *chosen], same


DONE_TO_TASK = ("suspend_count", "flavour_port", "object", "object_task", "port_life")
"""What ``task_suspend`` and ``task_resume`` change of the task and of its resume port."""


def _same_suspensions(
    k: Context, cases: list[Case], holders: list[Term], swapped: Callable[[Term], Term]
) -> Iterator[tuple[str, list[Term], list[Term]]]:
    """The call of the other holder answers the same code, and does the same to the task and to its resume port.

    What it does to a right of the caller's differs, so the case may differ, too: all cases are compared at once.
    """
    guards = effective_guards(cases)
    for code in dict.fromkeys(case.code for case in cases):
        answered = z3.Or(*[guard for case, guard in zip(cases, guards, strict=True) if case.code is code])
        yield f"{code.name if code else 'the call goes on'}: whether it is answered", holders, [answered == swapped(answered)]
    outcomes = []
    for case in cases:
        after = After(k.before, k.profile)
        case.effect(after)
        outcomes.append(after)
    chosen = [assumption for after in outcomes for assumption in after.assumptions]
    assumed = [*holders, *chosen, *map(swapped, chosen)]
    for name in DONE_TO_TASK:
        point = [z3.Const(f"x{index}", sort_named(k.sorts, part)) for index, part in enumerate(FIELDS[name].domain)]
        value = k.before.fields[name](*point)
        for guard, after in zip(guards, outcomes, strict=True):
            value = z3.If(guard, after.fields[name](*point), value)
        yield f"the same {name}", assumed, [forall(point, value == swapped(value))]


def names_are_local(k: Context) -> Iterator[tuple[str, list[Term], list[Term]]]:
    """Invariant 26 for one rule: names in a third task's space make no difference to which case applies."""
    b, S = k.before, k.sorts.Slot
    parameters = k.rule.parameters
    involved = [k.caller]
    if "space" in parameters:
        involved.append(k["space"])
    involved += [k.task_behind(k[name]) for name in ("task", "parent_task", "target_task") if parameters.get(name) == sort_of(Name)]
    if k.rule.name == LOOK_AT_NAME:
        involved.append(k.task_behind(k["control"]))
    if "message" in parameters:
        involved.append(b.object_task(b.port(S.destination_slot(k["message"]))))
    elsewhere = unknown_state(k.sorts, "_elsewhere")

    def foreign(slot: Term) -> Term:
        return z3.And(S.is_name_slot(slot), *[S.space(slot) != task for task in involved])

    mixed = {
        name: type(b.fields[name])(name, lambda s, name=name: z3.If(foreign(s), elsewhere.fields[name](s), b.fields[name](s)))
        for name in ("kind", "port", "urefs", *(("unlooked", "told") if k.profile.dead_names_are_lazy else ()))
    }
    moved = Context(k.rule, State(k.sorts, {**b.fields, **mixed}), k.profile)
    for case, same in zip(k.rule.cases(k), k.rule.cases(moved), strict=True):
        yield case.id, [], [case.when == same.when]
