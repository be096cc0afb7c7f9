"""The prover: what holds is proved, what doesn't is refuted, and nothing else counts as proved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3
from support.specification import little_effort

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, XNU_792, Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants.theorems import as_if_created_by_task_create
from sendright.model.language.actions import put
from sendright.model.language.rule import COPY_IN, CREATION_RESUMED, LOOKS, RULES, Case, Context
from sendright.model.language.sorts import KIND, UNBOUNDED
from sendright.model.language.state import After, State
from sendright.model.proof import obligations
from sendright.model.proof.counterexamples import refute as refuter
from sendright.model.proof.obligations import ProofTask, decide_case, decide_rule
from sendright.model.proof.prove import UnknownSelection, prove
from sendright.model.proof.solver.instantiate import Proof


def case_named(rule: str, title: str) -> int:
    cases = RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), MANUAL))
    return next(index for index, case in enumerate(cases) if case.title == title)


def mutate(patch: pytest.MonkeyPatch, rule: str, change: Callable[[Context, Case], Iterator[Case]]) -> None:
    """Replace the rule by one with each case changed."""
    original = RULES[rule]
    patch.setitem(RULES, rule, replace(original, cases=lambda k: (new for case in original.cases(k) for new in change(k, case))))


@pytest.fixture
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the proof matters."""
    little_effort(monkeypatch)


def failing(obligations: list[Obligation]) -> dict[str, Verdict]:
    return {obligation.property: obligation.verdict for obligation in obligations if obligation.verdict is not Verdict.PROVED}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_everything_of_one_call_is_proved(profile: Profile) -> None:
    result = prove(profile, calls=["mach_port_deallocate"], jobs=0)
    assert result.verdict is Verdict.PROVED
    looks = {rule for rule in LOOKS if RULES[rule].is_used(profile)}
    assert {obligation.call for obligation in result.obligations} == {"mach_port_deallocate", *looks}
    assert len(result.obligations) > 300


def test_the_headline_call_keeps_every_invariant_and_theorem() -> None:
    result = prove(MANUAL, calls=["host_security_create_task_token"], jobs=2)
    assert result.verdict is Verdict.PROVED
    properties = {o.property for o in result.obligations if o.call == "host_security_create_task_token"}
    assert {"theorem 1", "theorem 2", "theorem 3", "theorem 5", "decided"} <= properties
    needed = {1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 19, 22, 25, 26, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 40, 41, 42}
    assert {f"invariant {number}" for number in needed} <= {name.removeprefix("step ") for name in properties}


def test_one_invariant_of_one_call() -> None:
    result = prove(MANUAL, calls=["mach_port_mod_refs"], invariants=[7], jobs=0)
    assert {obligation.property for obligation in result.obligations} == {"invariant 7", "step invariant 7"}
    assert result.verdict is Verdict.PROVED


@pytest.mark.parametrize(
    ("calls", "invariants", "words"),
    [(["mach_port_get_service_port_info"], None, "unknown call 'mach_port_get_service_port_info'"), (None, [999], "unknown invariant 999")],
)
def test_unknown_selection(calls: list[str] | None, invariants: list[int] | None, words: str) -> None:
    with pytest.raises(UnknownSelection, match=words):
        prove(MANUAL, calls=calls, invariants=invariants)


def test_a_call_that_the_profile_lacks() -> None:
    with pytest.raises(UnknownSelection, match="gnumach doesn't serve host_security_create_task_token"):
        prove(GNUMACH, calls=["host_security_create_task_token"])


@pytest.mark.heavy
def test_a_right_that_is_not_dropped_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification's own version of a seeded fault: MOVE_SEND leaves the sender's right where it was."""

    def keep(k: Context, case: Case) -> Iterator[Case]:
        if case.title == "MOVE_SEND takes the last reference":
            yield replace(case, effect=lambda after: put(after, k["place"], KIND.SEND, k.before.port(k.slot(k["name"], k["space"]))))
        else:
            yield case

    mutate(monkeypatch, COPY_IN, keep)
    [found] = decide_case(MANUAL, ProofTask("case", COPY_IN, case_named(COPY_IN, "MOVE_SEND takes the last reference"), (8,)))
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert ": nothing → send right to port" in found.counterexample
    assert found.reachable is not None


@pytest.mark.usefixtures("no_refuting")
def test_tokens_set_too_late_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A creation with tokens that leaves the child the parent's breaks 30 and 36."""

    def forget(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            case.effect(after)
            after.at("security")[k["child"]] = k.before.security(k.task_behind(k["parent_task"]))

        yield replace(case, effect=effect) if case.code is ReturnCode.KERN_SUCCESS else case

    rule = "host_security_create_task_token"
    mutate(monkeypatch, rule, forget)
    obligations = decide_case(MANUAL, ProofTask("case", rule, case_named(rule, "a child with the given tokens"), (30, 36)))
    assert set(failing(obligations)) == {"step invariant 30", "step invariant 36"}


def test_what_a_solver_cannot_decide_is_undetermined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Proof, "decide", lambda self, goal, hint=None: z3.unknown)
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("2 tasks", None, False))
    result = obligations.decide_case(MANUAL, ProofTask("case", COPY_IN, case_named(COPY_IN, "MAKE_SEND makes a send right"), (8,)))
    assert [obligation.verdict for obligation in result] == [Verdict.UNDETERMINED]


