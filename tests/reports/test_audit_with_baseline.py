"""An audit compared with a baseline: what is accepted, what is counted, and what no baseline can accept."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import msgspec
import pytest
from support.synthesized import write_log

from sendright.cli.main import main
from sendright.mach.results.audits import AuditResult, Severity
from sendright.mach.results.baselines import Accepted, Baseline
from sendright.mach.results.verdicts import Verdict
from sendright.properties.audit.audit import Log
from sendright.properties.audit.many import audit_logs
from sendright.reports.baseline import audit_with_baseline
from sendright.reports.fingerprints import audit_fingerprint
from sendright.reports.markdown import audit_markdown


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "log.json", 2_000, 2, ["control", "chain"])


def accepted(result: AuditResult) -> AuditResult:
    found = dict.fromkeys(map(audit_fingerprint, result.findings))
    entries = tuple(Accepted(fingerprint=one, by="Ann", why="known", until="2030-01-01") for one in found)
    return audit_with_baseline(result, Baseline(file="b.toml", entries=entries), date(2026, 1, 1))


def test_findings_in_a_log_that_can_not_be_read_are_not_accepted(log: Path) -> None:
    assert accepted(audit_logs([(Log(str(log)),)])).verdict is Verdict.ACCEPTED
    assert accepted(audit_logs([(Log(str(log)),), (Log(str(log.with_name("none.json"))),)])).verdict is Verdict.FAILED


def test_several_findings_with_one_fingerprint_are_counted_as_they_are(log: Path) -> None:
    result = audit_logs([(Log(str(log)),)], fail_on=Severity.ERROR)
    first = next(one for one in result.findings if one.severity is Severity.ERROR)
    [group] = result.groups
    group = msgspec.structs.replace(group, counts={first.rule: {"error": 3}}, findings=(first,) * 3)
    found = accepted(msgspec.structs.replace(result, findings=(first,) * 3, groups=(group,)))
    assert found.verdict is Verdict.ACCEPTED
    assert "more: see the reports" not in audit_markdown(found, "sendright audit log.json")


def test_the_command_finds_the_same_again(log: Path, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    options = ["--same-host", "--fail-on", "error", "--who-can-reach", "root", "--cut", "--log-format", "endpoint-security"]
    assert main(["audit", str(log), *options, "--quiet", "--html", str(page)]) == 1
    shown = re.search(r"sendright audit [^<]*", page.read_text("utf-8"))
    assert shown
    assert set(options) <= set(shown[0].split())
