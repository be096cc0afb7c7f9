"""What a profile's kernel is known to break: the list names cases that there are, and a line too many or too few is a
failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
import z3
from support.beside_oracle import Judged
from support.by_hand import ME, ByHand
from support.mutants import Change, mutant, then
from support.places import TESTS
from support.specification import titles

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Notification, Place, PortObject, Right
from sendright.mach.abi.tokens import KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, OSF, PROFILES, XNU_792, Profile
from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.verdicts import ExitStatus, Verdict, combine, exit_status
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.oracle import broken_invariants as broken_in_state
from sendright.model.invariants import known_breaks as known_breaks
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.invariants.known_breaks import KNOWN_BREAKS, is_broken, known_break
from sendright.model.language.actions import place_slot
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import KIND
from sendright.model.language.state import After
from sendright.model.proof.obligations import ProofTask, decide_case
from sendright.model.proof.relevance import property_titles
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay
from sendright.reports.findings import findings, summary
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.rerun import Rerun

ALLOCATE, UNDER_ANOTHER = "mach_port_allocate_name", "a dead name, under another name than requested"
SCRIPTS = TESTS / "scripts" / "hazards"


def decided(profile: Profile, rule: str, title: str, number: int) -> Obligation:
    found, *_ = decided_wholly(profile, rule, title, number)
    return found


def decided_wholly(profile: Profile, rule: str, title: str, number: int | str) -> list[Obligation]:
    """The property, and if the case is known to break it, the rest of it."""
    return decide_case(profile, ProofTask("case", rule, titles(rule, profile).index(title), (number,)))


def listed() -> Iterator[tuple[str, str, str, str]]:
    for one in KNOWN_BREAKS:
        for profile in PROFILES.values():
            if one.breaks(profile):
                yield from ((profile.name, one.property, rule, title) for rule, title in sorted(one.cases) if profile.serves(rule))


@pytest.mark.parametrize(("profile", "name", "rule", "title"), list(listed()))
def test_what_is_listed_is_there(profile: str, name: str, rule: str, title: str) -> None:
    assert title in titles(rule, PROFILES[profile])
    assert name in property_titles()
    assert known_break(name, PROFILES[profile], rule, title) is not None


def test_nothing_is_broken_in_the_manual_profile() -> None:
    assert [one for one in KNOWN_BREAKS if one.breaks(MANUAL)] == []


def test_a_broken_invariant_is_assumed_nowhere_and_a_weaker_one_is() -> None:
    assert [each.number for each in broken_invariants(OSF)] == [8]
    assert 8 not in {each.number for each in state_invariants(OSF)}
    assert 115 in {each.number for each in state_invariants(OSF)}
    assert 8 in {each.number for each in state_invariants(MANUAL)}
    assert 115 not in {each.number for each in state_invariants(MANUAL)}


def test_a_known_break_has_a_counterexample_and_is_not_proved() -> None:
    found = decided(OSF, ALLOCATE, UNDER_ANOTHER, 117)
    assert found.verdict is Verdict.BREAKS_AS_KNOWN
    assert found.example is not None
    assert found.counterexample is not None
    assert found.hazard == "H-10: a dead name is allocated under another name than requested"


def test_a_break_that_is_not_listed_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_breaks, "KNOWN_BREAKS", ())
    assert decided(OSF, ALLOCATE, UNDER_ANOTHER, 117).verdict is not Verdict.BREAKS_AS_KNOWN
    assert not is_broken("step invariant 117", OSF)


def test_a_break_that_is_no_more_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    title = "a port set, under the name"
    cases = frozenset({(ALLOCATE, title)})
    line = known_breaks.KnownBreak("step invariant 117", "H-0", "it isn't", lambda profile: True, cases, lambda v, x: [])
    monkeypatch.setattr(known_breaks, "KNOWN_BREAKS", (line,))
    found = decided(OSF, ALLOCATE, title, 117)
    assert (found.verdict, found.title.endswith(": no longer broken")) == (Verdict.FAILED, True)
    assert combine([Verdict.PROVED, found.verdict]) is Verdict.FAILED


def test_a_case_that_is_not_listed_must_keep_a_broken_invariant() -> None:
    """Invariant 8 is assumed of no state of this profile; that other cases keep it where it holds is proved all the
    same.
    """
    assert decided(OSF, "mach_port_deallocate", "the last send reference goes", 8).verdict is Verdict.PROVED


def obligation(verdict: Verdict) -> Obligation:
    return Obligation(
        call=ALLOCATE, case="KERN_SUCCESS/x", property="step invariant 117", title="t", verdict=verdict, seconds=0.0, hazard="H-10: elsewhere"
    )


def test_what_breaks_as_known_is_told_and_passes_in_ci() -> None:
    verdict = combine([Verdict.PROVED, Verdict.BREAKS_AS_KNOWN])
    assert (verdict, exit_status(verdict)) == (Verdict.BREAKS_AS_KNOWN, ExitStatus.HOLDS)
    assert combine([Verdict.BREAKS_AS_KNOWN, Verdict.UNDETERMINED]) is Verdict.UNDETERMINED
    result = ProofResult(verdict=verdict, profile="osf", obligations=(obligation(verdict),), seconds=0.0, solver="z3")
    [found] = findings(result)
    assert (found.level, found.title) == ("note", "step invariant 117 breaks, as known: hazard H-10: elsewhere")
    assert "0 of 1 obligations proved" in summary(result)
    assert "1 broken, as known: hazard H-10" in summary(result)
    document = junit(result)
    assert "<skipped" in document
    assert "<failure" not in document
    shown = page(result, Rerun())
    assert "except 1 that this kernel is known to break" in shown
    assert "BREAKS AS KNOWN</span>" in shown
    assert "UNDETERMINED</span>" not in shown, "a known break has a counterexample"
    gone = msgspec.structs.replace(result, verdict=Verdict.FAILED, obligations=(obligation(Verdict.FAILED),))
    shown = page(gone, Rerun())
    assert "step invariant 117 is no longer broken</span>" in shown
    assert "REFUTED</span>" not in shown, "nothing is refuted where a known break is gone"


# ---- a hazard hides no other fault of the property in the same case


def told_otherwise(k: Context, case: Case) -> Iterator[Case]:
    yield replace(case, outputs={**case.outputs, "name": k["task"]}) if case.title == UNDER_ANOTHER else case


def two_more(k: Context, after: After) -> None:
    after.add("srights", k.before.port(k.slot(k["name"], k.task_behind(k["task"]))), 1)


def of_another_port(k: Context, after: After) -> None:
    after.add("srights", k.sorts.host_port, 1)


def of_another_sender(k: Context, after: After) -> None:
    after.at("sender_security")[k["message"]] = k.before.security(k.before.object_task(k.before.port(k.slot(k["dest"]))))


def as_if_from_the_kernel(k: Context, after: After) -> None:
    after.at("from_kernel")[k["message"]] = z3.BoolVal(True)


def the_kernels_tokens(k: Context, after: After) -> None:
    after.at("security")[k["child"]] = k.sorts.kernel_security_token


def another_port_of_its_own(k: Context, after: After) -> None:
    """The task's port is in the other half of the system."""
    after.at("task_port")[k.task_behind(k["target_task"])] = k.before.port(place_slot(k.before, k.caller, Place.BOOTSTRAP))


