"""Running scripts: what passes, what fails and how it is told, crashes, hangs, and what scripts presume."""

from __future__ import annotations

import gc
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.places import ROOT
from support.second_kernel import SecondKernel

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import ImplementationCrash
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, PROFILES, Profile
from sendright.mach.results.checks import CaseResult, ReplayResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Snapshot
from sendright.properties.distribution.pool import WorkersDied
from sendright.properties.scripts.load import Script, ScriptCase, load_script, parse_script
from sendright.properties.scripts.replay import CaseRunner, replay
from sendright.reports.findings import findings

OWN_SCRIPTS = sorted((ROOT / "tests" / "scripts").glob("*.json"))


def step(call: str, args: dict[str, Any] | None = None, caller: str = "A", **more: Any) -> dict[str, Any]:
    return {"as": caller, "call": call, "args": args or {}, **more}


ALLOCATE = step("mach_port_allocate", {"right": "RECEIVE"}, bind={"name": "p"})
MAKE_SEND = step("mach_port_insert_right", {"name": "p", "poly": "p", "disp": "MAKE_SEND"})


def script(*cases: list[dict[str, Any]], profile: str = "manual", **more: Any) -> Script:
    written = [{"id": f"case {number}", "steps": steps, **more} for number, steps in enumerate(cases)]
    return parse_script(json.dumps({"format": "mach-cases/1", "profile": profile, "cases": written}).encode(), "suite.json")


def run(*steps: dict[str, Any], kernel: Callable[[], ReferenceKernel] = ReferenceKernel, **more: Any) -> CaseResult:
    result = replay([script(list(steps), **more)], kernel, SecondKernel, call_seconds=0.5)
    return result.cases[0]


class GonePool:
    """A pool that runs one case. Then it is gone."""

    room = busy = 1

    def __init__(self, runner: CaseRunner) -> None:
        self.work = runner()
        self.items: list[tuple[int, ScriptCase]] = []

    def give(self, item: tuple[int, ScriptCase]) -> None:
        self.items.append(item)
        self.room = 0

    def answers(self) -> list[tuple[tuple[int, ScriptCase], CaseResult]]:
        if self.items[0][0] > 0:
            raise WorkersDied("the pool is gone")
        self.room = 1
        return [(item, self.work(item)) for item in [self.items.pop()]]

    def end(self) -> None:
        pass


def test_what_was_run_before_the_pool_was_gone_is_kept() -> None:
    told: list[str] = []
    result = replay(
        [script([ALLOCATE], [ALLOCATE], [ALLOCATE])], ReferenceKernel, SecondKernel, on_case=lambda case: told.append(case.id), pool=GonePool
    )
    assert [(case.verdict, case.lost) for case in result.cases] == [("passed", False), ("crashed", True), ("crashed", True)]
    assert [case.reason for case in result.cases[1:]] == ["the pool is gone"] * 2
    assert (result.verdict, result.passed, result.crashed) == (Verdict.CRASHED, 1, 2)
    assert told == ["case 0", "case 1", "case 2"]
    assert {finding.acceptable for finding in findings(result)} == {False}


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=lambda path: path.stem)
def test_own_scripts_pass(path: Path) -> None:
    result = replay([load_script(path)], ReferenceKernel, SecondKernel)
    assert [(case.id, case.verdict, case.reason) for case in result.cases if case.verdict != "passed"] == []
    assert result.verdict is Verdict.PASSED
    assert result.files == (str(path),)
    assert result.passed == len(result.cases)


def test_the_example_of_the_documentation_passes() -> None:
    text = (ROOT / "docs" / "scripts.md").read_text()
    [example] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    result = replay([parse_script(example.encode(), "example.json")], ReferenceKernel, SecondKernel)
    assert result.verdict is Verdict.PASSED
    assert result.cases[0].steps == 4


