"""An audit as rich renderables, for the terminal. All data is ``Text``: rich never parses it as markup."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sendright.mach.results.audits import Answer, AuditFinding, AuditResult, Link, Severity
from sendright.mach.results.verdicts import Verdict
from sendright.reports.audit.words import counted, link_words, missing_words, moment, summary
from sendright.reports.baseline import baseline_lines
from sendright.reports.escape import one_line

SHOWN = 20
"""Findings of a severity that are explained; the table counts all."""
NOTES = 10
COMPLAINTS = 5
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "cyan"}


def audit_terminal(result: AuditResult) -> RenderableType:
    """``result`` for a terminal."""
    return Group(*_parts(result))


def _parts(result: AuditResult) -> Iterator[RenderableType]:
    if any(counted(result).values()):
        yield _table(result)
    for severity, most in ((Severity.ERROR, SHOWN), (Severity.WARNING, SHOWN), (Severity.NOTE, NOTES)):
        found = [finding for finding in result.findings if finding.severity is severity]
        yield from (_finding(finding) for finding in found[:most])
        more = counted(result)[severity] - min(most, len(found))
        if more > 0:
            yield Text(f"… and {more:,} more {severity.word}s: see --html or --json", _STYLES[severity])
    for answer in result.answers:
        yield _answer(answer)
    complaints = [complaint for group in result.groups for complaint in group.complaints]
    yield from (Text(one_line(f"unreadable: {complaint}"), "yellow") for complaint in complaints[:COMPLAINTS])
    if len(complaints) > COMPLAINTS:
        yield Text(f"… and {len(complaints) - COMPLAINTS:,} more unreadable records", "yellow")
    yield from (Text(one_line(f"incomplete: {line}"), "dim") for line in missing_words(result)[:NOTES])
    yield from (Text(one_line(line), "yellow") for line in baseline_lines(result.baseline))
    word, rest = summary(result).split(":", 1)
    good, open_ = result.verdict is Verdict.PASSED, result.verdict in (Verdict.UNDETERMINED, Verdict.ACCEPTED)
    yield Text.assemble((word, "bold green" if good else "bold yellow" if open_ else "bold red"), ":", rest)


def _table(result: AuditResult) -> Table:
    table = Table("rule", "invariants", "errors", "warnings", "notes", title="Findings", title_justify="left")
    names = {name for group in result.groups for name, counts in group.counts.items() if counts}
    numbers = {finding.rule: finding.invariants for finding in result.findings}
    for name in sorted(names):
        cells = [sum(group.counts.get(name, {}).get(word, 0) for group in result.groups) for word in ("error", "warning", "note")]
        table.add_row(name, ", ".join(map(str, numbers.get(name, ()))), *(Text(f"{cell:,}" if cell else "", justify="right") for cell in cells))
    return table


def _finding(finding: AuditFinding) -> RenderableType:
    when = moment(finding.time)
    where = one_line(", ".join(word for word in (finding.host, when) if word))
    head = Text.assemble((finding.severity.word, _STYLES[finding.severity]), f" {finding.rule}: ", one_line(finding.words))
    lines = [Text(where, "dim")]
    lines += [Text(one_line(f"{one}: {one.words}")) for one in finding.evidence[:6]]
    if finding.severity is not Severity.NOTE:
        lines += list(_path(finding.path))
    return Group(head, *(Padding(line, (0, 0, 0, 4)) for line in lines))


def _path(path: tuple[Link, ...]) -> Iterator[Text]:
    for number, link in enumerate(path):
        arrow = f"→ {link.how}: " if number else ""
        evidence = f"  [{link.evidence}]" if link.evidence is not None else ""
        yield Text(one_line(f"{arrow}{link_words(link)}{evidence}"), "red" if link.wrong else "")


def _answer(answer: Answer) -> RenderableType:
    lines: list[RenderableType] = [Text(one_line(f"{answer.host}: {answer.question}: {answer.words}"), "bold underline")]
    for path in answer.paths:
        lines += [Padding(line, (0, 0, 0, 4 + 2 * number)) for number, line in enumerate(_path(path))]
    if answer.cut is not None:
        count = len(answer.cut)
        lines.append(Text(f"to prevent it, remove {count} right{'s' if count != 1 else ''}:"))
        lines += [Padding(Text(one_line(f"{link.how}: {link_words(link)}  [{link.evidence}]")), (0, 0, 0, 4)) for link in answer.cut]
    return Group(*lines)