def also_to_the_caller(k: Context, after: After) -> None:
    place = place_slot(k.before, k.caller, Place.HOST)
    after.store_all((place,), {"kind": KIND.SEND, "port": k.sorts.host_priv_port})


RESCUED, SENT, STOPPED = (
    "the receive right goes to the port-destroyed requester",
    "the header is valid",
    "a child with its parent's tokens; the call stops",
)
GRANTED = "tokens and the privileged host port are set"
heavy = pytest.mark.heavy


@pytest.mark.parametrize(
    ("profile", "rule", "title", "name", "change"),
    [
        pytest.param("osf", ALLOCATE, UNDER_ANOTHER, "step invariant 117", told_otherwise, marks=heavy),
        pytest.param("osf", "mach_port_mod_refs", RESCUED, "invariant 8", then(RESCUED, two_more), marks=heavy),
        pytest.param("gnumach", "mach_port_mod_refs", RESCUED, "invariant 8", then(RESCUED, of_another_port), marks=heavy),
        pytest.param("osf", "mach_msg_send", SENT, "step invariant 31", then(SENT, of_another_sender), marks=heavy),
        pytest.param("osf", "mach_msg_send", SENT, "theorem 3", then(SENT, as_if_from_the_kernel), marks=heavy),
        pytest.param("xnu-792", "host_security_create_task_token", STOPPED, "step invariant 36", then(STOPPED, the_kernels_tokens), marks=heavy),
        pytest.param("xnu-792", "host_security_set_task_token", GRANTED, "step invariant 22", then(GRANTED, also_to_the_caller), marks=heavy),
        pytest.param("xnu-792", "host_security_set_task_token", GRANTED, "step invariant 33", then(GRANTED, also_to_the_caller), marks=heavy),
        pytest.param("xnu-792", "host_security_set_task_token", GRANTED, "theorem 2", then(GRANTED, also_to_the_caller), marks=heavy),
        pytest.param("xnu-792", "host_security_set_task_token", GRANTED, "theorem 2", then(GRANTED, another_port_of_its_own), marks=heavy),
    ],
)
def test_a_second_fault_beside_a_known_break(monkeypatch: pytest.MonkeyPatch, profile: str, rule: str, title: str, name: str, change: Change) -> None:
    kernel, number = PROFILES[profile], int(name.split()[-1])
    wanted = f"T{number}" if name.startswith("theorem") else number
    known, rest = [one for one in decided_wholly(kernel, rule, title, wanted) if one.property.endswith(name)]
    assert (known.verdict, rest.verdict) == (Verdict.BREAKS_AS_KNOWN, Verdict.PROVED)
    assert rest.property == f"but for {str(known.hazard).partition(':')[0]}: {known.property}"
    monkeypatch.setitem(RULES, rule, mutant(rule, change))
    _, rest = [one for one in decided_wholly(kernel, rule, title, wanted) if one.property.endswith(name)]
    assert rest.verdict is Verdict.REFUTED