@pytest.mark.parametrize(
    ("bad", "expected", "seen"),
    [
        (step("mach_port_type", {"name": 900}, expect={"ret": "KERN_SUCCESS"}), "KERN_SUCCESS", "KERN_INVALID_NAME"),
        (step("mach_port_type", {"name": 900}, expect={"ret_not": "KERN_INVALID_NAME"}), "not KERN_INVALID_NAME", "KERN_INVALID_NAME"),
        (
            step("mach_port_type", {"name": 900}, expect={"ret_any_of": ["KERN_SUCCESS", 16]}),
            "KERN_SUCCESS or KERN_INVALID_TASK",
            "KERN_INVALID_NAME",
        ),
        (step("mach_port_type", {"name": 900}, expect={"ret_gt": 20}), "more than KERN_INVALID_CAPABILITY", "KERN_INVALID_NAME"),
        (step("mach_port_type", {"name": 900}, expect={"ret_le": 3}), "at most KERN_NO_SPACE", "KERN_INVALID_NAME"),
        (step("mach_port_type", {"name": "p"}, expect={"type": ["SEND"]}), "SEND", "SEND and RECEIVE"),
        (step("mach_port_type", {"name": 900}, expect={"type": ["SEND"]}), "SEND", "KERN_INVALID_NAME"),
        (step("mach_port_get_refs", {"name": "p", "right": "SEND"}, expect={"refs": 2}), "2 references", "1 references"),
        (step("mach_port_mod_refs", {"name": "p", "right": "SEND", "delta": 3}, expect={"refs": 1}), "1 references", "4 references"),
        (step("mach_port_allocate", {"right": "RECEIVE"}, expect={"name_eq": "p"}), "name 2", "name 3"),
        (step("mach_task_self", expect={"name_ne": ["p", "A"]}), "another name than 2 and 1", "name 1"),
        (step("mach_port_type", {"name": "p"}, expect={"mscount": 0}), "make-send count 0", "make-send count 1"),
        (step("mach_port_extract_right", {"name": "p", "disp": "MAKE_SEND"}, expect={"acquired": 18}), "form 18", "form 17"),
        (step("mach_port_names", expect={"names_count_gt": 2}), "more than 2 names", "2 names"),
        (step("mach_port_names", expect={"counts_equal": False}), "not as many types as names", "2 names and 2 types"),
        (step("mach_ports_lookup", expect={"count": 4}), "4", "3"),
        (step("task_info", {"flavor": 13}, expect={"value": [1, 2]}), "[1, 2]", "[501, 501]"),
        (step("task_info", {"flavor": 13}, expect={"value_ne": "security_token(A)"}), "other than [501, 501]", "[501, 501]"),
        (step("task_info", {"flavor": 13}, expect={"value": "security_token(B)"}), "[502, 502]", "[501, 501]"),
        (step("task_terminate", {"task": "B"}, expect={"target_alive": True}), "the task lives", "the task is gone"),
        (step("mach_task_self", expect={"kernel_survives": False}), "the kernel panics", "the kernel survives"),
        (step("mach_msg_receive", {"port": "p"}, expect={"msg_id": 3}), "message id 3", "MACH_RCV_TIMED_OUT"),
        (step("mach_msg_receive", {"port": "p"}, expect={"sender": [0, 1]}), "security token [0, 1]", "no message"),
        (step("mach_msg_receive", {"port": "p"}, expect={"complex": True}), "a complex message", "no message"),
        (step("mach_msg_receive", {"port": "p"}, expect={"port_disp": "PORT_SEND"}), "descriptors [17]", "no message"),
    ],
)
def test_an_expectation_that_is_not_met_fails(bad: dict[str, Any], expected: str, seen: str) -> None:
    case = run(ALLOCATE, MAKE_SEND, bad, step("mach_task_self"))
    assert (case.verdict, case.step, case.call) == ("failed", 2, bad["call"])
    assert (case.expected, case.seen) == (expected, seen)
    assert case.violation is not None
    assert case.violation.kind == "expectation"
    assert case.trace is not None
    assert case.violation.step == case.trace.steps[-1].index
    assert case.trace.violations == (case.violation,)


def test_unchanged_is_what_the_case_began_with() -> None:
    change = step("host_security_set_task_token", {"host_security": "valid", "task": "A", "token": [1, 2]}, caller="S")
    case = run(change, step("task_info", {"flavor": "TASK_SECURITY_TOKEN"}, expect={"value": "unchanged"}))
    assert (case.verdict, case.expected, case.seen) == ("failed", "[501, 501]", "[1, 2]")


