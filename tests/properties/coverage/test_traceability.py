"""Every clause of the specification is covered by cases, properties and tests; a reference to something that doesn't
exist is reported.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from support.places import TESTS

from sendright.cli.main import main
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, XNU, Profile
from sendright.mach.results.checks import ClauseTrace, TraceabilityResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.proof.relevance import cases_of, property_titles, touched_cases
from sendright.model.tracing import clauses as specification
from sendright.model.tracing.clauses import has_rules, shared_rules
from sendright.model.tracing.manual_page import CALL, PAGE
from sendright.properties.coverage.tests_found import ANSWERS, FoundTests, find_tests
from sendright.properties.coverage.traceability import trace_specification
from sendright.reports.traceability import trace_lines


@pytest.fixture(scope="module")
def found() -> FoundTests:
    tests = find_tests(TESTS)
    assert tests is not None
    return tests


@pytest.fixture(scope="module")
def whole(found: FoundTests) -> TraceabilityResult:
    """Everything, looked at once."""
    return trace_specification(MANUAL, found)


def traced(call: str, tests: FoundTests | None = None) -> TraceabilityResult:
    return trace_specification(MANUAL, tests, call)


def clause(result: TraceabilityResult, id: str) -> ClauseTrace:
    return next(clause for call in result.calls for clause in call.clauses if clause.id == id)


@pytest.mark.parametrize("call", [name for name in SIGNATURES if MANUAL.serves(name)])
def test_every_clause_of_every_call_is_covered(whole: TraceabilityResult, call: str) -> None:
    if not has_rules(call):
        pytest.skip(f"the specification has no rule for {call} yet")
    assert [problem for problem in whole.problems if problem.startswith((f"{call}/", f"{call}:"))] == []


def test_every_clause_of_the_rules_that_calls_share_is_covered(whole: TraceabilityResult) -> None:
    shared = [call for call in whole.calls if call.name not in SIGNATURES]
    assert len(shared) > 2
    assert [clause.lacks for call in shared for clause in call.clauses if clause.lacks] == []


def test_every_case_of_every_rule_is_a_clause(whole: TraceabilityResult) -> None:
    named = {(call.name, case) for call in whole.calls for clause in call.clauses for case in clause.cases}
    of_calls = {case for call, case in named if call in SIGNATURES}
    for rule in RULES:
        call = rule.partition(":")[0]
        if MANUAL.serves(call) and RULES[rule].applies(MANUAL):
            for case in cases_of(rule, MANUAL):
                assert (rule, case.id) in named or f"{rule}: {case.id}" in of_calls, (rule, case.id)


@pytest.mark.heavy
def test_every_property_has_something_to_say_of_some_case(whole: TraceabilityResult) -> None:
    if not all(map(has_rules, SIGNATURES)):
        pytest.skip("some calls have no rule yet, and a property may speak of them alone")
    touched = {name for call in whole.calls for clause in call.clauses for name in clause.properties}
    touched |= {name for call in specification.all_clauses(XNU) for clause in call.clauses for name in clause.properties}
    # these are about the state before and the answer, so no effect could break them
    touched |= {f"step invariant {number}" for number in (24, 205, 208, 211, 212, 224)}
    stated = {f"invariant {invariant.number}" for profile in (MANUAL, XNU) for invariant in state_invariants(profile)}
    stated |= {f"step invariant {number}" for number in STEP_PROPERTIES}
    assert stated - touched == set()


def test_the_headline_call_takes_and_gives_what_its_page_says() -> None:
    signature = SIGNATURES[CALL]
    taken = ["host_security", "parent_task", "security_token", "audit_token", "ledgers", "inherit_memory"]
    assert [argument.name for argument in signature.arguments if MANUAL.takes(CALL, argument.name)] == taken
    assert [output.name for output in signature.outputs] == ["child_task"]


def test_the_page_has_all_its_sections() -> None:
    assert len({(clause.section, clause.ordinal) for clause in PAGE}) == len(PAGE)
    sections = ["NAME", "SYNOPSIS", "PARAMETERS", "DESCRIPTION", "NOTES", "RETURN VALUES", "RELATED INFORMATION"]
    assert list(dict.fromkeys(clause.section for clause in PAGE)) == sections


def test_a_case_that_no_clause_of_the_page_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_more(k: Context) -> Iterator[Case]:
        *others, last = original.cases(k)
        yield from others
        yield replace(last, title="a child nobody wrote about")

    original = RULES[CALL]
    monkeypatch.setitem(RULES, CALL, replace(original, cases=one_more))
    problems = traced(CALL).problems
    assert f"{CALL}: no clause of its page names the case 'KERN_SUCCESS/a child nobody wrote about'" in problems
    assert f"{CALL}/DESCRIPTION.1: there is no case 'KERN_SUCCESS/a child with the given tokens'" in problems


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cases": ("KERN_SUCCESS/nothing of the sort",)}, "there is no case 'KERN_SUCCESS/nothing of the sort'"),
        ({"cases": ("task_create: KERN_SUCCESS/nothing of the sort",)}, "there is no case 'task_create: KERN_SUCCESS/nothing of the sort'"),
        ({"cases": ("task_destroy",)}, "there is no case 'task_destroy'"),
        ({"cases": ()}, "no case"),
        ({"properties": ("invariant 999",)}, "there is no property 'invariant 999'"),
        ({"properties": ()}, "no property"),
        ({"tests": ("model/proof/test_prove.py::test_nothing",)}, "there is no test 'model/proof/test_prove.py::test_nothing'"),
        ({"tests": ()}, "no test expects KERN_SUCCESS"),
    ],
)
def test_a_reference_to_nothing(monkeypatch: pytest.MonkeyPatch, found: FoundTests, change: dict[str, tuple[str, ...]], words: str) -> None:
    wrong = msgspec.structs.replace(PAGE[0], **change)
    monkeypatch.setattr(specification, "PAGE", (wrong, *PAGE[1:]))
    result = traced(CALL, found)
    assert f"{CALL}/NAME.1: {words}" in result.problems
    assert result.verdict is Verdict.FAILED


def test_an_error_that_no_test_expects(recorded: Path) -> None:
    assert traced("mach_port_type", find_tests(recorded)).problems == (
        "mach_port_type/target.1: no test expects MACH_SEND_INVALID_DEST",
        "mach_port_type/error.1: no test expects KERN_INVALID_TASK",
        "mach_port_type/effect.1: no test expects KERN_SUCCESS",
        "mach_port_type/result.1: no test expects KERN_SUCCESS",
    )


@pytest.mark.parametrize("id", ["NAME.1", "PARAMETERS.1", "RETURN VALUES.1"])
def test_a_test_that_the_page_names_must_expect_the_codes_of_its_cases(monkeypatch: pytest.MonkeyPatch, found: FoundTests, id: str) -> None:
    other = "impl/reference/tasks/test_tokens.py::test_tokens_outlive_their_sender"
    page = tuple(msgspec.structs.replace(one, tests=(other,)) if f"{one.section}.{one.ordinal}" == id else one for one in PAGE)
    monkeypatch.setattr(specification, "PAGE", page)
    codes = {case.partition("/")[0] for one in PAGE if f"{one.section}.{one.ordinal}" == id for case in one.cases}
    problems = traced(CALL, found).problems
    assert set(problems) == {f"{CALL}/{id}: none of its tests expects {code} of {CALL}" for code in codes}


def test_without_a_directory_of_tests_none_is_required(tmp_path: Path) -> None:
    result = traced(CALL, find_tests(tmp_path / "nowhere"))
    assert (result.verdict, result.tests) == (Verdict.PASSED, "")


def test_a_call_without_a_rule_is_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES, "vm_read")
    assert traced("vm_read").problems == ("vm_read: the specification has no rule for it yet",)


def test_a_call_that_always_fails_gives_nothing() -> None:
    parts = {clause.id for call in trace_specification(GNUMACH, None, "task_info").calls for clause in call.clauses}
    assert parts == {f"task_info/{part}" for part in ("target.1", "error.1", "error.2")}


def test_clauses_are_in_the_order_of_the_tests() -> None:
    (call,) = traced("mach_port_get_refs").calls
    assert [clause.words for clause in call.clauses[:3]] == [
        "sent to the port under task; MACH_SEND_INVALID_DEST if there is no send right",
        "KERN_INVALID_TASK: task is not a task's port",
        "KERN_INVALID_VALUE: no such kind of right",
    ]
    assert call.clauses[-1].id == "mach_port_get_refs/result.1"


def test_shared_rules_come_once_after_the_calls() -> None:
    calls = [name for name in SIGNATURES if has_rules(name)]
    assert {"copy in a right", "copy out a right"} <= shared_rules(calls).keys()
    result = traced("task_create")
    assert [call.name for call in result.calls] == ["task_create", "copy out a right", "the message is done with"]
    assert result.calls[0].then == ("copy out a right", "the message is done with")


def test_properties_that_an_effect_can_break_and_those_it_cannot() -> None:
    one = {case.title: case for case in touched_cases("mach_port_mod_refs", MANUAL)}
    assert one["nothing is added"].changes == ()
    added = one["references are added or taken"]
    assert added.changes == ("urefs",)
    assert "invariant 7" in added.properties
    assert not {"invariant 1", "step invariant 29", "theorem 3"} & set(added.properties)
    (made,) = [case for case in touched_cases(CALL, MANUAL) if case.code == "KERN_SUCCESS"]
    assert {"theorem 1", "theorem 2", "theorem 3", "step invariant 30", "step invariant 36", "invariant 38"} <= set(made.properties)
    assert set(made.properties) <= property_titles().keys()


# the tests found


MODULE = """
import pytest
from hypothesis import given, strategies
from support.kernel import NOTHING, Actor, Machine
from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.kernel.call import Call
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.signatures import SIGNATURES