# ---- the hazards as they are seen


@pytest.mark.parametrize("name", ["h-2", "h-3", "h-4", "h-8", "h-10"])
def test_a_kernel_shows_the_hazard(name: str) -> None:
    result = replay([load_script(SCRIPTS / f"{name}.json")], ReferenceKernel, Oracle)
    assert [(case.id, case.expected, case.seen) for case in result.cases if case.verdict != "passed"] == []


def test_a_child_has_its_parents_tokens_until_it_is_given_its_own() -> None:
    """H-2."""
    run = ByHand(XNU_792)
    security = XNU_792.bootstrap_names.index("host_security") + 1
    create = {"host_security": security, "parent_task": ME, "security_token": (7, 8)}
    stopped = Result(ReturnCode.MACH_RCV_IN_PROGRESS, {}, 1)
    run.answers(0, Call("host_security_create_task_token", create, stop=True), stopped)
    tasks = run.state.tasks
    assert tasks[1].security_token == tasks[0].security_token != (7, 8)
    run.resumed("host_security_create_task_token", by=0, child_task=102)
    assert run.state.tasks[1].security_token == (7, 8)


def test_any_host_port_grants_the_privileged_one() -> None:
    """H-4."""
    run = ByHand(XNU_792)
    run.says("mach_host_self", port=101)
    security = XNU_792.bootstrap_names.index("host_security") + 1
    run.says("host_security_set_task_token", {"host_security": security, "target_task": ME, "security_token": (7, 8), "host": 101})
    state = run.state
    assert state.ports[state.tasks[0].places[Place.HOST].port].object is PortObject.HOST_PRIV


def test_a_rescued_ports_send_right_stays_counted() -> None:
    """H-8."""
    run = ByHand(OSF)
    run.says("mach_port_allocate", {"task": ME, "right": Right.RECEIVE}, name=200)
    run.says("mach_port_allocate", {"task": ME, "right": Right.RECEIVE}, name=201)
    run.says("mach_port_insert_right", {"task": ME, "name": 201, "poly": 201, "disposition": Disposition.MAKE_SEND})
    port = run.state.tasks[0].names[201].port
    asked = {"variant": Notification.PORT_DESTROYED, "sync": 0, "notify": 200, "notify_disposition": Disposition.MAKE_SEND_ONCE}
    run.says("mach_port_request_notification", {"task": ME, "name": 201, **asked}, previous=NULL_NAME)
    run.says("mach_port_mod_refs", {"task": ME, "name": 201, "right": Right.RECEIVE, "delta": -1})
    state = run.state
    assert state.tasks[0].names[201].kind.name == "DEAD_NAME"
    assert state.ports[port].send_rights == 1
    assert broken_in_state(state, OSF) == (), "what is left of invariant 8 holds"
    assert [one.name.split(":")[0] for one in broken_in_state(state, MANUAL)] == ["invariant 8"]


