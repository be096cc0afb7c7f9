"""JUnit XML, SARIF and the files that a failing run leaves."""

import json
import os
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from rich.console import Console
from support.report_runs import crashed_check, failing_check, hostile_check, proof_result, replay_result
from support.sarif_schema import SARIF_SCHEMA

from sendright.mach.results.checks import CheckResult, ReplayResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Difference
from sendright.mach.state.trace import Trace, Violation
from sendright.reports.escape import one_line, visible
from sendright.reports.findings import AnyResult, findings
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.rerun import Rerun
from sendright.reports.sarif import sarif
from sendright.reports.terminal import terminal
from sendright.reports.write import write_reports, write_text


def outcomes(result: AnyResult) -> dict[str, str]:
    """Each test of the JUnit document, and what became of it."""
    suite = ET.fromstring(junit(result))[0]
    return {case.get("name", ""): next((child.tag for child in case if child.tag != "system-out"), "passed") for case in suite}


def test_junit_of_a_check() -> None:
    assert outcomes(failing_check()) == {"mach_task_self": "passed", "mach_port_insert_right": "failure", "the whole run": "passed"}
    assert outcomes(crashed_check())["mach_port_allocate"] == "error"
    stopped = msgspec.structs.replace(failing_check(), failure=None, verdict=Verdict.UNDETERMINED, interrupted=True)
    assert outcomes(stopped)["the whole run"] == "error"
    document = ET.fromstring(junit(failing_check()))
    assert document.get("failures") == "1"
    failure = document.find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert "> 6. t0: mach_port_insert_right(task = name 7, name = name 3, poly = name 8, disposition = MOVE_SEND) → KERN_SUCCESS" in failure.text


def test_junit_of_a_replay() -> None:
    assert outcomes(replay_result()) == {"good": "passed", "bad": "failure", "later": "skipped", "dead": "error"}


def test_junit_of_a_proof() -> None:
    assert list(outcomes(proof_result()).values()) == ["passed", "passed", "error", "failure"]


@pytest.mark.parametrize("result", [replay_result(), proof_result(), msgspec.structs.replace(failing_check(), failure=None)])
def test_an_interrupted_run_is_no_green_one(result: AnyResult) -> None:
    stopped = msgspec.structs.replace(result, verdict=Verdict.UNDETERMINED, interrupted=True)
    assert list(outcomes(stopped).values())[-1] == "error"
    [notification] = run_of(stopped)["invocations"][0]["toolExecutionNotifications"]
    assert "Interrupted" in notification["message"]["text"]


def test_junit_is_xml_whatever_the_words_are() -> None:
    assert "error" not in outcomes(hostile_check()).values()
    assert r"\x1b[31m\u202e" in junit(hostile_check())


GAPS = ("it doesn't show: <queues> & \x1b memory", "limits other than the kernel's own")


@pytest.mark.parametrize("result", [failing_check(), replay_result()])
def test_what_was_not_compared_is_in_every_report(result: CheckResult | ReplayResult) -> None:
    gaps = [*GAPS]
    result = msgspec.structs.replace(result, not_compared=GAPS)
    if isinstance(result, CheckResult):
        result = msgspec.structs.replace(result, not_made={"no such port": 1200})
        gaps.append("1,200 calls that it can't make: no such port")
    gaps = [visible(words) for words in gaps]
    properties = ET.fromstring(junit(result))[0].findall("properties/property")
    assert [(each.get("name"), each.get("value")) for each in properties] == [("not compared", words) for words in gaps]
    notifications = run_of(result)["invocations"][0]["toolExecutionNotifications"]
    assert notifications == [{"level": "note", "message": {"text": f"Not compared: {words}."}} for words in gaps]
    section = page(result, Rerun()).partition("What was not compared")[2].partition("</section>")[0]
    assert [unescape(item.partition("</li>")[0]) for item in section.split("<li>")[1:]] == gaps


@pytest.mark.parametrize("result", [failing_check(), replay_result(), proof_result()])
def test_where_all_is_compared_no_report_speaks_of_it(result: AnyResult) -> None:
    assert not any("not compared" in text.lower() for text in (junit(result), sarif(result, "1.2"), page(result, Rerun())))


def run_of(result: AnyResult) -> dict[str, Any]:
    log = json.loads(sarif(result, "1.2"))
    jsonschema.validate(log, SARIF_SCHEMA)
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "sendright"
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {one["ruleId"] for one in run["results"]}
    found: dict[str, Any] = run
    return found


