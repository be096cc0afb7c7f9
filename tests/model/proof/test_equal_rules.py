"""Two profiles compared, rule by rule: what is the same is proved, and what differs has a state."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
import z3

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, XNU, XNU_792, Profile
from sendright.mach.kernel.unmodelled import unmodelled_ranges
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.execution import consequences, system, told_results
from sendright.model.execution.kernel_choices import switches_that_choose
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.system import System
from sendright.model.language.rule import COPY_IN, DELIVER, DESTROY, RULES, Case, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.state import FIELDS, After
from sendright.model.proof import unseen
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.equal_rules import arguments_modelled, compared_calls, compared_rules, decide_rule, steps_of
from sendright.model.proof.obligations import AnyCase, CaseProof
from sendright.model.proof.unseen import switches_read_by, unseen_difference
from sendright.properties import check as checking


def verdicts(first: Profile, second: Profile, rule: str) -> dict[str, Verdict]:
    return {one.case: one.verdict for one in decide_rule(first.name, second.name, rule)}


@pytest.mark.heavy
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


@pytest.mark.heavy
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
    fields = {f"another state after it: {FIELDS[name].about}" for name in ("kind", "port", "urefs")}
    assert any(title.partition(": ")[2] in fields for title in differ.values()), differ


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


# ---- what must not be called the same


class Twin:
    """The manual's profile under another name, and rules that have other cases in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **switches: Any) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.setitem(PROFILES, "twin", msgspec.structs.replace(MANUAL, name="twin", **switches))

    def has(self, rule: str, change: Callable[[Context, list[Case]], list[Case]]) -> None:
        """In the twin, ``change`` is made to the rule's cases."""
        original = RULES[rule]

        def cases(k: Context) -> Iterator[Case]:
            found = list(original.cases(k))
            return iter(change(k, found) if k.profile.name == "twin" else found)

        self._monkeypatch.setitem(RULES, rule, replace(original, cases=cases))


def then(case: Case, more: Callable[[After], None]) -> Case:
    """The case, and after its effect ``more``."""

    def effect(after: After) -> None:
        case.effect(after)
        more(after)

    return replace(case, effect=effect)


def different(first: str, second: str, rule: str) -> dict[str, tuple[str, str]]:
    """The cases that aren't proved to be the same: the verdict and the words of each."""
    found = decide_rule(first, second, rule)
    return {one.case: (one.verdict.value, one.title.partition(": ")[2]) for one in found if one.verdict is not Verdict.PROVED}


@pytest.mark.heavy
def test_another_place_in_the_queue_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtakes(k: Context, cases: list[Case]) -> list[Case]:
        def earlier(after: After) -> None:
            after.store("arrival", (k["message"],), k.before.clock() - 1)

        return [then(case, earlier) if queues(k, case) else case for case in cases]

    def queues(k: Context, case: Case) -> bool:
        after = After(k.before, k.profile)
        case.effect(after)
        return after.changed("queue") and not after.releases

    Twin(monkeypatch).has(DELIVER, overtakes)
    found = different("manual", "twin", DELIVER)
    assert found
    assert {words for _, words in found.values()} == {f"another state after it: {FIELDS['arrival'].about}"}


@pytest.mark.heavy
def test_a_kernel_without_a_case_for_some_state_isnt_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    Twin(monkeypatch).has("mach_port_type", lambda k, cases: cases[:-1])
    last = list(RULES["mach_port_type"].cases(Context(RULES["mach_port_type"], ANY_STATE, MANUAL)))[-1]
    assert different("manual", "twin", "mach_port_type") == {last.id: ("REFUTED", "in twin, no case applies")}
    assert different("twin", "manual", "mach_port_type") == {}, "in the states in which the twin has a case, the manual has the same"


@pytest.mark.heavy
def test_choices_are_compared_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    def chooses_less(k: Context, cases: list[Case]) -> list[Case]:
        return [*cases[:-1], then(cases[-1], lambda after: after.assumptions.append(k["new_name"] != k["task"]))]

    Twin(monkeypatch).has("mach_port_allocate", chooses_less)
    assert {words for _, words in different("manual", "twin", "mach_port_allocate").values()} == {"twin can't make every choice that manual can"}
    assert {words for _, words in different("twin", "manual", "mach_port_allocate").values()} == {"manual can make choices that twin can't"}


