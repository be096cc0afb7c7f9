"""The ids of a process: what it may set them to, and who may learn its pid."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOURS, PortObject
from sendright.mach.abi.tokens import UNSET
from sendright.mach.state.process import NO_MEMBER
from sendright.model.calls.processes.identity import has_ids, has_process, is_root, needs_process, set_ids
from sendright.model.language.evidence import Evidence, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import Term
from sendright.model.language.terms import Int, Name


def _sets(call: str, model: str) -> Evidence:
    """What a call of this name, which may be several functions, rests on that derives new ids by ``model``."""
    update = f"../bsd/kern/kern_credential.c: kauth_cred_proc_update, {model}"
    return rests_on(xnu=f"../bsd/kern/kern_prot.c: {call}, suser, set_security_token; {update}; kern/task.c: task_set_security_tokens")


_USERS, _GROUPS = "kauth_cred_model_setresuid", "kauth_cred_model_setresgid, kauth_cred_change_egid"


@rule(evidence=rests_on(xnu="../bsd/kern/kern_prot.c: issetugid, proc_issetugid"))
def issetugid(k: Context) -> Iterator[Case]:
    """Say whether the ids of the caller's process have changed since its image began, or its image changed them."""
    # NAMES
    changed = k.before.has_changed_ids(k.caller)
    # CASES
    yield needs_process(k)
    # REPLY
    yield k.succeeds("they have changed", changed, changed=z3.IntVal(1))
    yield k.succeeds("they are as they were", k.otherwise(z3.Not(changed)), changed=z3.IntVal(0))


@rule(evidence=_sets("setuid", _USERS))
def setuid(k: Context, uid: Int) -> Iterator[Case]:
    """Set the effective user of the caller's process; if it is root, also the real and the saved user.

    It is a member of the groups of the user ``uid`` then, unless it has opted out of that.
    """
    # NAMES
    b, caller = k.before, k.caller
    real, saved, member, root = b.real_user(caller), b.saved_user(caller), b.member_user(caller), is_root(b, caller)
    ids = {
        "effective_user": uid,
        "real_user": z3.If(root, uid, real),
        "saved_user": z3.If(root, uid, saved),
        "member_user": z3.If(member == NO_MEMBER, NO_MEMBER, uid),
    }
    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "neither the real nor the saved user", z3.Not(z3.Or(uid == real, uid == saved, root)))
    # RIGHTS, TOKENS
    yield k.succeeds("it has these ids", has_ids(k, ids))
    yield k.succeeds("it gets these ids", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=_sets("seteuid", _USERS))
def seteuid(k: Context, euid: Int) -> Iterator[Case]:
    """Set the effective user of the caller's process."""
    # NAMES
    b, caller = k.before, k.caller
    allowed = z3.Or(euid == b.real_user(caller), euid == b.saved_user(caller), is_root(b, caller))
    ids = {"effective_user": euid}
    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "neither the real nor the saved user", z3.Not(allowed))
    # RIGHTS, TOKENS
    yield k.succeeds("it has this id", has_ids(k, ids))
    yield k.succeeds("it gets this id", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=_sets("setreuid", _USERS))
def setreuid(k: Context, ruid: Int, euid: Int) -> Iterator[Case]:
    """Set the real and the effective user of the caller's process; -1 sets nothing.

    If the saved user is neither of the arguments, be they -1 or not, it becomes what the effective user is then.
    """
    # NAMES
    b, caller = k.before, k.caller
    saved, effective = b.saved_user(caller), z3.If(euid == UNSET, b.effective_user(caller), euid)
    ids = {
        "real_user": z3.If(ruid == UNSET, b.real_user(caller), ruid),
        "effective_user": effective,
        "saved_user": z3.If(z3.Or(saved == ruid, saved == euid), saved, effective),
    }
    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "an id that is none of its users", z3.Not(z3.Or(_has_all(k, "user", ruid, euid), is_root(b, caller))))
    # RIGHTS, TOKENS
    yield k.succeeds("it has these ids", has_ids(k, ids))
    yield k.succeeds("it gets these ids", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=_sets("setgid", _GROUPS))
def setgid(k: Context, gid: Int) -> Iterator[Case]:
    """Set the effective group of the caller's process; if it is root, also the real and the saved group.

    A process whose effective group changes opts out of being a member of a user's groups, for it has no other groups
    that the new one could be among.
    """
    # NAMES
    b, caller = k.before, k.caller
    real, saved, root = b.real_group(caller), b.saved_group(caller), is_root(b, caller)
    ids = {
        "effective_group": gid,
        "real_group": z3.If(root, gid, real),
        "saved_group": z3.If(root, gid, saved),
        "member_user": _member_with(k, gid),
    }
    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "neither the real nor the saved group", z3.Not(z3.Or(gid == real, gid == saved, root)))
    # RIGHTS, TOKENS
    yield k.succeeds("it has these ids", has_ids(k, ids))
    yield k.succeeds("it gets these ids", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=_sets("setegid", _GROUPS))
