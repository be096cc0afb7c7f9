"""Step properties of processes: who may change ids, and to what; pids; and whose ports a task gets by a pid."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOUR_PORTS, Place, PortObject
from sendright.mach.abi.tokens import ASSIGN_SESSION, DEFAULT_SESSION, UNSET
from sendright.mach.signatures.processes import BY_TOKEN, MAKES_TOKEN, PROCESS_MAKERS
from sendright.mach.state.process import FIRST_PID, NO_MEMBER
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import EXEC_RESUMED, WAIT4_RESUMED
from sendright.model.language.sorts import KIND, LIFE, OBJECT, PLACE, PROCESS, Term
from sendright.model.language.state import State
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import BY_PID, SETS_IDS, Transition

_OF = ("user", "group")
_WHICH = ("real", "effective", "saved")
_ASKED = {
    "setuid": {"uid": "effective_user"},
    "seteuid": {"euid": "effective_user"},
    "setreuid": {"ruid": "real_user", "euid": "effective_user"},
    "setgid": {"gid": "effective_group"},
    "setegid": {"egid": "effective_group"},
    "setregid": {"rgid": "real_group", "egid": "effective_group"},
    "setgroups": {"group": "effective_group"},
    "initgroups": {"group": "effective_group"},
}
"""Of the calls that set ids: for each argument the id that it is for."""
_KEEPS_NOTHING = ("setreuid", "setregid")
"""The calls whose argument -1 sets nothing, and that may set the saved id."""


def _goes_on(x: Transition, task: Term) -> Term:
    """The task lives, and a process is behind it before and after the step."""
    b, a = x.before, x.after
    return z3.And(b.alive(task), a.alive(task), *[s.process(task) != PROCESS.NO_PROCESS for s in (b, a)])


@step_property(220, "a process becomes only who it may become")
def ids_change(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A user or group id of a process changes only by a call of its own that sets ids, or an exec. A process that isn't
    root gets no user and no group that wasn't among its real, effective and saved ones. When an id changes, the process
    is marked.

    The call sets what its arguments say. With setuid and setgid root gives up all its three users or groups. Other
    calls leave a saved id as it is, or (setreuid and setregid) make it the effective one.

    A process that fork makes has its parent's ids and mark. One that posix_spawn makes has the ids that its image gives
    it, like the process of an exec.
    """
    b, a, k = x.before, x.after, x.k
    if not k.profile.has_processes:
        return
    root = b.effective_user(v.t) == 0
    changes = []
    for of in _OF:
        own = [b.fields[f"{which}_{of}"](v.t) for which in _WHICH]
        for which in _WHICH:
            now, was = a.fields[f"{which}_{of}"](v.t), b.fields[f"{which}_{of}"](v.t)
            changes.append(now != was)
            may = z3.And(v.t == k.caller, x.rule in SETS_IDS, z3.Or(root, *[now == each for each in own]))
            if x.rule == EXEC_RESUMED and which != "real":
                may = z3.And(_gets_identity(x, v.t), now == _of_image(x, of))
            yield f"the {which} {of}", forall([v.t], z3.Implies(z3.And(_goes_on(x, v.t), now != was), may))
    goes_on = z3.And(_goes_on(x, v.t), z3.Not(_gets_identity(x, v.t)))
    yield "the mark", forall([v.t], z3.Implies(z3.And(goes_on, z3.Or(*changes)), a.has_changed_ids(v.t)))
    yield "the mark stays", forall([v.t], z3.Implies(z3.And(goes_on, b.has_changed_ids(v.t)), a.has_changed_ids(v.t)))
    if x.rule == EXEC_RESUMED:
        yield from _what_an_exec_gives(x)
    if x.rule in SETS_IDS and x.case.code is ReturnCode.KERN_SUCCESS:
        yield from _what_is_asked(x)
    if x.creates and x.rule in PROCESS_MAKERS:
        yield from _what_a_child_gets(v, x)


def _gets_identity(x: Transition, task: Term) -> Term:
    """The task is the new one of the caller's exec, and gets its identity in this step."""
    if x.rule != EXEC_RESUMED:
        return z3.BoolVal(False)
    return z3.And(task == x.half_made, x.before.exec_phase(x.k.caller) == 1)


