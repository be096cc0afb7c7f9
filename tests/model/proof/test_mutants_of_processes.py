"""Mutants of the rules about processes: which property sees that a test, a token or a mark is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3
from support.mutants import Change, mutant, not_proved, quick, seen, telling, then, without  # noqa: F401 - quick is a fixture
from support.policies import EXAMPLES, decided

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import XNU
from sendright.mach.results.verdicts import Verdict
from sendright.model.calls.processes import by_pid, identity_tokens
from sendright.model.calls.processes.identity import has_process, is_root
from sendright.model.calls.tasks import set_host
from sendright.model.language.actions import clone, place_slot
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import PROCESS, UNBOUNDED, Term
from sendright.model.language.state import After, State
from sendright.model.proof.obligations import ProofTask, decide
from sendright.properties.policy.load import load_policy

SETS, SETS_ONE, STAYS = "it gets these ids", "it gets this id", "it has these ids"
TOLD = "its audit user and session"
GIVES, MAKES = "a right to its port", "a right to its port, which is made now"


def not_if(*titles: str) -> Change:
    """Cases are dropped."""
    return lambda k, case: iter([] if case.title in titles else [case])


def keeping(title: str, *fields: str) -> Change:
    """The case leaves these fields of the caller as they were."""

    def keep(k: Context, after: After) -> None:
        for field in fields:
            after.at(field)[k.caller] = k.before.fields[field](k.caller)

    return then(title, keep)


def setting(title: str, field: str, value: Callable[[State, Term], Term]) -> Change:
    """The case also sets this field of the caller's."""

    def more(k: Context, after: After) -> None:
        after.at(field)[k.caller] = value(State(after.sorts, after.fields), k.caller)

    return then(title, more)


def host(port: str) -> Callable[[Context, After], None]:
    """The caller gets this host port, whoever it is."""
    return lambda k, after: set_host(after, k.caller, getattr(k.sorts, port))


def others_too(k: Context, after: After) -> None:
    """Whoever the caller may control becomes root."""
    other = z3.Const("another_task", k.sorts.Task)
    after.at("effective_user")[other] = z3.IntVal(0)


def others_tokens(k: Context, after: After) -> None:
    """Another task gets the caller's security token."""
    after.at("security")[z3.Const("another_task", k.sorts.Task)] = k.before.security(k.caller)


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        *[(rule, SETS, 220, without(ReturnCode.EPERM)) for rule in ("setuid", "setreuid", "setgid", "setregid", "setgroups", "initgroups")],
        ("setgroups", SETS, 220, keeping(SETS, "effective_group")),
        ("setgroups", SETS, 220, setting(SETS, "saved_group", lambda s, task: s.effective_group(task))),
        ("setgroups", SETS, 221, keeping(SETS, "member_user")),
        ("initgroups", SETS, 221, keeping(SETS, "member_user")),
        ("initgroups", SETS, 221, setting(SETS, "member_user", lambda s, task: s.effective_user(task))),
        ("initgroups", SETS, 142, keeping(SETS, "security")),
        ("getaudit_addr", TOLD, 224, telling(TOLD, session=lambda k: z3.IntVal(0))),
        ("getaudit_addr", TOLD, 224, telling(TOLD, audit_user=lambda k: k.before.effective_user(k.caller))),
        *[(rule, SETS_ONE, 220, without(ReturnCode.EPERM)) for rule in ("seteuid", "setegid")],
        ("setuid", SETS, 220, keeping(SETS, "saved_user")),
        ("setuid", SETS, 220, keeping(SETS, "has_changed_ids")),
        ("setreuid", SETS, 220, keeping(SETS, "saved_user")),
        ("setregid", SETS, 220, setting(SETS, "saved_group", lambda s, task: s.real_group(task))),
        ("seteuid", SETS_ONE, 220, keeping(SETS_ONE, "effective_user")),
        ("seteuid", SETS_ONE, 220, setting(SETS_ONE, "real_user", lambda s, task: s.effective_user(task))),
        ("seteuid", SETS_ONE, 220, then(SETS_ONE, others_too)),
        ("setuid", SETS, 221, keeping(SETS, "member_user")),
        ("setuid", SETS, 221, setting(SETS, "member_user", lambda s, task: s.effective_user(task))),
        ("setegid", SETS_ONE, 221, keeping(SETS_ONE, "member_user")),
        ("setuid", SETS, 222, setting(SETS, "pid", lambda s, task: s.effective_user(task))),
        ("setuid", SETS, 222, setting(SETS, "session", lambda s, task: s.effective_user(task))),
        ("setuid", SETS, 222, setting(SETS, "pid_version", lambda s, task: s.pid_version(task) - 1)),
        ("seteuid", SETS_ONE, 142, keeping(SETS_ONE, "security")),
        ("seteuid", SETS_ONE, 142, keeping(SETS_ONE, "audit")),
        ("seteuid", SETS_ONE, 145, then(SETS_ONE, host("host_port"))),
        ("seteuid", SETS_ONE, 145, then(SETS_ONE, host("host_priv_port"))),
        ("seteuid", SETS_ONE, 33, then(SETS_ONE, host("host_priv_port"))),
        ("seteuid", SETS_ONE, "T4", then(SETS_ONE, others_too)),
        ("seteuid", SETS_ONE, 29, then(SETS_ONE, others_tokens)),
        ("seteuid", SETS_ONE, "T2", without(ReturnCode.EPERM)),
        ("seteuid", SETS_ONE, 22, then(SETS_ONE, host("host_priv_port"))),
        ("setuid", SETS, 141, setting(SETS, "pid", lambda s, task: z3.IntVal(1))),
        ("setuid", SETS, 143, setting(SETS, "pid_version", lambda s, task: s.pid_versions())),
        ("setuid", STAYS, 201, setting(STAYS, "has_changed_ids", lambda s, task: z3.BoolVal(False))),
        ("issetugid", "they have changed", 224, telling("they have changed", changed=lambda k: z3.IntVal(0))),
        ("pid_for_task", "its pid", 224, not_if("no process is behind the task")),
        ("pid_for_task", "its pid", 224, telling("its pid", pid=lambda k: k.before.pid(k.caller))),
    ],
)
def test_a_wrong_identity_is_seen(rule: str, title: str, number: int | str, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU)