def test_a_fault_is_found_by_the_specification_where_the_script_expects_nothing() -> None:
    fault = FAULTS["move-send-keeps-sender"].kernel
    move = step("mach_port_insert_right", {"task": "B", "name": 700, "poly": "p", "disp": "MOVE_SEND"})
    result = replay([script([ALLOCATE, MAKE_SEND, move])], fault, SecondKernel)
    [case] = result.cases
    assert (result.verdict, case.verdict, case.step) == (Verdict.FAILED, "failed", 2)
    assert case.violation is not None
    assert case.violation.kind == "state"
    assert "send" in (case.expected or "")
    assert result.implementation == fault().name


def test_not_modelled_never_counts_as_passed() -> None:
    result = replay([script([ALLOCATE, step("mach_port_get_service_port_info")])], ReferenceKernel, SecondKernel)
    assert (result.verdict, result.passed, result.not_modelled) == (Verdict.UNDETERMINED, 0, 1)
    [case] = result.cases
    assert (case.step, case.call, case.steps) == (1, "mach_port_get_service_port_info", 1)
    assert case.reason == 'call "mach_port_get_service_port_info" is not modelled'


def test_a_case_without_steps_is_not_modelled() -> None:
    assert run().verdict == "not_modelled"


def test_no_cases_at_all_is_undetermined() -> None:
    assert replay([], ReferenceKernel, SecondKernel).verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([step("mach_port_type", {"name": "host_security"})], "no task has host_security in profile gnumach"),
        (
            [step("task_get_special_port", {"which": "TASK_HOST_PORT"})],
            "TASK_HOST_PORT is in those of manual, xnu-792, xnu",
        ),
        (
            [step("task_create", bind={"task": "B"}), step("task_terminate", {"task": "B"}), step("mach_task_self", caller="B")],
            "task B no longer lives",
        ),
        ([step("mach_port_allocate", {"right": 9}, bind={"name": "p"}), step("mach_port_type", {"name": "p"})], "p is not a name"),
        ([ALLOCATE, step("mach_task_self", caller="p")], "p is not a task that a step created"),
    ],
)
def test_what_turns_out_not_to_be_modelled(steps: list[dict[str, Any]], reason: str) -> None:
    case = run(*steps, profile="gnumach")
    assert case.verdict == "not_modelled"
    assert case.reason is not None
    assert reason in case.reason
    assert case.step == len(steps) - 1


def test_preconditions_excuse_an_expectation_but_not_a_fault() -> None:
    bad = step("mach_port_type", {"name": 900}, expect={"ret": "KERN_SUCCESS"})
    case = run(bad, preconditions="900 is a name")
    assert case.verdict == "not_modelled"
    assert "preconditions" in (case.reason or "")
    move = step("mach_port_insert_right", {"task": "B", "name": 700, "poly": "p", "disp": "MOVE_SEND"})
    fault = FAULTS["move-send-keeps-sender"].kernel
    faulty = replay([script([ALLOCATE, MAKE_SEND, move], preconditions="none")], fault, SecondKernel)
    assert faulty.verdict is Verdict.FAILED


@pytest.mark.parametrize(("profile", "bootstrap"), [("manual", "S"), ("osf", "S"), ("gnumach", "A")])
def test_the_bootstrap_task_has_the_well_known_ports(profile: str, bootstrap: str) -> None:
    case = run(step("mach_port_type", {"name": "host_priv"}, caller=bootstrap, expect={"ret": "KERN_SUCCESS", "type": ["SEND"]}), profile=profile)
    assert case.verdict == "passed"
    assert case.trace is not None
    assert {each.task for each in case.trace.steps} == {0}