OF_ORDER = [name for name in switches_read_by(consequences) if name != "circular_rescue_is_silent"]


def test_a_switch_of_the_order_without_effect_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places don't end in these calls, and what ends in a message's destruction comes last in any case."""
    Twin(monkeypatch, places_end_first=False, ledger_places_end_last=True)
    assert different("manual", "twin", "mach_port_mod_refs") == {}
    Twin(monkeypatch, queue_ends_whole=True)
    for rule in (DESTROY, "mach_port_type"):
        assert different("manual", "twin", rule) == {}, rule


@pytest.mark.heavy
@pytest.mark.parametrize("switch", OF_ORDER)
def test_a_switch_of_the_order_with_effect_has_a_state(monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    Twin(monkeypatch, **{switch: not getattr(MANUAL, switch)})
    words = f"the order of consequences differs by the switch {switch}"
    assert different("manual", "twin", "task_terminate") == {"KERN_SUCCESS/the task ends": ("REFUTED", words)}


@pytest.mark.heavy
def test_a_port_that_dies_with_its_queue_has_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    Twin(monkeypatch, queue_ends_whole=True)
    found = {one.case: one for one in decide_rule("manual", "twin", "mach_port_mod_refs") if one.verdict is not Verdict.PROVED}
    [refuted] = found.values()
    assert refuted.verdict is Verdict.REFUTED
    assert refuted.example is not None
    state = refuted.example.trace.initial
    [dying] = [port for number, port in state.ports.items() if number not in refuted.example.trace.final.ports]
    assert dying.queue
    assert dying.no_senders.kind


def test_a_switch_that_nothing_is_known_of_may_have_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "_no_effect", lambda switch, first, second: None)
    monkeypatch.setattr(unseen, "_EFFECT", {})
    Twin(monkeypatch, places_end_first=False)
    found = different("manual", "twin", "mach_port_mod_refs")
    assert found
    assert set(found.values()) == {("UNDETERMINED", "the order of consequences differs by the switch places_end_first")}


def test_another_choice_isnt_called_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    Twin(monkeypatch, requests_grow_by_half=True)
    found = different("manual", "twin", "mach_port_request_notification")
    assert found == {"CONTINUES/dead-name is registered": ("UNDETERMINED", "what the kernel chooses differs by the switch requests_grow_by_half")}


@pytest.mark.heavy
def test_what_is_proved_to_have_no_effect_has_none_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random runs in which each release is ordered by the profile and by its twins: the cases that show a difference
    are among those that aren't proved to have none.
    """
    twins = {
        switch: msgspec.structs.replace(MANUAL, name="twin", **{switch: not getattr(MANUAL, switch)}) for switch in switches_read_by(consequences)
    }
    now: set[str] = set()
    seen: dict[str, set[tuple[str, str]]] = {switch: set() for switch in twins}
    ordered, run = consequences.Consequences, System.run

    def recorded(state: Any, profile: Profile, *more: Any) -> Any:
        as_it_is = ordered(state, profile, *more)
        for switch, twin in twins.items():
            other = ordered(state, twin, *more)
            now.update([switch] if (as_it_is.places, as_it_is.dead, as_it_is.unsent) != (other.places, other.dead, other.unsent) else [])
        return as_it_is

    def running(self: System, name: str, caller: int, given: dict[str, Any]) -> Any:
        now.clear()
        applied = run(self, name, caller, given)
        for switch in now:
            seen[switch].add((name, applied.case.case.id))
        return applied

    monkeypatch.setattr(system, "Consequences", recorded)
    monkeypatch.setattr(System, "run", running)
    monkeypatch.setattr(checking, "ONE_DIRECTED_IN", 1)
    assert checking.check(ReferenceKernel, Oracle, MANUAL, 50, 100).verdict is Verdict.PASSED
    assert {switch for switch, cases in seen.items() if cases} >= {"places_end_first", "queue_ends_whole", "circular_rescue_is_silent"}
    for switch, cases in seen.items():
        monkeypatch.setitem(PROFILES, "twin", twins[switch])
        for name in {name for name, _ in cases}:
            among = AnyCase(RULES[name], MANUAL)
            for index in range(len(among.cases)):
                unit = CaseProof(RULES[name], index, MANUAL, among)
                if (name, unit.case.id) in cases:
                    assumed = [*unit.k.assumptions(), unit.guard]
                    assert unseen_difference(unit, twins[switch], assumed) is not None, (switch, unit.case.id)