TYPE = "mach_port_type"

@pytest.fixture
def root() -> Actor: return Machine().root

def helper(root): return root.refused(TYPE, name=NOTHING)

def test_expects_it(root): assert root.refused("mach_port_type", name=NOTHING) == "KERN_INVALID_NAME"

def test_expects_it_through_a_helper(root): assert helper(root) == "KERN_INVALID_NAME"

@pytest.mark.parametrize("code", ["KERN_INVALID_NAME"])
def test_expects_it_as_a_parameter(root, code): assert root.refused(TYPE, name=NOTHING) == code

class Group: pass

def test_says_it(root):
    "mach_port_type returns KERN_INVALID_NAME"
    assert {"mach_port_type": "KERN_INVALID_NAME"}  # mach_port_type == KERN_INVALID_NAME
    for signature in SIGNATURES: ReturnCode.KERN_INVALID_NAME

def test_expects_it_of_another_call(root):
    root.result("mach_port_type", name=NOTHING)
    assert root.refused("mach_port_get_refs", name=NOTHING, right=0) == "KERN_INVALID_NAME"

def test_makes_the_call(root): root.result("mach_port_type", name=NOTHING)

def test_expects_any_error(root): root.refused("mach_port_type", name=NOTHING)

def test_would_expect_it(root):
    if root.number: assert root.refused("mach_port_type", name=NOTHING) == "KERN_INVALID_NAME"