# ---- ports by pid


def allowing(*, users: bool = True, groups: bool = True, mark: bool = True) -> Callable[[by_pid._Wanted, Term], Term]:
    """Who may control a process, if some of it isn't looked at."""

    def may_control(wanted: by_pid._Wanted, task: Term) -> Term:
        b, caller = wanted.k.before, wanted.k.caller
        which = ("real", "effective", "saved") if users else ("real", "effective")
        tests = [b.fields[f"{each}_user"](task) == b.effective_user(caller) for each in which]
        own = [b.fields[f"{each}_group"](caller) for each in ("real", "effective", "saved")]
        tests += [z3.Or(*[b.fields[f"{each}_group"](task) == group for group in own]) for each in ("real", "effective", "saved")] if groups else []
        tests += [z3.Not(b.has_changed_ids(task))] if mark else []
        return z3.Or(is_root(b, caller), task == caller, z3.And(has_process(b, caller), *tests))

    return may_control


@pytest.mark.parametrize("rule", ["task_for_pid", "task_inspect_for_pid", "task_read_for_pid"])
@pytest.mark.parametrize("left_out", ["users", "groups", "mark"])
def test_who_may_control_a_process_is_seen(monkeypatch: pytest.MonkeyPatch, rule: str, left_out: str) -> None:
    """Of the users, the saved one isn't looked at."""
    assert seen(rule, GIVES, (223,), lambda k, case: iter([case]), profile=XNU) == set()
    monkeypatch.setattr(by_pid._Wanted, "_may_control", allowing())
    assert seen(rule, GIVES, (223,), lambda k, case: iter([case]), profile=XNU) == set()
    may = allowing(**{left_out: False})

    def wrong(k: Context, case: Case) -> Iterator[Case]:
        if case.title == "the caller may not control the process":
            wanted = by_pid._Wanted(k, k["pid"], k["found"], k["reply_message"])
            case = replace(case, when=wanted.some(lambda task: z3.Not(may(wanted, task))))
        yield case

    assert seen(rule, GIVES, (223,), wrong, profile=XNU)


def kernels_own(k: Context, after: After) -> None:
    """The caller also gets what is in its place for the host port."""
    clone(after, place_slot(after, k.caller, Place.HOST), k.sorts.Slot.body_slot(k["reply_message"], z3.IntVal(0)))


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        ("task_for_pid", GIVES, 223, not_if("the caller may not control the process")),
        ("task_for_pid", GIVES, 22, not_if("the caller may not control the process")),
        ("task_for_pid", GIVES, "T2", not_if("the caller may not control the process")),
        ("task_for_pid", GIVES, 223, not_if("target_tport is not a task's port")),
        ("task_for_pid", GIVES, 223, not_if("the access port is dead")),
        ("task_for_pid", GIVES, 223, not_if("no server answers at the access port")),
        ("task_for_pid", GIVES, 223, then(GIVES, kernels_own)),
        ("task_name_for_pid", GIVES, 223, not_if("the caller is another user")),
        ("task_name_for_pid", MAKES, 223, not_if("target_tport is not a task's port")),
        ("task_read_for_pid", MAKES, 223, not_if("the caller may not control the process")),
    ],
)
def test_a_port_that_is_given_to_others_is_seen(rule: str, title: str, number: int | str, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU)


