"""Reports of an audit: everything from the log is hostile, the page needs nothing else, SARIF is valid."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from rich.console import Console
from support.sarif_schema import SARIF_SCHEMA
from support.synthesized import write_log

from sendright.mach.results.audits import AuditFinding, AuditResult, Evidence, Severity
from sendright.mach.results.verdicts import Verdict
from sendright.properties.audit.audit import Log
from sendright.properties.audit.many import audit_logs
from sendright.properties.audit.questions import Question
from sendright.reports.audit.html import audit_page
from sendright.reports.audit.sarif import audit_sarif
from sendright.reports.audit.terminal import audit_terminal

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202e{{ 7 * 7 }}[bold]'


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    path = write_log(tmp_path_factory.mktemp("log") / "log.json", 3_000, 2, ["inheritance", "control", "chain", "audit-user", "message-token"])
    return audit_logs([(Log(str(path)),)], questions=[Question("who-can-reach", "root", cut=True)])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """The names of programs, of the host and of the file are hostile."""
    path = write_log(tmp_path_factory.mktemp("log") / "<img src=x onerror=alert(3)>.json", 2_000, 2, ["control", "chain", "inheritance"])
    written = json.dumps(HOSTILE)[1:-1].encode()
    text = path.read_bytes()
    for name in (b"/bin/zsh", b"/usr/bin/grep", b"/usr/libexec/sysmond", b"/usr/libexec/entitled_helper"):
        text = text.replace(name, written)
    path.write_bytes(text)
    return audit_logs([(Log(str(path)),)], questions=[Question("who-can-reach", "root")])


class Elements(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_page_has_findings_timeline_rights_and_tree(result: AuditResult) -> None:
    page = audit_page(result, ["sendright audit log.json"])
    elements = Elements(page).found
    findings = [attributes for tag, attributes in elements if tag == "article"]
    assert len(findings) == len(result.findings)
    assert {one["data-severity"] for one in findings} == {"error", "note"}
    kinds = {attributes.get("class") for tag, attributes in elements if tag == "svg"}
    assert kinds == {"derivation", "rights-of", "timeline"}
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(svg)
    assert any("depth-1" in (attributes.get("class") or "") for _, attributes in elements)
    assert "sendright audit log.json" in page


def test_the_headline_names_each_broken_rule(result: AuditResult) -> None:
    headline = audit_page(result).partition("<h1>")[2].partition("</h1>")[0].partition("Broken rules: ")[2]
    errors = {finding.rule for finding in result.findings if finding.severity is Severity.ERROR}
    assert sorted(headline.split(", ")) == sorted(errors)
    holds = msgspec.structs.replace(result, verdict=Verdict.PASSED, findings=())
    assert "No finding of severity warning or worse" in audit_page(holds)


def test_a_page_needs_no_network(result: AuditResult) -> None:
    for tag, attributes in Elements(audit_page(result)).found:
        assert tag not in ("link", "iframe", "img", "object", "embed")
        for name in ("src", "href", "action"):
            assert not (attributes.get(name) or "").startswith(("http", "//"))
    assert "default-src 'none'" in audit_page(result)


def test_hostile_names_stay_text_in_the_page(hostile: AuditResult) -> None:
    page = audit_page(hostile, [HOSTILE])
    elements = Elements(page).found
    assert sum(tag == "script" for tag, _ in elements) == 1
    assert not any(tag == "img" or any(name.startswith("on") for name in attributes) for tag, attributes in elements)
    assert "&lt;script&gt;alert(1)" in page
    assert "{{ 7 * 7 }}" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_hostile_names_stay_text_on_the_terminal(hostile: AuditResult) -> None:
    console = Console(file=StringIO(), width=200, force_terminal=True, color_system="truecolor")
    console.print(audit_terminal(hostile))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]" in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("which", ["result", "hostile"])
def test_sarif_is_valid(which: str, request: pytest.FixtureRequest) -> None:
    audited: AuditResult = request.getfixturevalue(which)
    log = json.loads(audit_sarif(audited, "1.2.3"))
    jsonschema.validate(log, SARIF_SCHEMA)
    (run,) = log["runs"]
    assert len(run["results"]) == len(audited.findings)
    assert run["artifacts"][0]["roles"] == ["analysisTarget"]
    for found, finding in zip(run["results"], audited.findings, strict=True):
        place = found["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["index"] == 0
        assert place["region"]["startLine"] == finding.evidence[-1].place
        assert found["level"] == finding.severity.word
    assert "\x1b" not in audit_sarif(audited, "1")


def test_a_place_in_a_binary_trail_is_an_offset() -> None:
    finding = AuditFinding(
        rule="control",
        invariants=(22,),
        severity=Severity.ERROR,
        host="h",
        time=None,
        title="t",
        words="w",
        evidence=(Evidence("trail", 3_491, "x", True),),
    )
    assert str(finding.evidence[0]) == "trail:byte 3491"
    result = msgspec.structs.replace(_empty(), findings=(finding,))
    place = json.loads(audit_sarif(result, "1"))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"byteOffset": 3_491, "byteLength": 1}


def _empty() -> AuditResult:
    return audit_logs([])


def test_an_audit_of_nothing_is_no_crash() -> None:
    assert "PASSED" in audit_page(_empty())
    jsonschema.validate(json.loads(audit_sarif(_empty(), "1")), SARIF_SCHEMA)


def test_all_findings_are_in_json(result: AuditResult) -> None:
    again = msgspec.json.decode(msgspec.json.encode(result, order="deterministic"), type=AuditResult)
    assert again.findings == result.findings


def test_filtering_in_a_browser(result: AuditResult, tmp_path: Path) -> None:
    from support.browser import CHROMIUM, browse, complaints

    if CHROMIUM is None:
        pytest.skip("Chromium isn't installed")
    page = audit_page(result)
    ask = 'form.elements.words.value = "inheritance"; form.dispatchEvent(new Event("input"));'
    changed = page.replace("  apply();\n}", f"  apply();\n  {ask}\n}}")
    document, log = browse(tmp_path, page, "--dump-dom")
    assert not complaints(log)
    assert f"{len(result.findings)} of {len(result.findings)} shown" in document
    loose = re.sub(r"<meta http-equiv[^>]*>", "", changed)
    document, _ = browse(tmp_path, loose, "--dump-dom")
    assert re.search(rf"<output>1 of {len(result.findings)} shown</output>", document)


def test_of_many_hosts_only_the_tasks_that_findings_are_about_are_shown(result: AuditResult) -> None:
    many = msgspec.structs.replace(result, groups=result.groups * 20)
    shown = [tag for tag, attributes in Elements(audit_page(many)).found if "depth-" in (attributes.get("class") or "")]
    alone = [tag for tag, attributes in Elements(audit_page(result)).found if "depth-" in (attributes.get("class") or "")]
    assert 0 < len(shown) < len(alone)