def test_expects_it_of_a_kernel_with_a_fault():
    root = Machine(kernel=next(iter(FAULTS.values())).kernel()).root
    assert root.refused("mach_port_type", name=NOTHING) == "KERN_INVALID_NAME"

@pytest.mark.parametrize("seed", [1])
def test_expects_it_in_a_random_run(root, seed): assert root.refused("mach_port_type", name=NOTHING) == "KERN_INVALID_NAME"

@given(strategies.just(NOTHING))
def test_expects_it_in_random_runs(name): assert Machine().root.refused("mach_port_type", name=name) == "KERN_INVALID_NAME"
"""
EXPECTING = {
    f"impl/reference/test_x.py::{name}" for name in ("test_expects_it", "test_expects_it_through_a_helper", "test_expects_it_as_a_parameter")
}


def record(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(TESTS / "record_answers.py"), *arguments, str(directory)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(TESTS)})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of tests whose answers were recorded."""
    directory = tmp_path_factory.mktemp("tests")
    (directory / "impl" / "reference").mkdir(parents=True)
    (directory / "impl/reference/test_x.py").write_text(MODULE)
    done = record(directory)
    assert done.returncode == 0, done.stderr + done.stdout
    return directory


def test_only_a_test_that_makes_the_call_and_expects_the_code_covers_it(recorded: Path) -> None:
    tests = find_tests(recorded)
    assert tests is not None
    assert set(tests.expecting("mach_port_type", "KERN_INVALID_NAME")) == EXPECTING
    assert tests.expecting("mach_port_get_refs", "KERN_INVALID_NAME") == ("impl/reference/test_x.py::test_expects_it_of_another_call",)
    assert len(tests.tests) == 11


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        (
            'def test_expects_it(root): assert root.refused("mach_port_type", name=NOTHING) == ',
            "def test_expects_it(root): assert ",
            ["test_expects_it"],
        ),
        ("return root.refused(TYPE", "return root.fails(TYPE", ["test_expects_it_through_a_helper"]),
        ('TYPE = "mach_port_type"', 'TYPE = "mach_port_get_refs"', ["test_expects_it_through_a_helper", "test_expects_it_as_a_parameter"]),
        ('"code", ["KERN_INVALID_NAME"]', '"code", []', ["test_expects_it_as_a_parameter"]),
        ("class Group: pass", "class Group: other = 1", []),
    ],
)
def test_a_test_that_has_changed_covers_nothing(recorded: Path, tmp_path: Path, old: str, new: str, lost: list[str]) -> None:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "impl/reference/test_x.py").write_text(MODULE.replace(old, new))
    tests = find_tests(tmp_path)
    assert tests is not None
    changed = {f"impl/reference/test_x.py::{name}" for name in lost}
    assert set(tests.changed) == changed
    assert set(tests.expecting("mach_port_type", "KERN_INVALID_NAME")) == EXPECTING - changed