@pytest.mark.parametrize("profile", [each for each in PROFILES.values() if each.serves("task_create")], ids=lambda profile: profile.name)
def test_rights_are_given_to_whoever_uses_them(profile: Profile) -> None:
    steps = [
        step("mach_port_type", {"name": "host_priv"}, caller="B", expect={"type": ["SEND"]}),
        step("task_create", caller="B", bind={"task": "C"}, expect={"ret": "KERN_SUCCESS"}),
        step("mach_port_allocate", {"task": "C", "right": "RECEIVE"}, caller="P", bind={"name": "q"}, expect={"ret": "KERN_SUCCESS"}),
        step("mach_port_type", {"name": "q"}, caller="C", expect={"type": ["RECEIVE"]}),
        step("mach_port_type", {"task": "P", "name": "C"}, caller="C", expect={"type": ["SEND"]}),
        step("mach_task_self", caller="C", expect={"name_eq": "C"}),
        step("mach_port_type", {"name": "host port"}, caller="C", expect={"type": "SEND"}),
        step("mach_host_self", caller="C", expect={"name_eq": "host"}),
    ]
    case = run(*steps, profile=profile.name)
    assert (case.verdict, case.reason, case.expected) == ("passed", None, None)


def test_tasks_are_those_of_boot_where_none_is_created() -> None:
    """T1 and T2 by their numbers, others as they come; each has the others' ports when it needs them."""
    steps = [
        step("mach_port_type", {"name": "host_priv"}, caller="B", expect={"type": ["SEND"]}),
        step("mach_port_allocate", {"task": "B", "right": "RECEIVE"}, caller="T1", bind={"name": "q"}, expect={"ret": "KERN_SUCCESS"}),
        step("mach_port_type", {"name": "q"}, caller="B", expect={"type": ["RECEIVE"]}),
        step("mach_port_type", {"task": "T1", "name": "B"}, caller="B", expect={"type": ["SEND"]}),
        step("mach_task_self", caller="T1", expect={"name_eq": "T1"}),
        step("mach_host_self", caller="A", expect={"name_eq": "host_priv"}),
        step("mach_port_type", {"name": "host"}, caller="A", expect={"type": ["SEND"]}),
        step("mach_host_self", caller="T1", expect={"name_eq": "host"}),
    ]
    case = run(*steps, profile="xnu")
    assert (case.verdict, case.reason, case.expected) == ("passed", None, None)
    assert case.trace is not None
    [allocation] = [each for each in case.trace.steps if each.call == "mach_port_allocate"]
    assert (allocation.task, allocation.changes[0].slot.owner) == (1, 2)
    one_more = run(*steps, step("mach_task_self", caller="C"), profile="xnu")
    assert (one_more.verdict, one_more.reason) == ("not_modelled", "profile xnu has 3 tasks, and a script gets others by fork")


def test_a_null_target_is_a_port_without_an_object_but_a_null_name_is_a_null_name() -> None:
    steps = [
        step("task_terminate", {"task": "NULL"}, expect={"ret": "KERN_INVALID_ARGUMENT"}),
        step("task_terminate", {"task": None}, expect={"ret": "KERN_INVALID_ARGUMENT"}),
        step("task_terminate", {"task": "MACH_PORT_NULL"}, expect={"ret": "MACH_SEND_INVALID_DEST"}),
        step("task_terminate", {"task": 0}, expect={"ret": "MACH_SEND_INVALID_DEST"}),
        step("task_set_special_port", {"which": "TASK_BOOTSTRAP_PORT", "port": "NULL"}, expect={"ret": "KERN_SUCCESS"}),
        step("task_get_special_port", {"which": 4}, expect={"name_eq": "MACH_PORT_NULL"}),
    ]
    assert run(*steps).verdict == "passed"


def test_a_name_that_was_given_up_stays_what_it_was() -> None:
    give_up = step("mach_port_deallocate", {"name": "mach_task_self"}, expect={"ret": "KERN_SUCCESS"})
    assert run(give_up, step("task_info", {"flavor": 13}, expect={"ret": "MACH_SEND_INVALID_DEST"})).verdict == "passed"


def test_limits_of_the_case_replace_the_profiles() -> None:
    full = step("mach_msg_send", {"dest": "p", "dest_disp": "MAKE_SEND"}, expect={"ret": "MACH_SEND_TIMED_OUT"})
    overflow = step("mach_port_mod_refs", {"name": "p", "right": "SEND", "delta": 1}, expect={"ret": "KERN_UREFS_OVERFLOW"})
    page = step("vm_allocate", {"anywhere": True}, expect={"ret": "KERN_SUCCESS"})
    no_page = step("vm_allocate", {"anywhere": True}, expect={"ret": "KERN_NO_SPACE"})
    send = step("mach_msg_send", {"dest": "p", "dest_disp": "MAKE_SEND"}, expect={"ret": "MACH_MSG_SUCCESS"})
    case = run(ALLOCATE, send, full, overflow, page, no_page, urefs_max=2, queue_limit=1, pages=1)
    assert (case.verdict, case.call, case.expected, case.seen) == ("passed", None, None, None)


