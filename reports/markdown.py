"""A result as Markdown: a short summary for a pull request or a CI system's page.

Everything that comes from what was checked is a code span or a code block: so nothing in it is a link, a mention of a
person or an issue, an image, HTML or a heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sendright.mach.results.audits import AuditResult, Severity
from sendright.mach.results.checks import CheckResult, ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.reports.audit.words import counted, missing_words
from sendright.reports.audit.words import summary as audit_summary
from sendright.reports.baseline import baseline_lines
from sendright.reports.escape import one_line
from sendright.reports.findings import AnyResult, Finding, findings, not_compared, summary
from sendright.reports.fingerprints import audit_fingerprint, fingerprint
from sendright.reports.junit import calls
from sendright.reports.rerun import Rerun

FINDINGS = 10
"""Findings that are shown; further ones are counted."""
CALLS = 25
"""Calls of a run that are shown: the last ones."""
LINES = 12
"""Lines of a finding's words."""
WIDTH = 300
"""Characters of a code span at most."""
LONGEST = 60_000
"""Characters of a summary at most: a comment on GitHub may have 65,536."""


def markdown(result: AnyResult, rerun: Rerun) -> str:
    """``result`` as Markdown, with how to run it again."""
    return _limited([*_head(_title(result), summary(result)), *_body(result, rerun)])


def audit_markdown(result: AuditResult, command: str) -> str:
    """An audit as Markdown."""
    return _limited([*_head("audit", audit_summary(result)), *_audited(result, command)])


def code(text: str, most: int = WIDTH) -> str:
    """``text`` as a code span, on one line, shortened to ``most`` characters."""
    line = one_line(text)
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    if not line:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    padding = " " if "`" in line else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def block(lines: list[str]) -> list[str]:
    """``lines`` as a code block."""
    shown = [f"{line[: len(line) - len(line.lstrip())]}{one_line(line)}" for line in lines]
    shown = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in shown]
    fence = "`" * max(3, max((len(run) for line in shown for run in re.findall("`+", line)), default=0) + 1)
    return ["", f"{fence}text", *shown, fence, ""]


def _limited(lines: list[str]) -> str:
    text = "\n".join(lines)
    if len(text) > LONGEST:  # nothing of it may be cut in the middle of a block
        text = "\n".join([*lines[:4], "", "The summary is too long to be shown: see the reports."])
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _head(title: str, words: str) -> list[str]:
    verdict, _, rest = words.partition(": ")
    return [f"### sendright {title}: {verdict}", "", code(rest, 1000)]


def _title(result: AnyResult) -> str:
    if isinstance(result, CheckResult):
        return "check"
    if isinstance(result, ReplayResult):
        return "replay"
    return "policy" if isinstance(result, PolicyResult) else "prove"


def _body(result: AnyResult, rerun: Rerun) -> Iterator[str]:
    found = findings(result)
    faults = [finding for finding in found if finding.level != "note"]
    shown = None
    for finding in faults[:FINDINGS]:
        yield from _finding(finding, finding.trace is None or finding.trace is not shown)
        shown = finding.trace
    if len(faults) > FINDINGS:
        yield from ("", f"… and {len(faults) - FINDINGS:,} more findings: see the reports.")
    known = sum(finding.level == "note" and finding.accepted is None for finding in found)
    if known:
        yield from ("", f"{known:,} obligations are broken as this kernel is known to break them.")
    yield from _lists(baseline_lines(result.baseline), "Baseline")
    yield from _lists(list(not_compared(result)), "Not compared")
    if faults and rerun.commands:
        yield from ("", "To run it again:", *block(list(rerun.commands[:3])))


def _finding(finding: Finding, whole: bool) -> Iterator[str]:
    mark = "Not decided: " if finding.level == "warning" else ""
    yield from ("", f"#### {mark}{code(finding.title)}", "")
    if finding.about:
        yield f"- in {code(finding.about)}"
    if finding.clause and finding.clause != finding.words:
        yield f"- {finding.clause_label or 'Rule'}: {code('; '.join(finding.clause.splitlines()))}"
    words = [line for line in finding.words.splitlines() if line.strip()]
    if len(words) == 1:
        yield f"- {code(words[0])}"
    yield from (f"- {code(str(difference))}" for difference in finding.differences[:LINES] if str(difference) not in finding.words)
    yield f"- fingerprint {code(fingerprint(finding))}" if finding.acceptable else ""
    if len(words) > 1:
        yield from block([*words[:LINES], *(["…"] if len(words) > LINES else [])])
    if whole and finding.example is None and finding.trace is not None and finding.trace.steps:
        lines = calls(finding.trace, finding.step)
        yield from block([*(["…"] if len(lines) > CALLS else []), *lines[-CALLS:]])


def _lists(lines: list[str], title: str) -> Iterator[str]:
    if lines:
        yield from ("", f"**{title}**", "", *(f"- {code(line)}" for line in lines[:LINES]))
        if len(lines) > LINES:
            yield f"- … and {len(lines) - LINES:,} more"


def _audited(result: AuditResult, command: str) -> Iterator[str]:
    accepted = {entry.fingerprint for entry in result.baseline.accepted} if result.baseline else set()
    severe = [one for one in result.findings if one.severity >= result.fail_on]
    bad = [one for one in severe if audit_fingerprint(one) not in accepted]
    if bad:
        yield ""
    for finding in bad[:FINDINGS]:
        evidence = f" ({code(str(finding.evidence[-1]))})" if finding.evidence else ""
        yield f"- {finding.severity.word} {code(finding.rule)}: {code(finding.words)}{evidence}, fingerprint {code(audit_fingerprint(finding))}"
    more = sum(count for severity, count in counted(result).items() if severity >= result.fail_on) - len(bad[:FINDINGS]) - (len(severe) - len(bad))
    if more > 0:
        yield f"- … and {more:,} more: see the reports"
    notes = counted(result)[Severity.NOTE]
    if notes and result.fail_on > Severity.NOTE:
        yield from ("", f"{notes:,} notes: see the reports.")
    yield from _lists([f"{one.question}: {one.words}" for one in result.answers], "Questions")
    yield from _lists(baseline_lines(result.baseline), "Baseline")
    yield from _lists(missing_words(result), "Incomplete")
    if bad:
        yield from ("", "To run it again:", *block([command]))
