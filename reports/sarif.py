"""SARIF 2.1.0: findings for code-scanning views. Their locations are steps of a script, because scripts are what
fails."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from sendright.mach.results.checks import CheckResult, ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.added import with_extensions
from sendright.reports.call_text import call_line
from sendright.reports.escape import one_line, visible
from sendright.reports.findings import AnyResult, Finding, findings, not_compared, summary

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(result: AnyResult, version: str) -> str:
    """``result`` as a SARIF log with one run; ``version`` is sendright's own."""
    found = findings(result)
    rules = {finding.rule: finding for finding in found}
    run = {
        "tool": {
            "driver": {
                "name": "sendright",
                "version": version,
                "rules": [{"id": visible(rule), "shortDescription": {"text": visible(finding.title)}} for rule, finding in sorted(rules.items())],
            },
            **with_extensions(),
        },
        "invocations": [_invocation(result)],
        "results": [_result(finding, result) for finding in found],
        "properties": {"verdict": result.verdict.value, "summary": visible(summary(result))},
    }
    return msgspec.json.format(msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}), indent=2).decode() + "\n"


def _invocation(result: AnyResult) -> dict[str, Any]:
    entry: dict[str, Any] = {"executionSuccessful": result.verdict is not Verdict.CRASHED and not result.interrupted}
    notifications = [_notification("note", f"Not compared: {words}.") for words in not_compared(result)]
    if result.interrupted:
        notifications.append(_notification("error", "Interrupted: the results are incomplete."))
    if notifications:
        entry["toolExecutionNotifications"] = notifications
    return entry


def _notification(level: str, words: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": one_line(words)}}


def _result(finding: Finding, result: AnyResult) -> dict[str, Any]:
    rule = finding.labelled_clause if finding.clause != finding.words else ""
    sentences = [rule, finding.words] if finding.violation is None else [finding.words, rule]
    words = [finding.about, *sentences, *map(str, finding.differences)]
    entry: dict[str, Any] = {
        "ruleId": visible(finding.rule),
        "level": finding.level,
        "message": {"text": one_line(". ".join(word.rstrip(".") for word in words if word) + ".")},
        "locations": [_location(finding, result)],
    }
    if finding.trace is not None and finding.trace.steps:
        trace = finding.trace
        places = [
            {"location": {"message": {"text": visible(call_line(step, trace.profile))}}, "importance": _importance(step.index, finding.step)}
            for step in trace.steps
        ]
        entry["codeFlows"] = [{"threadFlows": [{"locations": places}]}]
    return entry


def _importance(index: int, failing: int | None) -> str:
    return "essential" if index == failing else "important"


def _location(finding: Finding, result: AnyResult) -> dict[str, Any]:
    step = f", call {finding.step + 1}" if finding.step is not None else ""
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": visible((finding.about or finding.rule) + step)}]}
    file = None
    if isinstance(result, CheckResult):
        file = "script.json"
    elif isinstance(result, PolicyResult):
        file = result.file
    elif isinstance(result, ReplayResult) and len(result.files) == 1:
        [file] = result.files
    if file is not None:
        location["physicalLocation"] = {"artifactLocation": {"uri": file_uri(file)}}
    return location


def file_uri(file: str) -> str:
    """The URI of ``file``; relative if the path is."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")
