"""Two profiles compared, rule by rule: what is the same is proved, and what differs has a state."""

from __future__ import annotations

import msgspec
import pytest

from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.rule import RULES
from sendright.model.proof.equal_rules import compared_calls, compared_rules, decide_rule


def verdicts(first: Profile, second: Profile, rule: str) -> dict[str, Verdict]:
    return {one.case: one.verdict for one in decide_rule(first.name, second.name, rule)}


def test_a_profile_is_the_same_as_itself_in_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same switches under another name, nothing is left to ask."""
    for profile in (MANUAL, XNU):
        twin = msgspec.structs.replace(profile, name="twin")
        monkeypatch.setitem(PROFILES, "twin", twin)
        calls, alone, others = compared_calls(profile, twin)
        assert (alone, others) == ([], [])
        for rule in compared_rules(profile, twin, calls):
            for one in decide_rule(profile.name, "twin", rule):
                assert (one.verdict, one.basis.name) == (Verdict.PROVED, "UNTOUCHED"), one.case


def test_what_differs_has_a_state_in_which_it_does() -> None:
    found = {one.case: one for one in decide_rule("osf", "gnumach", "mach_port_allocate_name")}
    refuted = {case: one.title.partition(": ")[2] for case, one in found.items() if one.verdict is Verdict.REFUTED}
    short, other_name = "KERN_RESOURCE_SHORTAGE/the kernel is out of memory", "KERN_SUCCESS/a dead name, under another name than requested"
    assert refuted.keys() == {short, other_name}
    assert refuted[short] == "in gnumach, KERN_NAME_EXISTS: the name is in use"
    assert all(one.verdict is Verdict.PROVED for case, one in found.items() if case not in refuted)
    example = found[short].example
    assert example is not None
    [step] = example.trace.steps
    assert step.arguments["name"] in example.trace.initial.tasks[step.task].names, "the name is in use"


@pytest.mark.heavy
def test_a_difference_of_results() -> None:
    assert verdicts(MANUAL, OSF, "mach_msg_receive: take")["MACH_RCV_TOO_LARGE/the message is too large, and is destroyed"] is Verdict.REFUTED
    assert set(verdicts(MANUAL, OSF, "mach_port_type").values()) == {Verdict.PROVED}


@pytest.mark.heavy
def test_a_difference_of_effects() -> None:
    """A name that loses a redirected RECEIVE keeps SEND or becomes a dead name: hazard H-8."""
    rule = "mach_port_mod_refs"
    found = {one.case: one for one in decide_rule("manual", "gnumach", rule)}
    differ = {case: one.title for case, one in found.items() if one.verdict is Verdict.REFUTED}
    assert differ
    assert any(title.partition(": ")[2] in ("kind after it", "port after it", "urefs after it") for title in differ.values()), differ


@pytest.mark.heavy
def test_tests_in_another_order_are_compared_by_what_they_answer() -> None:
    """The two test the header in different orders: most cases differ in some state, and the first test doesn't."""
    found = verdicts(XNU_792, XNU, "mach_msg_send")
    assert found["MACH_SEND_MSG_TOO_SMALL/the size is too small, or not a multiple of 4"] is Verdict.PROVED
    assert Verdict.REFUTED in found.values()


def test_calls_that_only_one_serves() -> None:
    both, osf, gnumach = compared_calls(OSF, GNUMACH)
    assert "host_security_create_task_token" in osf
    assert "ledger_create" in osf
    assert gnumach == [call for call in SIGNATURES if GNUMACH.serves(call) and not OSF.serves(call)]
    assert set(compared_rules(OSF, GNUMACH, both)) <= set(RULES)