def test_a_profile_from_outside_replaces_the_files() -> None:
    token = step("task_info", {"flavor": "TASK_AUDIT_TOKEN"}, expect={"ret": "KERN_INVALID_ARGUMENT"})
    assert replay([script([token])], ReferenceKernel, SecondKernel, profile_override=OSF).verdict is Verdict.PASSED
    assert replay([script([token])], ReferenceKernel, SecondKernel, profile_override=MANUAL).verdict is Verdict.FAILED
    assert replay([script([token])], ReferenceKernel, SecondKernel, profile_override=GNUMACH).verdict is Verdict.PASSED


class Misbehaving(ReferenceKernel, ABC):
    """Does something bad when told to list names."""

    def mach_port_names(self, *arguments: Any) -> Any:
        return self.misbehave()

    @abstractmethod
    def misbehave(self) -> Any:
        """What it does, or what it answers."""


class Panics(Misbehaving):
    def misbehave(self) -> Any:
        raise ImplementationCrash("panicked: zalloc\nbacktrace follows")


class Exits(Misbehaving):
    def misbehave(self) -> Any:
        raise SystemExit(7)


class Hangs(Misbehaving):
    def misbehave(self) -> Any:
        while True:
            try:
                time.sleep(0.001)
            except Exception:  # a kernel that will not be told
                continue


class AnswersRubbish(ReferenceKernel):
    def call(self, task: int, call: Call) -> Result:
        return "fine" if call.name == "mach_port_names" else super().call(task, call)  # type: ignore[return-value]


class AnswersWithoutForm(Misbehaving):
    def misbehave(self) -> Any:
        return Result(0, {"names": "many", "types": None})


class ShowsNothing(Misbehaving):
    listed = False

    def misbehave(self) -> Any:
        self.listed = True
        return Result(0, {"names": (), "types": ()})

    def snapshot(self) -> Snapshot:
        if self.listed:
            raise OSError("the connection was lost")
        return super().snapshot()


class ShowsGarbage(ShowsNothing):
    def snapshot(self) -> Snapshot:
        return None if self.listed else ReferenceKernel.snapshot(self)  # type: ignore[return-value]


class ShowsWrongKeys(ShowsNothing):
    def snapshot(self) -> Snapshot:
        shown = ReferenceKernel.snapshot(self)
        return Snapshot({"x": shown.tasks[0]}, shown.ports) if self.listed else shown  # type: ignore[dict-item]


class NeverBoots(ReferenceKernel):
    def boot(self, profile: Profile) -> None:
        raise ImplementationCrash("found no disk")


NAMES = step("mach_port_names", expect={"ret": "KERN_SUCCESS"})


@pytest.mark.parametrize(
    ("kernel", "kind", "seen"),
    [
        (Panics, "crash", "mach_port_names panicked: zalloc backtrace follows"),
        (Exits, "crash", "mach_port_names raised SystemExit: 7"),
        (Hangs, "hang", "mach_port_names did not end within 0.5 s"),
        (AnswersRubbish, "crash", "mach_port_names returned str instead of a Result with a code and outputs"),
        (ShowsGarbage, "crash", "showing the state after mach_port_names: {name} showed a malformed state: expected a Snapshot, got NoneType"),
        (
            ShowsWrongKeys,
            "crash",
            "showing the state after mach_port_names: {name} showed a malformed state: Expected `int`, got `str` - at `key` in `$.tasks`",
        ),
        (ShowsNothing, "crash", "showing the state after mach_port_names raised OSError: the connection was lost"),
    ],
)
def test_a_kernel_that_crashes_or_hangs(kernel: type[ReferenceKernel], kind: str, seen: str) -> None:
    result = replay([script([ALLOCATE, NAMES, MAKE_SEND], [ALLOCATE])], kernel, SecondKernel, call_seconds=0.5)
    case, unharmed = result.cases
    assert (result.verdict, result.crashed, result.passed) == (Verdict.CRASHED, 1, 1)
    assert (case.verdict, case.step, case.call, case.seen) == ("crashed", 1, "mach_port_names", seen.replace("{name}", kernel().name))
    assert case.violation is not None
    assert case.violation.kind == kind
    assert case.trace is not None
    assert case.trace.steps[case.violation.step].call == "mach_port_names"
    assert unharmed.verdict == "passed"