def test_changed_tests_are_named(recorded: Path, tmp_path: Path) -> None:
    """They cover nothing, but they are no clause that isn't covered."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "impl/reference/test_x.py").write_text(MODULE.replace("return root.refused(TYPE", "return root.fails(TYPE"))
    result = traced("mach_port_type", find_tests(tmp_path))
    assert result.changed_tests == ("impl/reference/test_x.py::test_expects_it_through_a_helper",)
    assert not any("changed" in problem for problem in result.problems)
    lines = [line.plain for line in trace_lines(result)]
    begin = lines.index(f"1 test changed since its answers were recorded: run python {tmp_path}/record_answers.py")
    assert lines[begin + 1] == f"  {tmp_path}/impl/reference/test_x.py::test_expects_it_through_a_helper"
    assert not any("changed since" in line.plain for line in trace_lines(result, evidence=True))


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_with_evidence_only_evidence_can_be_missing(profile: Profile, tmp_path: Path) -> None:
    none_cover = find_tests(tmp_path)
    result = trace_specification(profile, none_cover, "mach_port_request_notification", evidence_only=True)
    assert (result.verdict, result.problems) == (Verdict.PASSED, ())
    assert all(clause.evidence and all(clause.evidence.values()) for call in result.calls for clause in call.clauses)
    assert "NOT COVERED" not in "".join(line.plain for line in trace_lines(result, evidence=True))


def test_a_clause_that_names_calls_rests_on_the_page() -> None:
    related = clause(trace_specification(MANUAL, None, CALL, evidence_only=True), f"{CALL}/RELATED INFORMATION.1")
    assert {item.words for items in related.evidence.values() for item in items} == {f"the page {CALL}"}


def test_a_clause_that_rests_on_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sendright.properties.coverage.traceability.evidence_for", lambda *_: None)
    result = trace_specification(MANUAL, None, "mach_port_type", evidence_only=True)
    assert result.verdict is Verdict.FAILED
    assert len(result.problems) == sum(len(call.clauses) for call in result.calls)


def test_progress_counts_to_the_end() -> None:
    seen: list[tuple[float, float | None, str]] = []
    result = trace_specification(MANUAL, None, "mach_port_type", progress=lambda *one: seen.append(one))
    assert [(number, total) for number, total, _ in seen] == [(number, len(result.calls)) for number in range(1, len(result.calls) + 1)]
    assert [name for *_, name in seen] == [call.name for call in result.calls]


def test_the_record_is_checked(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "impl/reference/test_x.py").write_text(MODULE.replace("return root.refused(TYPE", "return root.fails(TYPE"))
    before = (tmp_path / ANSWERS).read_bytes()
    done = record(tmp_path, "--check")
    assert (done.returncode, (tmp_path / ANSWERS).read_bytes()) == (1, before)
    assert "isn't up to date" in done.stderr


def test_only_tests_that_have_changed_are_recorded_again(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "impl/reference/test_x.py").write_text(
        MODULE.replace("def test_makes_the_call(root): root.result", "def test_makes_the_call(root): root.fails")
    )
    right = (tmp_path / ANSWERS).read_text()
    (tmp_path / ANSWERS).write_text(right.replace('"mach_port_type":["KERN_INVALID_NAME"]', '"mach_port_type":["KERN_FAILURE"]'))
    assert record(tmp_path).returncode == 0
    tests = find_tests(tmp_path)
    assert tests is not None
    assert tests.changed == ()
    assert set(tests.expecting("mach_port_type", "KERN_FAILURE")) == EXPECTING
    assert record(tmp_path, "--all").returncode == 0
    assert (tmp_path / ANSWERS).read_text().count('["KERN_INVALID_NAME"]') == right.count('["KERN_INVALID_NAME"]')


def test_a_test_below_the_directory_is_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "impl").mkdir()
    (tmp_path / "impl" / "test_x.py").write_text("def test_one(): pass\n")
    tests = find_tests(tmp_path)
    assert tests is not None
    assert set(tests.tests) == {"impl/test_x.py::test_one"}


# the command


def test_the_command_prints_clauses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace-spec", "--call", CALL, "--tests", str(TESTS)]) == 0
    text = capsys.readouterr().out
    assert "RETURN VALUES.1 KERN_INVALID_SECURITY" in text
    assert "theorem 1" in text
    assert "test_only_the_security_port_will_do" in text
    assert text.splitlines()[-1].startswith("PASSED: ")


def test_the_command_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace-spec", "--call", "mach_port_type", "--tests", str(TESTS), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "PASSED"
    assert [one["id"] for one in data["calls"][0]["clauses"]][:2] == ["mach_port_type/target.1", "mach_port_type/error.1"]
    assert data["titles"]["invariant 8"] == "send rights are counted"


def test_the_command_prints_what_clauses_rest_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["trace-spec", "--evidence", "--call", "mach_port_get_refs", "--tests", str(tmp_path / "none"), "--profile"]
    assert main([*command, "gnumach"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    looked = "ipc_right_lookup_write, ipc_right_info in ipc/ipc_right.c"
    common = [line.removeprefix("if a clause says nothing else, ") for line in lines if line.startswith("if a clause says nothing else, ")]
    assert common[0].startswith("live run: GNU Mach 1.8 of Debian")
    assert common[1:] == [f"source read: mach_port_get_refs in ipc/mach_port.c; {looked}"], "the version stands below Sources"
    begin = next(number for number, line in enumerate(lines) if line.endswith("KERN_INVALID_NAME: the name denotes nothing"))
    assert lines[begin + 1].startswith("effect.1"), "what most clauses rest on stands once"
    assert any(line.startswith("GNU Mach, as of 24 December 2022: https://github.com/") for line in lines)
    assert main([*command, "manual"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("manual page: the page mach_port_get_refs") == 1, "what most clauses rest on stands once"
    assert text.index("if a clause says nothing else, manual page: the page mach_port_get_refs") < text.index("target.1")
    assert "KERN_INVALID_NAME: the name denotes nothing effect.1" in text
    reason = "no manual page says it, and we follow a kernel: mach_port_get_refs in osfmk/ipc/mach_port.c; ipc_right_lookup_write"
    assert f"no such kind of right our decision: {reason}" in text


def test_the_evidence_in_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["trace-spec", "--evidence", "--json", "--call", "mach_port_type", "--tests", str(tmp_path / "none"), "--profile", "xnu"]) == 0
    data = json.loads(capsys.readouterr().out)
    evidence = {case: items for clause in data["calls"][0]["clauses"] for case, items in clause["evidence"].items()}
    [routine, *_] = evidence["KERN_INVALID_NAME/the name denotes nothing"]
    assert routine["kind"] == "source read"
    assert routine["url"] == "https://github.com/apple-oss-distributions/xnu/blob/xnu-11417.101.15/osfmk/ipc/mach_port.c"
    assert data["sources"][0].startswith("XNU 11417.101.15, macOS 15: https://")
    assert data["counts"] == [], "one call isn't a profile"


def test_the_counts_of_all_profiles(whole: TraceabilityResult) -> None:
    assert [count.profile for count in whole.counts] == list(PROFILES)
    table = [line.plain for line in trace_lines(whole, evidence=True)]
    begin = next(number for number, line in enumerate(table) if line.startswith("Cases, each counted for the strongest"))
    for line, count in zip(table[begin + 2 : begin + 7], whole.counts, strict=True):
        assert line.split() == [count.profile, *map(str, count.counts.values()), str(count.cases)]


def test_what_is_not_covered_is_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace-spec", "--call", "mach_port_type", "--tests", str(tmp_path)]) == 1
    assert "NOT COVERED mach_port_type/error.1: no test expects KERN_INVALID_TASK" in capsys.readouterr().out


def test_no_tests_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace-spec", "--call", "mach_port_type", "--tests", str(tmp_path / "none")]) == 0
    assert "Tests were not checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--call", "mach_port_typ"], "did you mean mach_port_type?"),
        (["--call", CALL, "--profile", "gnumach"], "the profile gnumach doesn't serve"),
        (["--profile", "xyz"], "unknown profile"),
    ],
)
def test_bad_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace-spec", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_tests_that_are_no_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_x.py").write_text("def test_x(:\n")
    assert main(["trace-spec", "--call", "vm_read", "--tests", str(tmp_path)]) == 2
    assert "the tests can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"x": {"source": 1, "expected": {}}}', "\xff"])
def test_recorded_answers_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / ANSWERS).write_bytes(text.encode("latin-1"))
    assert main(["trace-spec", "--call", "vm_read", "--tests", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "answers.json" in line