@pytest.mark.heavy
@pytest.mark.parametrize(("switch", "sets"), [("set_membership_is_flag", 2), ("many_sets", 1)])
def test_results_of_another_form_have_a_state(monkeypatch: pytest.MonkeyPatch, switch: str, sets: int) -> None:
    """A port in two sets: two, or yes. A port in one set: one, or its name."""
    Twin(monkeypatch, **{switch: not getattr(MANUAL, switch)})
    [found] = [one for one in decide_rule("manual", "twin", "mach_port_get_attributes") if one.verdict is not Verdict.PROVED]
    assert (found.case, found.verdict) == ("KERN_SUCCESS/the receive status", Verdict.REFUTED)
    assert found.title.endswith(f"the form of the results differs by the switch {switch}")
    assert found.example is not None
    [step] = found.example.trace.steps
    [members] = [task.sets for task in found.example.trace.initial.tasks.values() if step.arguments["name"] in chain(*task.sets.values())]
    assert sum(step.arguments["name"] in each for each in members.values()) == sets


def test_the_switches_that_no_rule_reads_are_known() -> None:
    """Each of a profile's switches that the oracle reads, and no rule, is one of those that make a case undetermined.

    ``boot_tasks`` and ``bootstrap_names`` say where runs begin, and proofs begin in any state. ``lacks`` is compared as
    the calls that only one serves.
    """
    model = Path(inspect.getsourcefile(RULES["mach_port_type"].cases.__wrapped__) or "").parents[1]  # type: ignore[attr-defined]

    def read(*folders: str) -> set[str]:
        texts = [file.read_text() for folder in folders for file in (model / folder).rglob("*.py")]
        return {node.attr for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}

    unseen = (read("execution") - read("calls", "language")) & set(Profile.__struct_fields__)
    chosen = {switch for rule in RULES.values() for choice in rule.choices for switch in switches_that_choose(choice)}
    known = {*switches_read_by(consequences), *switches_read_by(told_results), *chosen}
    assert unseen - {"boot_tasks", "bootstrap_names"} <= known


def test_arguments_are_those_that_both_profiles_model() -> None:
    """For each number that one of the two doesn't model, what is assumed of the argument is false."""
    asked = 0
    for profile in (OSF, GNUMACH):
        for each in unmodelled_ranges(profile):
            rule = COPY_IN if each.argument == "descriptors" else each.call if each.call in RULES else rules_of(each.call, profile)[0]
            k = Context(RULES[rule], ANY_STATE, OSF)
            parameter = k.constants.get("disposition" if rule == COPY_IN else each.argument)
            if parameter is None:  # bits of it are arguments of their own
                continue
            asked += 1
            numbers = (z3.IntVal(each.bit),) if each.bit else (z3.IntVal(each.lowest), z3.IntVal(each.highest))
            for number in numbers:
                assumed = z3.substitute(z3.And(arguments_modelled(k, OSF, GNUMACH)), (parameter, number))
                solver = z3.Solver()
                solver.add(assumed)
                assert solver.check() == z3.unsat, each
    assert asked > 10


def test_work_that_a_call_leaves_pending_is_a_step_of_it() -> None:
    assert "no senders are left" in steps_of("mach_port_deallocate", OSF)
    assert "no senders are left" in compared_rules(OSF, GNUMACH, ["mach_port_deallocate"])
    assert steps_of("mach_port_type", OSF) == ("mach_port_type",)
