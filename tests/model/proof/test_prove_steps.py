"""Proofs about calls in steps, and mutants of their rules: what a mistake in each step breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import z3
from support.specification import little_effort, titles

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import MANUAL, XNU_792, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.model.calls.special_ports import in_hand
from sendright.model.language.actions import clear, drop_held_send, make_send, place_slot
from sendright.model.language.rule import CREATION_RESUMED, RULES, SETTING_RESUMED, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import PLACE, WAIT, Scope, Sorts
from sendright.model.language.state import After
from sendright.model.proof.counterexamples import refute as refuter
from sendright.model.proof.obligations import ProofTask, decide_case

CREATE, SET = "host_security_create_task_token", "task_set_special_port"
KEPT, GIVEN_UP = "the right is kept, and the stopped call holds the old one", "the old right is given up"
STOPPED, GETS_TOKENS = "a child with its parent's tokens; the call stops", "the child gets its tokens"

Wrong = Callable[[Context, After], None]


@pytest.fixture(autouse=True)
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))


def not_proved(profile: Profile, rule: str, title: str, *only: int) -> set[str]:
    part = ProofTask("case", rule, titles(rule, profile).index(title), only or None)
    return {found.property for found in decide_case(profile, part) if found.verdict is not Verdict.PROVED}


def test_a_setting_in_steps_keeps_everything() -> None:
    assert not_proved(MANUAL, SET, KEPT) == set()
    assert not_proved(MANUAL, SETTING_RESUMED, GIVEN_UP) == set()


def test_a_creation_goes_on_and_keeps_everything() -> None:
    assert not_proved(XNU_792, CREATION_RESUMED, GETS_TOKENS) == set()
    assert not_proved(XNU_792, CREATION_RESUMED, "the child has ended: the result is dead") == set()


def test_a_call_that_fails_gives_no_host_port() -> None:
    for rule in (CREATE, "host_security_set_task_token"):
        assert not_proved(XNU_792, rule, titles(rule, XNU_792)[0], 33, 34) == set()


def test_a_creation_has_a_second_step_where_the_profile_says_so() -> None:
    assert CREATION_RESUMED in rules_of(CREATE, XNU_792)
    assert CREATION_RESUMED not in rules_of(CREATE, MANUAL)
    assert CREATION_RESUMED in rules_of(CREATE)
    assert STOPPED not in titles(CREATE, MANUAL)


def forgets_to_release(k: Context, after: After) -> None:
    after.at("wait")[k.caller] = WAIT.NOTHING


def does_not_go_on(k: Context, after: After) -> None:
    drop_held_send(after, in_hand(k))


def releases_uncounted(k: Context, after: After) -> None:
    clear(after, in_hand(k))
    after.at("wait")[k.caller] = WAIT.NOTHING


def leaves_the_old_right_there(k: Context, after: After) -> None:
    """The seeded fault: what is there is released in the second step, and replaced only then."""
    after.at("wait")[k.caller] = WAIT.SETTING


def lets_another_task_wait(k: Context, after: After) -> None:
    after.at("wait")[k.task_behind(k["task"])] = WAIT.RECEIVING


def gives_the_callers_tokens(k: Context, after: After) -> None:
    _gives(k, after, k.before.security(k.caller))


def gives_them_to_the_caller(k: Context, after: After) -> None:
    after.at("wait")[k.caller] = WAIT.NOTHING
    after.at("security")[k.caller] = k.before.waits_security(k.caller)


def gives_any_host_port(k: Context, after: After) -> None:
    """Whatever port the caller's own self place holds."""
    _gives(k, after, k.before.waits_security(k.caller))
    make_send(after, place_slot(after, k.before.waits_child(k.caller), Place.HOST), k.before.task_port(k.caller))


def _gives(k: Context, after: After, security: z3.ExprRef) -> None:
    after.at("wait")[k.caller] = WAIT.NOTHING
    after.at("security")[k.before.waits_child(k.caller)] = security
    after.at("audit")[k.before.waits_child(k.caller)] = k.before.waits_audit(k.caller)


def asks_for_its_own_tokens(k: Context, after: After) -> None:
    _stops(k, after)
    after.at("waits_security")[k.caller] = k.before.security(k.caller)


def will_give_them_to_the_parent(k: Context, after: After) -> None:
    _stops(k, after)
    after.at("waits_child")[k.caller] = k.task_behind(k["parent_task"])


def _stops(k: Context, after: After) -> None:
    after.at("wait")[k.caller] = WAIT.CREATING
    after.at("waits_security")[k.caller], after.at("waits_audit")[k.caller] = k["security_token"], k["audit_token"]
    after.at("waits_host")[k.caller] = k.sorts.host_port


MUTANTS = [
    (MANUAL, SETTING_RESUMED, GIVEN_UP, forgets_to_release, (122,), "invariant 122"),
    (MANUAL, SETTING_RESUMED, GIVEN_UP, does_not_go_on, (124,), "step invariant 124"),
    (MANUAL, SETTING_RESUMED, GIVEN_UP, releases_uncounted, (8,), "invariant 8"),
    (MANUAL, SET, KEPT, leaves_the_old_right_there, (109,), "step invariant 109"),
    (MANUAL, SET, KEPT, lets_another_task_wait, (124,), "step invariant 124"),
    (XNU_792, CREATION_RESUMED, GETS_TOKENS, gives_the_callers_tokens, (29,), "step invariant 29"),
    (XNU_792, CREATION_RESUMED, GETS_TOKENS, gives_them_to_the_caller, (29,), "step invariant 29"),
    (XNU_792, CREATION_RESUMED, GETS_TOKENS, gives_any_host_port, (22,), "step invariant 22"),
    (XNU_792, CREATE, STOPPED, asks_for_its_own_tokens, (29,), "step invariant 29"),
    (XNU_792, CREATE, STOPPED, will_give_them_to_the_parent, (29,), "step invariant 29"),
]


@pytest.mark.parametrize(
    ("profile", "rule", "title", "wrong", "only", "broken"),
    [pytest.param(*mutant, id=mutant[3].__name__, marks=[pytest.mark.heavy] if mutant[3] is gives_any_host_port else []) for mutant in MUTANTS],
)
def test_a_mistake_is_seen(
    monkeypatch: pytest.MonkeyPatch, profile: Profile, rule: str, title: str, wrong: Wrong, only: tuple[int, ...], broken: str
) -> None:
    little_effort(monkeypatch)
    assert not_proved(profile, rule, title, *only) == set()
    original = RULES[rule]

    def cases(k: Context) -> object:
        return (replace(case, effect=lambda after: wrong(k, after)) if case.title == title else case for case in original.cases(k))

    monkeypatch.setitem(RULES, rule, replace(original, cases=cases))  # type: ignore[arg-type]
    assert broken in not_proved(profile, rule, title, *only)


def test_a_scope_has_the_places_that_it_says() -> None:
    sorts = Sorts(Scope(tasks=1, places=(Place.HOST,)))
    assert list(sorts.elements(PLACE.sort)) == [PLACE.of(Place.HOST), PLACE.PLACE_IN_HAND]
    assert sum(sorts.Slot.constructor(1).name() == slot.decl().name() for slot in sorts.elements(sorts.Slot)) == 2
