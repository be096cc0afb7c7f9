"""An audit as a page: findings with a filter, a timeline, the rights that tasks have to tasks, and the tree of
tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from markupsafe import Markup

from sendright.mach.results.audits import AuditFinding, AuditResult, GroupAudit, Identity, ReportedTask, Severity
from sendright.mach.results.verdicts import Verdict
from sendright.reports.audit.pictures import path_picture, rights_picture, timeline_picture
from sendright.reports.audit.words import counted, invariants_words, missing_words, moment, summary, token_words
from sendright.reports.document import document

FINDINGS = 500
"""Findings on the page; it only counts further ones."""
RIGHTS = 60
"""Rights in the picture; further ones are only in the table."""
WHOLE_TREES = 10
"""If there are more groups than this, the page has only the tasks that findings are about."""
DEPTH = 40
"""The deepest level of the tree; deeper tasks are indented the same."""


class FindingView(msgspec.Struct, frozen=True):
    """A finding, in the form that the template needs."""

    finding: AuditFinding
    when: str
    invariants: str
    picture: Markup | None


class TaskView(msgspec.Struct, frozen=True):
    """A row of the tree of tasks."""

    shown: ReportedTask
    depth: int
    token: str
    when: str
    findings: int


class GroupView(msgspec.Struct, frozen=True):
    """The logs of one group."""

    group: GroupAudit
    title: str
    timelines: tuple[Markup, ...]
    rights: Markup | None
    not_drawn: int
    tree: tuple[TaskView, ...]


def audit_page(result: AuditResult, commands: Sequence[str] = ()) -> str:
    """``result`` as an HTML document; ``commands`` are the command lines that reproduce it."""
    counts = counted(result)
    shown = result.findings[:FINDINGS]
    return document(
        "audit.html",
        ("page.css", "audit.css"),
        "audit.js",
        result=result,
        verdict=result.verdict.value,
        headline=_headline(result),
        summary=summary(result).removeprefix(f"{result.verdict.value}: "),
        counts=[(severity.word, count) for severity, count in counts.items()],
        found=[_finding(finding) for finding in shown],
        not_shown=sum(counts.values()) - len(shown),
        rules=sorted({finding.rule for finding in shown}),
        hosts=sorted({finding.host for finding in shown}),
        groups=[_group(number, group, result) for number, group in enumerate(result.groups)],
        missing_words=missing_words(result),
        answers=[
            (answer, [Markup(path_picture(path)) for path in answer.paths], None if answer.cut is None else list(answer.cut))
            for answer in result.answers
        ],
        commands=list(commands),
        token_words=token_words,
    )


def _headline(result: AuditResult) -> str:
    if result.verdict is Verdict.PASSED:
        return f"No finding of severity {result.fail_on.word} or worse"
    if result.verdict is Verdict.UNDETERMINED:
        return f"No finding of severity {result.fail_on.word} or worse so far; the audit is incomplete"
    if result.verdict is Verdict.ACCEPTED:
        return f"The baseline accepts each finding of severity {result.fail_on.word} or worse"
    counts = [(rule, counts) for group in result.groups for rule, counts in group.counts.items()]
    broken = dict.fromkeys(rule for rule, found in counts if any(n and Severity[word.upper()] >= result.fail_on for word, n in found.items()))
    return f"Broken rule{'s' if len(broken) != 1 else ''}: {', '.join(broken)}"


def _finding(finding: AuditFinding) -> FindingView:
    picture = Markup(path_picture(finding.path)) if finding.path else None
    return FindingView(finding, moment(finding.time), invariants_words(finding), picture)


def _group(number: int, group: GroupAudit, result: AuditResult) -> GroupView:
    tasks = {shown.task: shown for shown in group.tasks}
    found = [finding for finding in result.findings if finding.group == number]
    drawn = group.rights[:RIGHTS]
    timelines = tuple(
        Markup(timeline_picture(world, [finding for finding in found if finding.host == world.host])) for world in group.worlds if world.timeline
    )
    about: dict[Identity, int] = {}
    for finding in found:
        for task in finding.tasks:
            about[task] = about.get(task, 0) + 1
    return GroupView(
        group,
        ", ".join(dict.fromkeys(world.host for world in group.worlds)) or ", ".join(group.files),
        timelines,
        Markup(rights_picture(drawn, tasks)) if drawn else None,
        len(group.rights) - len(drawn) + group.rights_left_out,
        tuple(_tree(tasks if len(result.groups) <= WHOLE_TREES else _involved(tasks, about), about)),
    )


def _involved(tasks: dict[Identity, ReportedTask], about: dict[Identity, int]) -> dict[Identity, ReportedTask]:
    """The tasks that findings are about, and their ancestors."""
    kept: dict[Identity, ReportedTask] = {}
    for task in about:
        while task in tasks and task not in kept:
            kept[task] = tasks[task]
            task = kept[task].parent or task
    return dict(sorted(kept.items()))


def _tree(tasks: dict[Identity, ReportedTask], about: dict[Identity, int]) -> Iterator[TaskView]:
    """The rows of the tree: each task below the one that it came from."""
    children: dict[Identity | None, list[Identity]] = {}
    for task, shown in tasks.items():
        parent = shown.parent if shown.parent in tasks and shown.parent != task else None
        children.setdefault(parent, []).append(task)
    waiting = [(task, 0) for task in reversed(children.get(None, []))]
    while waiting:
        task, depth = waiting.pop()
        shown = tasks[task]
        yield TaskView(shown, min(depth, DEPTH), token_words(shown.token), moment(shown.began), about.get(task, 0))
        waiting += [(child, depth + 1) for child in reversed(children.get(task, []))]
