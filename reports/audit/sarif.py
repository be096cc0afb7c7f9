"""An audit as SARIF 2.1.0: logs are artifacts, evidence is a location in a log, a derivation path is a code flow."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.mach.results.audits import AuditFinding, AuditResult, Evidence, Link
from sendright.mach.results.baselines import Accepted
from sendright.reports.added import with_extensions
from sendright.reports.audit.words import invariants_words, link_words, moment, summary
from sendright.reports.escape import one_line, visible
from sendright.reports.fingerprints import KEY, audit_fingerprint
from sendright.reports.rules import help_uri
from sendright.reports.sarif import SCHEMA, file_uri, suppression


def audit_sarif(result: AuditResult, version: str) -> str:
    """``result`` as a SARIF log with one run; ``version`` is sendright's own."""
    files = list(dict.fromkeys(file for group in result.groups for file in group.files))
    numbers = {file: number for number, file in enumerate(files)}
    rules = {finding.rule: finding for finding in result.findings}
    accepted = {} if result.baseline is None else {entry.fingerprint: entry for entry in result.baseline.accepted}
    complaints = [complaint for group in result.groups for complaint in (*group.refused, *group.complaints)]
    invocation: dict[str, Any] = {"executionSuccessful": not result.interrupted}
    if complaints:
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": one_line(complaint)}} for complaint in complaints]
    run = {
        "tool": {
            "driver": {
                "name": "sendright",
                "version": version,
                "rules": [_rule(name, finding) for name, finding in sorted(rules.items())],
            },
            **with_extensions(),
        },
        "invocations": [invocation],
        "artifacts": [{"location": {"uri": file_uri(file)}, "roles": ["analysisTarget"]} for file in files],
        "results": [_result(finding, numbers, accepted.get(audit_fingerprint(finding))) for finding in result.findings],
        "properties": {"verdict": result.verdict.value, "summary": visible(summary(result))},
    }
    return msgspec.json.format(msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}), indent=2).decode() + "\n"


def _rule(name: str, finding: AuditFinding) -> dict[str, Any]:
    rule = f"audit/{name}"
    return {
        "id": rule,
        "shortDescription": {"text": finding.title},
        "fullDescription": {"text": finding.about or finding.title},
        "helpUri": help_uri(rule),
        "help": {"text": f"{finding.about or finding.title} This rule checks {invariants_words(finding)}."},
    }


def _result(finding: AuditFinding, numbers: dict[str, int], accepted: Accepted | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "ruleId": f"audit/{finding.rule}",
        "level": finding.severity.word,
        "message": {"text": one_line(f"{finding.words}.")},
        "locations": [_location(one, numbers, one.words) for one in finding.evidence[-1:]],
        "relatedLocations": [_location(one, numbers, one.words) for one in dict.fromkeys(finding.evidence[:-1])],
        "properties": {"host": visible(finding.host), "time": moment(finding.time), "tasks": [str(task) for task in finding.tasks]},
    }
    entry["partialFingerprints"] = {KEY: audit_fingerprint(finding)}
    if accepted is not None:
        entry["suppressions"] = [suppression(accepted)]
    if finding.path:
        entry["codeFlows"] = [{"threadFlows": [{"locations": [_step(link, numbers) for link in finding.path]}]}]
    return entry


def _step(link: Link, numbers: dict[str, int]) -> dict[str, Any]:
    words = one_line(f"{link.how}: {link_words(link)}" if link.how else link_words(link))
    location = _location(link.evidence, numbers, words) if link.evidence is not None else {"message": {"text": words}}
    return {"location": location, "importance": "essential" if link.wrong else "important"}


def _location(evidence: Evidence, numbers: dict[str, int], words: str) -> dict[str, Any]:
    artifact: dict[str, Any] = {"uri": file_uri(evidence.file)}
    if evidence.file in numbers:
        artifact["index"] = numbers[evidence.file]
    region = {"byteOffset": evidence.place, "byteLength": 1} if evidence.binary else {"startLine": max(1, evidence.place)}
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    if words:
        location["message"] = {"text": one_line(words)}
    return location