def _of_image(x: Transition, of: str) -> Term:
    """The effective id that the image of the caller's exec gives: that of its owner or its group, if it has a set-id
    bit, else the one that the process has.
    """
    b, caller = x.before, x.k.caller
    spawned = x.rule == "posix_spawn"
    own = x.k[f"set_{of}"] if spawned else b.fields[f"waits_set_{of}"](caller)
    return z3.If(own == UNSET, b.fields[f"effective_{of}"](caller if spawned else x.half_made), own)


def image_changes_ids(x: Transition) -> Term:
    """The image of the caller's exec, or of the process that the call makes, gives it another effective id."""
    task = x.k.caller if x.rule == "posix_spawn" else x.half_made
    return z3.Or(*[_of_image(x, of) != x.before.fields[f"effective_{of}"](task) for of in _OF])


def _what_a_child_gets(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """The ids and the mark of a process that the call makes."""
    b, a, caller, new = x.before, x.after, x.k.caller, x.new_task(v.t)
    image = x.rule == "posix_spawn"
    for of in _OF:
        for which in _WHICH:
            own = _of_image(x, of) if image and which != "real" else b.fields[f"{which}_{of}"](caller)
            yield f"a child's {which} {of}", forall([v.t], z3.Implies(new, a.fields[f"{which}_{of}"](v.t) == own))
    session = b.session(caller)
    yield "a child's session", forall([v.t], z3.Implies(new, a.session(v.t) == session))
    yield "a child's audit user", forall([v.t], z3.Implies(new, a.audit_user(v.t) == b.session_user(session)))
    mark = image_changes_ids(x) if image else b.has_changed_ids(caller)
    yield "a child's mark", forall([v.t], z3.Implies(new, a.has_changed_ids(v.t) == mark))


def _what_an_exec_gives(x: Transition) -> Iterator[tuple[str, Term]]:
    """The new task's process has the effective and saved ids that its image gives it. It is marked exactly if that
    changes an effective id.
    """
    a, new = x.after, x.half_made
    gets = _gets_identity(x, new)
    for of in _OF:
        ids = [a.fields[f"{which}_{of}"](new) == _of_image(x, of) for which in ("effective", "saved")]
        yield f"the {of} of its image", z3.Implies(gets, z3.And(*ids))
    yield "the mark of its image", z3.Implies(gets, a.has_changed_ids(new) == image_changes_ids(x))


def _what_is_asked(x: Transition) -> Iterator[tuple[str, Term]]:
    b, a, k, caller = x.before, x.after, x.k, x.k.caller
    of = next(each for each in _OF if f"effective_{each}" in SETS_IDS[x.rule])
    ids = {which: (b.fields[f"{which}_{of}"](caller), a.fields[f"{which}_{of}"](caller)) for which in _WHICH}
    asked = {field: k[argument] for argument, field in _ASKED[x.rule].items()}
    for which, (was, now) in ids.items():
        if f"{which}_{of}" in asked:
            value = asked[f"{which}_{of}"]
            yield f"the {which} {of} of the argument", now == (z3.If(value == UNSET, was, value) if x.rule in _KEEPS_NOTHING else value)
    saved, effective = ids["saved"], ids["effective"]
    if x.rule in _KEEPS_NOTHING:
        kept = z3.Or(*[z3.And(saved[0] == value, z3.Or(of == "user", value != UNSET)) for value in asked.values()])
        yield f"the saved {of}", saved[1] == z3.If(kept, saved[0], effective[1])
        return
    for which in _WHICH:
        if f"{which}_{of}" not in asked:
            was, now = ids[which]
            whole = z3.And(b.effective_user(caller) == 0, x.rule in ("setuid", "setgid"))
            yield f"the {which} {of} of root", now == z3.If(whole, effective[1], was)


@step_property(221, "by whose groups a process is a member follows from its ids")
def members(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """With setuid the process becomes a member of the new user's groups, unless it has opted out. It opts out when its
    effective group changes, with setgroups, and with a set-id image of an owner. A process that has opted out stays so,
    unless root says with initgroups by whose groups it is a member. A new process has its parent's user, unless it
    begins with such an image.
    """
    b, a, k = x.before, x.after, x.k
    if not k.profile.has_processes:
        return
    was, now, goes_on = b.member_user(v.t), a.member_user(v.t), _goes_on(x, v.t)
    same_group = a.effective_group(v.t) == b.effective_group(v.t)
    out = z3.Or(was == NO_MEMBER, z3.And(v.t == k.caller, z3.Not(same_group)))
    if x.rule == EXEC_RESUMED:
        owned = z3.And(b.waits_set_user(k.caller) != UNSET, a.has_changed_ids(v.t))
        out = z3.Or(was == NO_MEMBER, z3.And(_gets_identity(x, v.t), z3.Or(z3.Not(same_group), owned)))
    sets = x.rule == "setuid" and x.case.code is ReturnCode.KERN_SUCCESS
    stays = z3.If(v.t == k.caller, k["uid"], was) if sets else was
    becomes = z3.If(out, NO_MEMBER, stays)
    if x.rule in ("setgroups", "initgroups") and x.case.code is ReturnCode.KERN_SUCCESS:
        becomes = z3.If(v.t == k.caller, NO_MEMBER if x.rule == "setgroups" else k["gmuid"], was)
    yield "the user", forall([v.t], z3.Implies(goes_on, now == becomes))
    if x.creates and x.rule in PROCESS_MAKERS:
        inherited = b.member_user(k.caller)
        if x.rule == "posix_spawn":
            other_group = _of_image(x, "group") != b.effective_group(k.caller)
            opts_out = z3.And(image_changes_ids(x), z3.Or(k["set_user"] != UNSET, other_group))
            inherited = z3.If(opts_out, NO_MEMBER, inherited)
        yield "a child's user", forall([v.t], z3.Implies(x.new_task(v.t), now == inherited))


@step_property(222, "who a process is stays")
def pids_stay(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A process keeps its pid, its original parent and, unless it calls setaudit_addr, its audit session. In its token
    the audit user changes only when the kernel sets its tokens: to that of its session, and once in one session. A pid
    version is drawn from the counter, which only rises.
    """
    b, a = x.before, x.after
    if not x.k.profile.has_processes:
        return
    goes_on = _goes_on(x, v.t)
    for name in ("pid", "original_parent"):
        yield name.replace("_", " "), forall([v.t], z3.Implies(goes_on, a.fields[name](v.t) == b.fields[name](v.t)))
    one_session = a.session(v.t) == b.session(v.t)
    enters = z3.And(v.t == x.k.caller, x.rule == "setaudit_addr")
    yield "session", forall([v.t], z3.Implies(goes_on, z3.Or(one_session, enters)))
    was, now = b.audit_user(v.t), a.audit_user(v.t)
    set_now = z3.And(now == a.session_user(a.session(v.t)), z3.Or(was == UNSET, z3.Not(one_session)))
    yield "audit user", forall([v.t], z3.Implies(goes_on, z3.Or(was == now, set_now)))
    drawn = z3.And(b.pid_versions() <= a.pid_version(v.t), a.pid_version(v.t) < a.pid_versions())
    same = a.pid_version(v.t) == b.pid_version(v.t)
    yield "pid version", forall([v.t], z3.Implies(goes_on, z3.Or(same, drawn)))
    if x.creates and x.rule in (*PROCESS_MAKERS, "execve"):
        new = drawn if x.rule in PROCESS_MAKERS else z3.And(a.pid_version(v.t) == b.pid_version(x.k.caller), a.process(v.t) == PROCESS.SHADOW)
        yield "a new task's pid version", forall([v.t], z3.Implies(x.new_task(v.t), new))
    yield "the counter", a.pid_versions() >= b.pid_versions()


@step_property(228, "the audit user of a session is set once")
def session_users(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """The audit user of an audit session that a process is in changes only if it isn't set, and only when a process of
    root's that is in the session then calls setauid or setaudit_addr: to the user that the call names.

    setaudit_addr puts its caller into the session that it returns, which is the one that it asks for, if any.
    """
    b, a, k = x.before, x.after, x.k
    if not k.profile.has_processes:
        return
    changes = z3.And(is_in_session(b, v.t, v.i), a.session_user(v.i) != b.session_user(v.i))
    allowed = z3.BoolVal(False)
    if x.rule in ("setauid", "setaudit_addr"):
        asked = k["auid"] if x.rule == "setauid" else k["audit_user"]
        by_root = z3.And(b.process(k.caller) != PROCESS.NO_PROCESS, b.effective_user(k.caller) == 0)
        allowed = z3.And(b.session_user(v.i) == UNSET, by_root, a.session(k.caller) == v.i, a.session_user(v.i) == asked)
    yield "who sets it", forall([v.t, v.i], z3.Implies(changes, allowed))
    if x.rule == "setauid" and x.case.code is ReturnCode.KERN_SUCCESS:
        yield "it is set", a.session_user(b.session(k.caller)) == k["auid"]
    if x.rule == "setaudit_addr" and x.case.code is ReturnCode.KERN_SUCCESS:
        own = a.session(k.caller)
        yield "the session", z3.And(own == x.case.outputs["session"], a.session_user(own) == k["audit_user"])
        new = z3.Or(k["session"] == DEFAULT_SESSION, k["session"] == ASSIGN_SESSION)
        yield "the session that the call names", z3.Or(new, own == k["session"])
        yield "a new session", forall([v.t], z3.Not(z3.And(new, is_in_session(b, v.t, own))))


def is_in_session(state: State, task: Term, session: Term) -> Term:
    """The process behind the task is in the session."""
    return z3.And(state.process(task) != PROCESS.NO_PROCESS, state.session(task) == session)


@step_property(225, "a set-id image begins out of others' reach")
def set_id_images(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """When the new task of an exec gets other effective ids, its port is a new one, to which only its own right leads.
    No exception of it goes to a port that root hasn't set. When the exec is over, the old task's port is dead, so
    every right to it is dead.
    """
    if x.rule != EXEC_RESUMED:
        return
    b, a, S, new, old = x.before, x.after, v.S, x.half_made, x.k.caller
    rises = z3.And(_gets_identity(x, new), z3.Or(*[a.fields[f"effective_{of}"](new) != b.fields[f"effective_{of}"](new) for of in _OF]))
    own = S.place_slot(new, PLACE.of(Place.KERNEL))
    yield "a new port", z3.Implies(rises, b.port_life(a.task_port(new)) == LIFE.UNBORN)
    reached = z3.And(rises, a.sends(v.s), a.port(v.s) == a.task_port(new))
    yield "whose port it is", forall([v.s], z3.Implies(reached, v.s == own))
    for place in x.k.profile.exception_places:
        slot = S.place_slot(new, PLACE.of(place))
        kept = z3.Or(a.empty(slot), z3.And(b.set_by_root(new, PLACE.of(place)), a.set_by_root(new, PLACE.of(place))))
        yield f"its port of {place.name}", z3.Implies(rises, kept)
    if x.ends_task:
        yield "the old port", a.port_life(b.task_port(old)) == LIFE.ENDED


@step_property(226, "a process has a parent, which learns how it ended")
def families(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A process that fork or posix_spawn makes has a pid that no process had, which the call returns. The caller is its
    parent and its original parent. No right leads to its task's port but its own.

    When a process ends, its children that live are orphans and have the first process as parent, and its children that
    have ended are forgotten. It is a zombie with 256 times the last 8 bits of what it gave to exit, or forgotten if it
    was an orphan. wait4 returns the pid and the status of a zombie whose parent the caller's process is, and the
    zombie is forgotten; or it returns 0, and then none of the caller's children that it asks for has ended. It fails
    with ECHILD only if the process has no such child.
    """
    b, a, k, caller = x.before, x.after, x.k, x.k.caller
    outputs, done = x.case.outputs, x.case.code is ReturnCode.KERN_SUCCESS
    child = z3.And(b.parent_pid(v.t) == b.pid(caller), v.t != caller)
    if x.rule in PROCESS_MAKERS and done:
        own = [a.process(v.t) == PROCESS.RUNNING, a.pid(v.t) == outputs["pid"], z3.Not(a.is_orphan(v.t))]
        own += [field(v.t) == b.pid(caller) for field in (a.parent_pid, a.original_parent)]
        yield "the new process", forall([v.t], z3.Implies(x.new_task(v.t), z3.And(*own)))
        reached = z3.And(x.new_task(v.t), a.sends(v.s), a.port(v.s) == a.task_port(v.t))
        yield "its port", forall([v.t, v.s], z3.Implies(reached, v.s == v.S.place_slot(v.t, PLACE.of(Place.KERNEL))))
        yield "its pid", forall([v.t], z3.Implies(b.process(v.t) != PROCESS.NO_PROCESS, b.pid(v.t) != outputs["pid"]))
    elif x.rule == "exit" and done:
        lives = z3.Or(b.process(v.t) == PROCESS.RUNNING, b.process(v.t) == PROCESS.SHADOW)
        orphan = z3.And(a.is_orphan(v.t), a.parent_pid(v.t) == FIRST_PID)
        yield "its living children", forall([v.t], z3.Implies(z3.And(child, lives), orphan))
        gone = a.process(v.t) == PROCESS.NO_PROCESS
        yield "its zombies", forall([v.t], z3.Implies(z3.And(child, b.process(v.t) == PROCESS.ZOMBIE), gone))
        zombie = z3.And(a.process(caller) == PROCESS.ZOMBIE, a.exit_status(caller) == (k["status"] % 256) * 256)
        yield "what is left of it", z3.If(b.is_orphan(caller), a.process(caller) == PROCESS.NO_PROCESS, zombie)
    elif x.rule in ("wait4", WAIT4_RESUMED) and done:
        pid = k["pid"] if x.rule == "wait4" else b.waits_pid(caller)
        zombie = z3.And(child, b.process(v.t) == PROCESS.ZOMBIE, z3.Or(pid == -1, b.pid(v.t) == pid))
        ended = k["ended"]
        said = [outputs["child"] == b.pid(ended), outputs["status"] == b.exit_status(ended), a.process(ended) == PROCESS.NO_PROCESS]
        if z3.is_int_value(outputs["child"]):
            yield "no child", outputs["child"] == 0
            yield "that none has ended", forall([v.t], z3.Not(zombie))
        else:
            yield "which has ended", z3.And(z3.substitute(zombie, (v.t, ended)), *said)
    elif x.rule in ("wait4", WAIT4_RESUMED) and x.case.code is ReturnCode.ECHILD:
        pid = k["pid"] if x.rule == "wait4" else b.waits_pid(caller)
        exists = z3.Or(b.process(v.t) == PROCESS.RUNNING, b.process(v.t) == PROCESS.ZOMBIE)
        yield "that there is none", forall([v.t], z3.Not(z3.And(child, exists, z3.Or(pid == -1, b.pid(v.t) == pid))))
    if x.rule in ("wait4", WAIT4_RESUMED, "exit"):
        return
    ends = z3.And(b.process(v.t) == PROCESS.ZOMBIE, a.process(v.t) != PROCESS.ZOMBIE)
    yield "who forgets zombies", forall([v.t], z3.Not(ends))


def named_by_pid(x: Transition, task: Term) -> Term:
    """The argument ``pid`` denotes the task of a process that lives."""
    b = x.before
    return z3.And(b.alive(task), b.process(task) == PROCESS.RUNNING, b.pid(task) == x.k["pid"])


def entitled(x: Transition, task: Term) -> Term:
    """The caller may get the port of the task that the call gives by a pid (``docs/processes.md``)."""
    b, k, caller = x.before, x.k, x.k.caller
    user = b.effective_user(caller)
    of_process = b.process(caller) != PROCESS.NO_PROCESS
    privileged = z3.Or(z3.And(of_process, user == 0), task == caller)
    if BY_PID[x.rule] is PortObject.TASK_NAME:
        return z3.Or(privileged, z3.And(of_process, b.effective_user(task) == user, b.real_user(task) == b.real_user(caller)))
    same_user = [b.fields[f"{which}_user"](task) == user for which in _WHICH]
    groups = [b.fields[f"{which}_group"](caller) for which in _WHICH]
    same_groups = [z3.Or(*[group == b.fields[f"{which}_group"](task) for group in groups]) for which in _WHICH]
    access = k.sorts.Slot.place_slot(task, PLACE.of(Place.ACCESS))
    no_access = z3.Or(b.empty(access), z3.And(b.kind(access) == KIND.SEND, b.object(b.port(access)) != OBJECT.OBJECT_NONE))
    return z3.Or(privileged, z3.And(of_process, *same_user, *same_groups, z3.Not(b.has_changed_ids(task)), no_access))


def given_by_pid(x: Transition, port: Term) -> Term:
    """The call gives this port of a task by its pid, and the caller may have it."""
    if x.rule not in BY_PID:
        return z3.BoolVal(False)
    task, kind = x.after.object_task(port), BY_PID[x.rule]
    own = x.after.task_port(task) if kind is PortObject.TASK else x.after.flavour_port(task, OBJECT.of(kind))
    return z3.And(x.after.active(port), port == own, x.after.object(port) == OBJECT.of(kind), named_by_pid(x, task), entitled(x, task))


def given_by_token(x: Transition, port: Term) -> Term:
    """The call gives this port: the one that its flavour means, of the task of which its token was made. That task's
    process lives and runs the token's image.
    """
    if x.rule != BY_TOKEN:
        return z3.BoolVal(False)
    b, a, k = x.before, x.after, x.k
    token = b.port(k.slot(k["token"]))
    task = b.object_task(token)
    runs = [b.process(task) == PROCESS.RUNNING, b.pid(task) == b.image_pid(token), b.pid_version(task) == b.image_version(token)]
    meant = []
    for flavour, kind in TASK_FLAVOUR_PORTS.items():
        own = a.task_port(task) if kind is PortObject.TASK else a.flavour_port(task, OBJECT.of(kind))
        meant.append(z3.And(k["flavor"] == flavour, port == own, a.object(port) == OBJECT.of(kind)))
    return z3.And(k.object(k["token"], PortObject.TASK_ID_TOKEN), *runs, a.active(port), z3.Or(*meant))


@step_property(227, "an identity token leads to one image only")
def by_token(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A holder of a task's control port can make an identity token of the task. It says which image the task's process
    runs.

    The call that takes a token gives the port that its flavour means, of the task of which the token was made. It does
    so only while that task's process runs the same image.
    """
    if x.case.code is not ReturnCode.KERN_SUCCESS:
        return
    b, a, k = x.before, x.after, x.k
    if x.rule == MAKES_TOKEN:
        task, token = k.task_behind(k["task"]), a.port(x.reply(0))
        new = [a.kind(x.reply(0)) == KIND.SEND, b.port_life(token) == LIFE.UNBORN, a.object(token) == OBJECT.of(PortObject.TASK_ID_TOKEN)]
        image = [a.object_task(token) == task, a.image_pid(token) == b.pid(task), a.image_version(token) == b.pid_version(task)]
        yield "the token", z3.And(*new, *image)
        yield "by whom", k.object(k["task"], PortObject.TASK)
    elif x.rule == BY_TOKEN:
        slot = x.reply(0)
        yield "which port", z3.And(a.kind(slot) == KIND.SEND, given_by_token(x, a.port(slot)))


@step_property(223, "a task's port is given by a pid to who may have it")
def by_pid(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """The calls that give a port of a task by a pid give the port that they are for, of the task of a living process
    with that pid. Its caller is root or the process itself. Or they have one user and the same groups, the ids haven't
    changed, and no access port decides. For the name port it is enough if effective and real users are the same.

    They need a right to any task's port.
    """
    k = x.k
    if x.rule in BY_PID and x.case.code is ReturnCode.KERN_SUCCESS:
        slot = x.reply(0)
        yield "which port", z3.And(x.after.kind(slot) == KIND.SEND, given_by_pid(x, x.after.port(slot)))
        yield "by whom", k.object(k["target_tport"], PortObject.TASK)


@step_property(224, "a call about processes tells what is so")
def told(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """issetugid tells whether the caller's process is marked, and getaudit_addr its audit session and that one's audit
    user.
    pid_for_task tells which process is behind a task.
    """
    b, k, outputs = x.before, x.k, x.case.outputs
    if x.rule == "issetugid" and "changed" in outputs:
        yield "the mark", outputs["changed"] == z3.If(b.has_changed_ids(k.caller), 1, 0)
    elif x.rule == "getaudit_addr" and "session" in outputs:
        yield "the session", outputs["session"] == b.session(k.caller)
        yield "the audit user", outputs["audit_user"] == b.session_user(b.session(k.caller))
    elif x.rule == "pid_for_task" and "pid" in outputs:
        task, entry = k.task_behind(k["task"]), k.slot(k["task"])
        yield "the pid", z3.And(outputs["pid"] == b.pid(task), b.process(task) != PROCESS.NO_PROCESS, b.sends(entry))