def test_a_tasks_message_has_the_kernels_token() -> None:
    """H-3."""
    run = ByHand(OSF)
    run.says("mach_port_allocate", {"task": ME, "right": Right.RECEIVE}, name=200)
    run.says("mach_msg_send", {"dest": 200, "dest_disposition": Disposition.MAKE_SEND, "id": 42})
    [port] = [port for port in run.state.ports.values() if port.queue]
    assert port.queue[0].security_token == KERNEL_SECURITY_TOKEN != run.state.tasks[0].security_token


# ---- answers for NULL and DEAD

ANSWERS: list[tuple[str, dict[str, object], str, str]] = [
    ("mach_port_deallocate", {}, "KERN_SUCCESS", "KERN_SUCCESS"),
    ("mach_port_destroy", {}, "KERN_SUCCESS", "KERN_SUCCESS"),
    ("mach_port_get_refs", {"right": Right.SEND}, "KERN_SUCCESS", "KERN_SUCCESS"),
    ("mach_port_get_refs", {"right": Right.SEND_ONCE}, "KERN_SUCCESS", "KERN_SUCCESS"),
    ("mach_port_get_refs", {"right": Right.DEAD_NAME}, "KERN_INVALID_NAME", "KERN_INVALID_NAME"),
    ("mach_port_get_refs", {"right": 5}, "KERN_INVALID_VALUE", "KERN_INVALID_VALUE"),
    ("mach_port_mod_refs", {"right": Right.SEND, "delta": 9}, "KERN_SUCCESS", "KERN_SUCCESS"),
    ("mach_port_mod_refs", {"right": Right.RECEIVE, "delta": -1}, "KERN_INVALID_NAME", "KERN_INVALID_NAME"),
    ("mach_port_type", {}, "KERN_INVALID_NAME", "KERN_SUCCESS"),
    ("mach_port_set_mscount", {"mscount": 1}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_set_seqno", {"seqno": 1}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_get_set_status", {}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_insert_member", {"pset": 99}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_extract_member", {"pset": 99}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_extract_right", {"disposition": Disposition.COPY_SEND}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_extract_right", {"disposition": 0}, "KERN_INVALID_VALUE", "KERN_INVALID_VALUE"),
    ("mach_port_get_attributes", {"flavor": 1, "count": 1}, "KERN_SUCCESS", "KERN_SUCCESS"),
    ("mach_port_get_attributes", {"flavor": 2, "count": 10}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
    ("mach_port_get_attributes", {"flavor": 1, "count": 0}, "KERN_FAILURE", "KERN_FAILURE"),
    ("mach_port_set_attributes", {"flavor": 1, "info": (1,)}, "KERN_INVALID_RIGHT", "KERN_INVALID_RIGHT"),
]
OUTPUTS: dict[str, dict[str, object]] = {
    "mach_port_get_refs": {"refs": 1},
    "mach_port_type": {"type": 1 << 20},
    "mach_port_get_attributes": {"info": ()},
}


@pytest.mark.parametrize(("call", "arguments", "null", "dead"), ANSWERS)
def test_null_and_dead_have_answers_of_their_own(call: str, arguments: dict[str, object], null: str, dead: str) -> None:
    for name, expected in ((NULL_NAME, null), (DEAD_NAME, dead)):
        run = ByHand(XNU_792)
        code = ReturnCode[expected]
        outputs = OUTPUTS.get(call, {}) if code is ReturnCode.KERN_SUCCESS else {}
        before = run.state
        run.answers(0, Call(call, {"task": ME, "name": name, **arguments}), Result(code, dict(outputs)))
        assert run.state == before


@pytest.mark.parametrize(("call", "arguments", "null", "dead"), ANSWERS)
def test_elsewhere_they_denote_nothing(call: str, arguments: dict[str, object], null: str, dead: str) -> None:
    judged = Judged()
    for name in (NULL_NAME, DEAD_NAME):
        code = judged.code(call, name=name, **arguments)
        assert code == ("KERN_INVALID_NAME" if null in ("KERN_SUCCESS", "KERN_INVALID_RIGHT") else null)
