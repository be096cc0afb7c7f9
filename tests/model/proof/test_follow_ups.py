"""Between the rules of a row: follow-up rules, their end, and what they leave alone. Each is broken by a wrong rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import z3
from support.mutants import Change, mutant, quick, then  # noqa: F401 - quick is a fixture

from sendright.mach.kernel.profiles import MANUAL, XNU
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.actions import put
from sendright.model.language.rule import COPY_IN, DELIVER, PENDING_RULES, RULES, TAKE, Case, Context, Rule, rule
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import KIND, LIFE, OBJECT, STAGE, Term
from sendright.model.language.state import After
from sendright.model.proof.follow_ups import follow_up_rules, may_leave
from sendright.model.proof.obligations import ProofTask, decide

_, NO_SENDERS, RESCUE, REQUEST, _ = PENDING_RULES


def missed(part: ProofTask) -> set[str]:
    """The titles of what isn't proved."""
    return {one.case.partition("; ")[2] for one in decide("manual", part) if one.verdict is not Verdict.PROVED}


@cache
def nothing_missed(part: ProofTask) -> bool:
    """All is proved of the rules as they are."""
    return missed(part) == set()


def missed_of(part: ProofTask, of: str, changed: Rule) -> set[str]:
    """The same, when the rule ``of`` is ``changed``; as it is, all is proved."""
    assert nothing_missed(part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, of, changed)
        return missed(part)


def changed(name: str, more: Change) -> set[str]:
    return missed_of(ProofTask("follow-up", name), name, mutant(name, more))


def test_the_rules_for_pending_work_are_those_that_say_so() -> None:
    assert sorted(follow_up_rules(XNU)) == sorted(PENDING_RULES)
    assert not {each for call in ("mach_msg_send", "mach_msg_receive") for each in rules_of(call)} & set(PENDING_RULES)
    with pytest.raises(TypeError, match="a rule is pending if PENDING_RULES says when it runs"):

        @rule("work of which nobody knows", pending=True)
        def unknown(k: Context) -> Iterator[Case]:
            yield k.continues("", z3.BoolVal(True))


# ---- quiescence


def test_work_that_no_rule_does() -> None:
    """No-senders notifications wait until their count is 5."""

    def late(k: Context) -> list[Term]:
        return [k.before.no_senders_due(k["of"]) > 5]

    found = missed_of(ProofTask("follow-up"), NO_SENDERS, replace(RULES[NO_SENDERS], requires=late))
    assert found == {"nothing is left to do"}


def test_a_first_rule_that_relies_on_others() -> None:
    needy = replace(RULES["mach_task_self"], requires=lambda k: [k.before.active(k.sorts.no_port)])
    assert missed_of(ProofTask("follow-up"), "mach_task_self", needy) == {"it requires nothing of earlier rules"}


# ---- an end


@pytest.mark.heavy
def test_a_request_that_fires_for_ever() -> None:
    title = "the name is gone, and the requester's port is dead"

    def again(k: Context, after: After) -> None:
        put(after, k.sorts.Slot.request_slot(k["space"], k["name"]), KIND.DEAD_NAME, k.sorts.no_port)

    assert changed(REQUEST, then(title, again)) == {"a port ends, or a request is used up"}


@pytest.mark.heavy
def test_a_notification_that_makes_a_request() -> None:
    title = "no-senders"

    def more(k: Context, after: After) -> None:
        put(after, k.sorts.Slot.request_slot(k.caller, k.sorts.null), KIND.DEAD_NAME, k.sorts.no_port)

    assert changed(NO_SENDERS, then(title, more)) == {"unless a port ends, it makes no request"}


@pytest.mark.heavy
def test_a_notification_that_makes_a_port() -> None:
    title = "no-senders"

    def revive(k: Context, after: After) -> None:
        after.at("port_life")[z3.Const("some", k.sorts.Port)] = LIFE.ALIVE

    assert "it makes no port" in changed(NO_SENDERS, then(title, revive))


# ---- what they leave alone


def test_a_notification_that_suspends_a_caller() -> None:
    title = "port-deleted"
    change = then(title, lambda k, after: after.add("suspend_count", k["space"], 1))
    assert changed(REQUEST, change) == {"callers live on, run and wait as before"}


@pytest.mark.heavy
def test_a_notification_that_takes_a_message_from_a_call() -> None:
    title = "no-senders"
    taken = then(title, lambda k, after: after.store("stage", (z3.Const("some", k.sorts.Message),), STAGE.FREE))
    assert "messages in the kernel stay there, and what is empty in them stays empty" in changed(NO_SENDERS, taken)


@pytest.mark.heavy
def test_a_destination_that_dies_before_it_is_needed() -> None:
    """Copying in a right leaves the receive right of a user's port in limbo. If it is rescued, the destination may
    die.
    """
    title = "COPY_SEND copies the send right"

    def to_limbo(k: Context, after: After) -> None:
        port = z3.Const("some", k.sorts.Port)
        after.assumptions.append(k.before.object(port) == OBJECT.OBJECT_NONE)
        put(after, k.sorts.Slot.limbo_slot(port), KIND.RECEIVE, port)

    careless = mutant(COPY_IN, then(title, to_limbo))
    assert RESCUE not in may_leave(COPY_IN, MANUAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, COPY_IN, careless)
        assert RESCUE in may_leave(COPY_IN, MANUAL)
        assert f"what {DELIVER} requires stays" in missed(ProofTask("follow-up", RESCUE))


def test_a_caller_that_is_suspended_before_its_next_rule() -> None:
    title = "a clone of the self port"
    change = then(title, lambda k, after: after.add("suspend_count", k.caller, 1))
    found = missed_of(ProofTask("sequence", "mach_task_self"), "mach_task_self", mutant("mach_task_self", change))
    assert "copy out a right: what it requires" in found


@pytest.mark.heavy
def test_a_caller_that_dies_before_its_next_rule() -> None:
    title = "the oldest message"
    change = then(title, lambda k, after: after.store("task_life", (k.caller,), LIFE.ENDED))
    found = missed_of(ProofTask("sequence", TAKE), TAKE, mutant(TAKE, change))
    assert "copy out a right: what it requires" in found


@pytest.mark.heavy
def test_a_right_that_is_copied_by_a_task_that_stops() -> None:
    title = "COPY_SEND copies the send right"
    change = then(title, lambda k, after: after.add("suspend_count", k.caller, 1))
    assert missed_of(ProofTask("sequence", COPY_IN), COPY_IN, mutant(COPY_IN, change)) >= {"the other rights of the message stay"}


@pytest.mark.heavy
def test_an_answer_whose_message_a_rescue_destroys() -> None:
    """The rule that follows a delivery to the kernel is one between which and it all follow-up rules may run."""
    title = "the requester's port is dead, or on its way to this port: this port dies"
    change = then(title, lambda k, after: after.store("stage", (z3.Const("some", k.sorts.Message),), STAGE.FREE))
    found = missed_of(ProofTask("sequence", DELIVER), RESCUE, mutant(RESCUE, change))
    assert any(words.endswith("what mach_msg_send: kernel's answer requires stays") for words in found)