def test_sarif_places_a_finding_in_its_script() -> None:
    (one,) = run_of(failing_check())["results"]
    assert (one["ruleId"], one["level"]) == ("check/state", "error")
    assert one["locations"] == [], "no file of the user's has a random run"
    assert len(one["codeFlows"][0]["threadFlows"][0]["locations"]) == 6
    results = run_of(replay_result())["results"]
    assert [one["ruleId"] for one in results] == ["replay/state", "replay/crash"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "some%20cases.json"


def test_sarif_tells_what_is_open_as_a_warning() -> None:
    assert [(one["ruleId"], one["level"]) for one in run_of(proof_result())["results"]] == [
        ("prove/theorem 1", "warning"),
        ("prove/invariant 8", "error"),
    ]
    assert run_of(crashed_check())["invocations"] == [{"executionSuccessful": False}]


def test_a_failing_run_leaves_its_files(tmp_path: Path) -> None:
    result = failing_check()
    written = write_reports(result, tmp_path / "new" / "place", Rerun(), "1.2")
    assert [path.name for path in written] == ["report.html", "junit.xml", "report.sarif", "script.json", "trace.json"]
    assert json.loads(written[3].read_text()) == result.script
    assert msgspec.json.decode(written[4].read_bytes(), type=Trace).final == result.failure.final  # type: ignore[union-attr]
    assert sorted(path.name for path in (tmp_path / "new" / "place").iterdir()) == sorted(path.name for path in written), "nothing else is left"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    old = "// written by sendright\n"
    write_text(path, old)

    def fail(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk"):
        write_text(path, "new")
    assert path.read_text() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("result", [failing_check(), crashed_check(), replay_result(), proof_result(), hostile_check()])
@pytest.mark.parametrize("width", [40, 160])
def test_the_terminal_shows_no_control_character(result: AnyResult, width: int) -> None:
    console = Console(width=width, force_terminal=False, record=False)
    with console.capture() as capture:
        console.print(terminal(result, width, verbose=True))
    text = capture.get()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert result.verdict.value in text


def test_the_table_of_a_proof_fits_the_terminal() -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(terminal(proof_result(), 160, verbose=True))
    lines = capture.get().splitlines()
    assert any("I8" in line and "T1" in line for line in lines)
    assert any("task_create" in line and "✓0.50" in line and "?0.25" in line for line in lines)
    assert any("mach_port_insert_right" in line and "✗0.25" in line for line in lines)


def test_visible() -> None:
    assert visible("plain ünï → ✗\n\t") == "plain ünï → ✗\n\t"
    assert visible("\x1b[2J\x00\x85\u200b\ud800\U000e0041") == r"\x1b[2J\x00\x85\u200b\ud800\U000e0041"
    assert one_line(" a\n b\t") == "a b"


def test_what_is_wrong_comes_before_the_rule_that_it_is_judged_by() -> None:
    """The case of the specification says what would be right: it must not stand where a reader looks for the fault."""
    result = failing_check()
    assert result.failure is not None
    [violation] = result.failure.violations
    html, text = unescape(page(result, Rerun())), told(result, 200)
    box = html.partition('<blockquote class="broken">')[2].partition("</blockquote>")[0]
    assert violation.words in box
    assert violation.clause not in box
    assert f"By the specification: <span>{violation.clause}" in html
    for written in (text, junit(result), sarif(result, "0")):
        assert written.index("the caller gives its user reference up") < written.index(violation.clause)
    assert f"By the specification: {violation.clause}" in " ".join(text.split())


@pytest.mark.parametrize("result", [failing_check(), crashed_check(), replay_result(), proof_result()])
@pytest.mark.parametrize("width", [40, 160])
def test_the_terminal_begins_with_the_verdict(result: AnyResult, width: int) -> None:
    assert told(result, width).lstrip().startswith(f"{result.verdict.value}: ")


@pytest.mark.parametrize(("more", "said"), [(0, None), (1, "1 more difference below"), (2, "2 more differences below")])
def test_how_many_more_differences_there_are(more: int, said: str | None) -> None:
    differences = tuple(Difference(f"task 0, name {number}", "nothing", "dead name") for number in range(more + 1))
    result = failing_check()
    assert result.failure is not None
    violation = Violation(step=5, kind="state", clause="a case", words="; ".join(map(str, differences)), differences=differences)
    failing = msgspec.structs.replace(result, failure=msgspec.structs.replace(result.failure, violations=(violation,)))
    [finding] = findings(failing)
    assert (said in finding.words) if said else ("below" not in finding.words)


def told(result: AnyResult, width: int) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(terminal(result, width))
    return console.export_text()
