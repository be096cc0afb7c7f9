"""SARIF 2.1.0: findings for code-scanning views.

A finding's location is where a reader can look: the case of a script, or the line of the kernel's own code that
crashed. A random run has none: its calls are a code flow.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from sendright.mach.results.baselines import Accepted
from sendright.mach.results.checks import ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.added import with_extensions
from sendright.reports.call_text import call_line
from sendright.reports.escape import one_line, visible
from sendright.reports.findings import AnyResult, Finding, findings, not_compared, summary
from sendright.reports.fingerprints import KEY, fingerprint
from sendright.reports.rules import help_uri, rule_text

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
                "rules": [_rule(rule, finding) for rule, finding in sorted(rules.items())],
            },
            **with_extensions(),
        },
        "invocations": [_invocation(result)],
        "results": [_result(finding, result) for finding in found],
        "properties": {"verdict": result.verdict.value, "summary": visible(summary(result))},
    }
    return msgspec.json.format(msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}), indent=2).decode() + "\n"


def _rule(rule: str, finding: Finding) -> dict[str, Any]:
    text = rule_text(finding)
    return {
        "id": visible(rule),
        "shortDescription": {"text": visible(text.short)},
        "fullDescription": {"text": visible(text.full)},
        "helpUri": help_uri(rule),
        "help": {"text": visible(f"{text.short}. {text.full}")},
    }


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
    words = [finding.about, finding.title, *sentences, *map(str, finding.differences)]
    entry: dict[str, Any] = {
        "ruleId": visible(finding.rule),
        "level": finding.level,
        "message": {"text": one_line(". ".join(word.rstrip(".") for word in words if word) + ".")},
        "locations": _locations(finding, result),
    }
    if finding.acceptable:
        entry["partialFingerprints"] = {KEY: fingerprint(finding)}
    if finding.accepted is not None:
        entry["suppressions"] = [suppression(finding.accepted)]
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


def suppression(accepted: Accepted) -> dict[str, Any]:
    """That a baseline accepts a finding."""
    return {"kind": "external", "status": "accepted", "justification": one_line(accepted.words())}


_FRAME = re.compile(r"(?P<file>.+?), line (?P<line>\d{1,9}), in .*")


def _locations(finding: Finding, result: AnyResult) -> list[dict[str, Any]]:
    """Where to look. With nothing to look at: only the case, in words."""
    step = f", call {finding.step + 1}" if finding.step is not None else ""
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": visible((finding.about or finding.rule) + step)}]}
    file, line = finding.file or (result.file if isinstance(result, PolicyResult) else ""), finding.line
    if not file and isinstance(result, ReplayResult) and len(result.files) == 1:
        [file] = result.files
    frame = next((match for words in reversed(finding.frames) if (match := _FRAME.fullmatch(words))), None)
    if frame is not None and not PurePath(frame["file"]).is_absolute():  # an installed package isn't part of the user's repository
        file, line = frame["file"], int(frame["line"])
    if file:
        place: dict[str, Any] = {"artifactLocation": {"uri": file_uri(file)}}
        if line is not None and line > 0:
            place["region"] = {"startLine": line}
        location["physicalLocation"] = place
    return [location] if file or finding.about else []


def file_uri(file: str) -> str:
    """The URI of ``file``; relative if the path is."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")