@pytest.mark.usefixtures("no_refuting")
def test_a_case_that_is_missing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its last case the rule says nothing of some states."""
    mutate(monkeypatch, "mach_port_deallocate", lambda k, case: iter([case] if "the receive right stays" not in case.title else []))
    [decided, *_] = decide_rule(MANUAL, ProofTask("rule", "mach_port_deallocate"))
    assert (decided.property, decided.verdict) == ("decided", Verdict.UNDETERMINED)


@pytest.mark.usefixtures("no_refuting")
def test_an_authority_that_depends_on_the_holder_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_for_itself(k: Context, case: Case) -> Iterator[Case]:
        if case.code is ReturnCode.KERN_SUCCESS:
            yield k.fails(ReturnCode.KERN_NO_ACCESS, "not its own", k.task_behind(k["task"]) != k.caller)
        yield case

    mutate(monkeypatch, "task_terminate", only_for_itself)
    [found] = decide_rule(MANUAL, ProofTask("rule", "task_terminate", 0, (23,)))
    assert found.verdict is Verdict.UNDETERMINED


@pytest.mark.usefixtures("no_refuting")
def test_a_name_that_matters_elsewhere_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def peep(k: Context, case: Case) -> Iterator[Case]:
        if case.code is ReturnCode.KERN_SUCCESS:
            stranger = z3.Const("stranger", k.sorts.Task)
            yield k.fails(ReturnCode.KERN_NO_ACCESS, "the name is used elsewhere", z3.Not(k.before.empty(k.slot(k["name"], stranger))))
        yield case

    mutate(monkeypatch, "mach_port_type", peep)
    [found] = [one for one in decide_rule(MANUAL, ProofTask("rule", "mach_port_type", 0, (26,))) if one.property != "well formed"]
    assert found.verdict is Verdict.UNDETERMINED


@pytest.mark.usefixtures("no_refuting")
def test_a_leak_between_halves_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that hands out the security port to whoever asks for its host port breaks 32."""

    def leak(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            case.effect(after)
            security = z3.Const("security_port", k.sorts.Port)
            from sendright.mach.abi.rights import PortObject
            from sendright.model.language.sorts import OBJECT

            after.assumptions += [k.before.active(security), k.before.object(security) == OBJECT.of(PortObject.HOST_SECURITY)]
            put(after, k.slot(z3.Const("some_name", k.sorts.Name)), KIND.SEND, security, 1)

        yield replace(case, effect=effect)

    mutate(monkeypatch, "mach_host_self", leak)
    assert failing(decide_case(MANUAL, ProofTask("case", "mach_host_self", 0, (32,)))) == {"step invariant 32": Verdict.UNDETERMINED}


@pytest.mark.usefixtures("no_refuting")
def test_a_difference_to_task_create_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def more(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            case.effect(after)
            after.at("wired")[k["child"]] = k.before.wired(k.caller)

        yield replace(case, effect=effect) if case.code is ReturnCode.KERN_SUCCESS else case

    mutate(monkeypatch, "host_security_create_task_token", more)
    [found] = obligations.decide_theorem_1(MANUAL, ProofTask("theorem 1"))
    assert found.verdict is Verdict.UNDETERMINED
    assert found.case == "field wired"


@pytest.mark.heavy
def test_a_failure_that_task_create_would_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theorem 1 also says how the call with tokens fails."""

    def refuse(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, code=ReturnCode.KERN_FAILURE) if case.code is ReturnCode.KERN_RESOURCE_SHORTAGE else case

    mutate(monkeypatch, "host_security_create_task_token", refuse)
    [found] = obligations.decide_theorem_1(MANUAL, ProofTask("theorem 1"))
    assert found.verdict is Verdict.REFUTED
    assert found.case == "KERN_RESOURCE_SHORTAGE/the kernel is out of memory: for the same reason"


@pytest.mark.usefixtures("no_refuting")
def test_a_shortage_that_only_task_create_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, "host_security_create_task_token", lambda k, case: iter([] if case.code is ReturnCode.KERN_RESOURCE_SHORTAGE else [case]))
    [found] = obligations.decide_theorem_1(MANUAL, ProofTask("theorem 1"))
    assert found.case == "KERN_RESOURCE_SHORTAGE/the kernel is out of memory: it fails too"


@pytest.mark.heavy
def test_a_second_step_that_leaves_something_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both steps of a creation that stops do together what task_create does."""

    def forget(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            case.effect(after)
            after.at("suspend_count")[k.before.waits_child(k.caller)] = z3.IntVal(1)

        yield replace(case, effect=effect)

    assert obligations.decide_theorem_1(XNU_792, ProofTask("theorem 1"))[0].verdict is Verdict.PROVED
    mutate(monkeypatch, CREATION_RESUMED, forget)
    [found] = obligations.decide_theorem_1(XNU_792, ProofTask("theorem 1"))
    assert (found.verdict, found.case) == (Verdict.REFUTED, "field suspend_count")


def test_theorem_1_speaks_of_every_field() -> None:
    from sendright.model.language.state import FIELDS

    assert [name for name, _, _ in as_if_created_by_task_create(MANUAL)][: len(FIELDS)] == [f"field {name}" for name in FIELDS]
