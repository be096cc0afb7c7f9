"""Mutants of the rules about audit sessions: which property sees that a test, a session or a token is forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.mutants import Change, quick, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.kernel.profiles import XNU
from sendright.model.language.rule import Context
from sendright.model.language.sorts import Term
from sendright.model.language.state import After

SET, STAYS, ENTERS, NEW = (
    "the session has this audit user",
    "the process is in the session already",
    "the process enters the session of this number",
    "the process enters a new session",
)
OTHER = "the session has another audit user"


def not_if(title: str) -> Change:
    """A case is dropped."""
    return lambda k, case: iter([] if case.title == title else [case])


def setting(title: str, field: str, point: Callable[[Context], Term], value: Callable[[Context], Term]) -> Change:
    """The case also sets this field at a point."""

    def more(k: Context, after: After) -> None:
        after.at(field)[point(k)] = value(k)

    return then(title, more)


def caller(k: Context) -> Term:
    return k.caller


def own(k: Context) -> Term:
    return k.before.session(k.caller)


@pytest.mark.parametrize(
    ("rule", "title", "number", "change"),
    [
        ("setauid", SET, 228, not_if(OTHER)),
        ("setauid", SET, 228, not_if("the caller isn't root")),
        ("setauid", SET, 151, not_if(OTHER)),
        ("setauid", SET, 228, setting(SET, "session_user", own, lambda k: k["auid"] + 1)),
        ("setauid", SET, 228, setting(SET, "session_user", lambda k: own(k) + 1, lambda k: k["auid"])),
        ("setauid", SET, 201, setting(SET, "session_user", lambda k: own(k) + 1, lambda k: k["auid"])),
        ("setauid", SET, 142, setting(SET, "audit_user", caller, lambda k: k["auid"])),
        ("setauid", SET, 222, setting(SET, "session", caller, lambda k: own(k) + 1)),
        ("setaudit_addr", ENTERS, 228, not_if(OTHER)),
        ("setaudit_addr", ENTERS, 228, not_if("the caller isn't root")),
        ("setaudit_addr", STAYS, 228, not_if(OTHER)),
        ("setaudit_addr", STAYS, 142, setting(STAYS, "audit_user", caller, lambda k: k["audit_user"])),
        ("setaudit_addr", ENTERS, 142, setting(ENTERS, "session", caller, own)),
        ("setaudit_addr", ENTERS, 222, setting(ENTERS, "pid", caller, lambda k: k["session"])),
        ("setaudit_addr", ENTERS, 151, setting(ENTERS, "session", caller, lambda k: k["session"] - k["session"])),
        ("setaudit_addr", NEW, 228, setting(NEW, "session_user", lambda k: k["new_session"], lambda k: k["session"])),
        ("setaudit_addr", NEW, 228, setting(NEW, "session", caller, own)),
    ],
)
def test_a_wrong_session_is_seen(rule: str, title: str, number: int, change: Change) -> None:
    assert seen(rule, title, (number,), change, profile=XNU)