TOKEN, MAKES_TOKEN, BY_TOKEN = "a right to a new token", "task_create_identity_token", "task_identity_token_get_task_port"
CONTROL_PORT, WEAKER_PORT = "a right to the control port", "a right to a weaker port"


def of_token(field: str, value: Callable[[Context], Term]) -> Change:
    """The new token has another value in this field."""

    def more(k: Context, after: After) -> None:
        after.at(field)[k["new_port"]] = value(k)

    return then(TOKEN, more)


def finds(pid: bool = True, version: bool = True, running: bool = True) -> Callable[[State, Term, Term], Term]:
    """What runs a token's image, if some of it isn't looked at."""

    def runs(state: State, task: Term, token: Term) -> Term:
        tests = [state.process(task) == PROCESS.RUNNING] if running else [has_process(state, task), state.alive(task)]
        tests += [state.pid(task) == state.image_pid(token)] if pid else []
        return z3.And(*tests, *([state.pid_version(task) == state.image_version(token)] if version else []))

    return runs


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        (MAKES_TOKEN, TOKEN, 227, not_if("task is not a task's port")),
        (MAKES_TOKEN, TOKEN, 227, of_token("image_pid", lambda k: k.before.pid(k.caller))),
        (MAKES_TOKEN, TOKEN, 227, of_token("image_version", lambda k: k.before.pid_version(k.caller))),
        (MAKES_TOKEN, TOKEN, 150, of_token("image_version", lambda k: k.before.pid_versions())),
        (MAKES_TOKEN, TOKEN, 150, of_token("object_task", lambda k: k.caller)),
        (MAKES_TOKEN, TOKEN, "T2", of_token("image_version", lambda k: k.before.pid_version(k.sorts.first_task))),
        (BY_TOKEN, CONTROL_PORT, 227, not_if("token is not a task identity token")),
        (BY_TOKEN, WEAKER_PORT, 227, not_if("the flavour is unknown")),
        (BY_TOKEN, CONTROL_PORT, "choices", not_if("no living process runs the image")),
        (BY_TOKEN, CONTROL_PORT, 227, then(CONTROL_PORT, kernels_own)),
    ],
)
def test_a_wrong_token_is_seen(rule: str, title: str, number: int | str, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU)


@pytest.mark.parametrize(("number", "left_out"), [(227, "version"), (227, "pid"), (22, "version"), ("T2", "version"), (227, "running")])
def test_a_token_that_finds_another_image_is_seen(monkeypatch: pytest.MonkeyPatch, number: int | str, left_out: str) -> None:
    """The pid alone denotes a later image, too, and the version alone another process's. A shadow isn't the process."""
    titles = [case.title for case in RULES[BY_TOKEN].cases(Context(RULES[BY_TOKEN], State.arbitrary(UNBOUNDED), XNU))]
    part = ProofTask("case", BY_TOKEN, titles.index(CONTROL_PORT), (number,))
    assert not_proved(decide(XNU.name, part)) == set()
    monkeypatch.setattr(identity_tokens, "runs_image", finds(**{left_out: False}))
    assert not_proved(decide(XNU.name, part))


@pytest.mark.parametrize("rule", ["task_for_pid", "task_name_for_pid"])
def test_a_kernel_that_chooses_any_process_has_no_choice_to_show(rule: str) -> None:
    """If the test whether there is such a process is left out, the kernel may have none to choose."""
    assert seen(rule, GIVES, ("choices",), not_if("no living process has the pid"), profile=XNU)


@pytest.mark.parametrize("rule", ["issetugid", "pid_for_task", "task_for_pid"])
def test_a_call_that_depends_on_a_session_of_others_is_seen(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """Theorem 4: no call tells of another process's audit session."""

    def if_the_first_has_this_one(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, when=z3.And(case.when, k.before.session(k.sorts.first_task) == 1))

    part = ProofTask("rule", rule, 0, ("T4",))
    assert not_proved(decide(XNU.name, part)) == set()
    monkeypatch.setitem(RULES, rule, mutant(rule, if_the_first_has_this_one))
    assert not_proved(decide(XNU.name, part)) == {"theorem 4"}


OF_CLIENTS = load_policy(EXAMPLES / "clients.toml")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("rule", "title", "change"),
    [
        ("seteuid", SETS_ONE, without(ReturnCode.EPERM)),
        ("task_for_pid", GIVES, not_if("the caller may not control the process")),
    ],
)
def test_a_policy_is_kept_until_users_mix(monkeypatch: pytest.MonkeyPatch, rule: str, title: str, change: Change) -> None:
    """Labels that may not control each other have no user in common, and get no port of each other's by a pid."""
    assert decided(OF_CLIENTS, rule, title, XNU).obligation.verdict is Verdict.PROVED
    monkeypatch.setitem(RULES, rule, mutant(rule, change))
    assert decided(OF_CLIENTS, rule, title, XNU).obligation.verdict is not Verdict.PROVED