class HangsInAFinalizer(Misbehaving):
    """Python drops what is raised there."""

    seconds = 0.3

    def misbehave(self) -> Any:
        class Slow:
            def __del__(slow) -> None:
                time.sleep(self.seconds)

        Slow()
        while True:
            pass


class NeverEndsAFinalizer(HangsInAFinalizer):
    seconds = 1000.0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kernel", [HangsInAFinalizer, NeverEndsAFinalizer])
def test_a_kernel_that_hangs_in_a_finalizer_is_ended(kernel: type[ReferenceKernel]) -> None:
    case = replay([script([ALLOCATE, NAMES, MAKE_SEND])], kernel, SecondKernel, call_seconds=0.2).cases[0]
    assert (case.verdict, case.seen) == ("crashed", "mach_port_names did not end within 0.2 s")


class HangsInACollection(HangsInAFinalizer):
    """As Hypothesis does, something looks at each garbage collection. Python drops what it raises."""

    def misbehave(self) -> Any:
        gc.callbacks.append(slow_look)
        try:
            gc.collect()
            while True:
                pass
        finally:
            gc.callbacks.remove(slow_look)


def slow_look(phase: str, info: dict[str, int]) -> None:
    time.sleep(0.3)


def test_a_kernel_that_hangs_after_a_slow_garbage_collection_is_ended() -> None:
    """The time limit rings in the collection, and again after it. Nothing is dropped: that would be a warning here."""
    case = replay([script([ALLOCATE, NAMES, MAKE_SEND])], HangsInACollection, SecondKernel, call_seconds=0.2).cases[0]
    assert (case.verdict, case.seen) == ("crashed", "mach_port_names did not end within 0.2 s")


def test_results_that_are_not_of_the_signatures_form_fail() -> None:
    case = run(step("mach_port_names", expect={"names_count_gt": 0}), kernel=AnswersWithoutForm)
    assert case.verdict == "failed"
    assert case.violation is not None
    assert "names" in case.violation.words


def test_a_kernel_that_does_not_boot() -> None:
    case = run(ALLOCATE, kernel=NeverBoots)
    assert (case.verdict, case.step, case.call, case.seen) == ("crashed", None, "boot", "booting found no disk")


def test_a_crash_while_a_presumed_task_is_made() -> None:
    class CreatesNoTask(ReferenceKernel):
        def host_security_create_task_token(self, *arguments: Any) -> Any:
            raise ImplementationCrash("panicked: zone full")

    case = run(ALLOCATE, kernel=CreatesNoTask)
    assert (case.verdict, case.step, case.call) == ("crashed", None, "host_security_create_task_token")
    assert case.reason == "host_security_create_task_token, during the script's set-up"


def test_a_failure_outranks_a_crash() -> None:
    wrong = step("mach_task_self", expect={"ret": "KERN_FAILURE"})
    assert replay([script([NAMES], [wrong])], Panics, SecondKernel).verdict is Verdict.FAILED


def test_an_interrupt_keeps_what_was_found() -> None:
    class Interrupted(Misbehaving):
        def misbehave(self) -> Any:
            raise KeyboardInterrupt

    heard: list[CaseResult] = []
    result: ReplayResult = replay([script([ALLOCATE], [NAMES], [ALLOCATE])], Interrupted, SecondKernel, on_case=heard.append)
    assert result.interrupted
    assert [case.id for case in result.cases] == ["case 0"] == [case.id for case in heard]
    assert result.verdict is Verdict.UNDETERMINED


def test_a_misspelt_call_says_what_was_meant() -> None:
    case = run(step("mach_port_mod_ref"))
    assert case.reason == 'call "mach_port_mod_ref" is not modelled (did you mean mach_port_mod_refs?)'