def setegid(k: Context, egid: Int) -> Iterator[Case]:
    """Set the effective group of the caller's process. If that changes, the process opts out as in ``setgid``."""
    # NAMES
    b, caller = k.before, k.caller
    allowed = z3.Or(egid == b.real_group(caller), egid == b.saved_group(caller), is_root(b, caller))
    ids = {"effective_group": egid, "member_user": _member_with(k, egid)}
    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "neither the real nor the saved group", z3.Not(allowed))
    # RIGHTS, TOKENS
    yield k.succeeds("it has this id", has_ids(k, ids))
    yield k.succeeds("it gets this id", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=_sets("setregid", _GROUPS))
def setregid(k: Context, rgid: Int, egid: Int) -> Iterator[Case]:
    """Set the real and the effective group of the caller's process; -1 sets nothing.

    If the saved group is neither of the groups that are given, it becomes what the effective group is then. If the
    effective group changes, the process opts out as in ``setgid``.
    """
    # NAMES
    b, caller = k.before, k.caller
    saved, effective = b.saved_group(caller), z3.If(egid == UNSET, b.effective_group(caller), egid)
    given = z3.Or(z3.And(rgid != UNSET, saved == rgid), z3.And(egid != UNSET, saved == egid))
    ids = {
        "real_group": z3.If(rgid == UNSET, b.real_group(caller), rgid),
        "effective_group": effective,
        "saved_group": z3.If(given, saved, effective),
        "member_user": _member_with(k, effective),
    }
    # CASES
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "an id that is none of its groups", z3.Not(z3.Or(_has_all(k, "group", rgid, egid), is_root(b, caller))))
    # RIGHTS, TOKENS
    yield k.succeeds("it has these ids", has_ids(k, ids))
    yield k.succeeds("it gets these ids", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


def _only_root(k: Context) -> Iterator[Case]:
    """The tests of the two calls that set a list of groups."""
    yield needs_process(k)
    yield k.fails(ReturnCode.EPERM, "the caller isn't root", z3.Not(is_root(k.before, k.caller)))


@rule(evidence=_sets("setgroups, setgroups1, setgroups_internal", "kauth_cred_model_setgroups; ../bsd/kern/kern_proc.c: proc_suser"))
def setgroups(k: Context, group: Int) -> Iterator[Case]:
    """Set the list of groups of the caller's process to one group, which is the effective one. It opts out of being a
    member of a user's groups.
    """
    # NAMES
    ids = {"effective_group": group, "member_user": z3.IntVal(NO_MEMBER)}
    # CASES
    yield from _only_root(k)
    # RIGHTS, TOKENS
    yield k.succeeds("it has these ids", has_ids(k, ids))
    yield k.succeeds("it gets these ids", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=_sets("initgroups, setgroups1, setgroups_internal", "kauth_cred_model_setgroups; ../bsd/kern/kern_proc.c: proc_suser"))
def initgroups(k: Context, group: Int, gmuid: Int) -> Iterator[Case]:
    """Set the list of groups of the caller's process to one group, which is the effective one. It is a member of the
    groups of the user ``gmuid`` then.
    """
    # NAMES
    ids = {"effective_group": group, "member_user": gmuid}
    # CASES
    yield from _only_root(k)
    # RIGHTS, TOKENS
    yield k.succeeds("it has these ids", has_ids(k, ids))
    yield k.succeeds("it gets these ids", k.otherwise(z3.Not(has_ids(k, ids))), lambda after: set_ids(k, after, ids))


@rule(evidence=rests_on(xnu="../bsd/security/audit/audit_syscalls.c: getaudit_addr, getaudit_addr_internal"))
def getaudit_addr(k: Context) -> Iterator[Case]:
    """Say in which audit session the caller's process is, and for which audit user."""
    # NAMES
    b, caller = k.before, k.caller
    # CASES
    yield needs_process(k)
    # REPLY
    yield k.succeeds("its audit user and session", k.otherwise(), audit_user=b.session_user(b.session(caller)), session=b.session(caller))


def _has_all(k: Context, of: str, *given: Term) -> Term:
    """Each id that is given is one of the three users (or groups) of the caller's process."""
    own = [k.before.fields[f"{which}_{of}"](k.caller) for which in ("real", "effective", "saved")]
    return z3.And(*[z3.Or(id_ == UNSET, *[id_ == each for each in own]) for id_ in given])


def _member_with(k: Context, group: Term) -> Term:
    """By whose groups the caller's process is a member when ``group`` is its effective group."""
    same = group == k.before.effective_group(k.caller)
    return z3.If(same, k.before.member_user(k.caller), NO_MEMBER)


@rule(evidence=rests_on(xnu="../bsd/kern/kern_proc.c: pid_for_task; kern/ipc_tt.c: port_name_to_task_name, port_name_to_task_grp"))
def pid_for_task(k: Context, task: Name) -> Iterator[Case]:
    """Say which process is behind a task of which the caller has any port."""
    # NAMES
    target, stands = k.task_behind(task), z3.Or(*[k.object(task, kind) for kind in (PortObject.TASK, *TASK_FLAVOURS)])
    # CASES
    yield k.fails(ReturnCode.KERN_FAILURE, "task is not a port of a task", z3.Not(stands))
    yield k.fails(ReturnCode.KERN_FAILURE, "no process is behind the task", z3.Not(has_process(k.before, target)))
    # REPLY
    yield k.succeeds("its pid", k.otherwise(), pid=k.before.pid(target))
