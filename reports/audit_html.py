"""An audit as a page: findings that can be filtered, what happened when, who has rights to whose tasks, and the tree of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from markupsafe import Markup

from sendright.mach.audit_results import AuditFinding, AuditResult, GroupAudit, Identity, ReportedTask
from sendright.mach.verdicts import Verdict
from sendright.reports.audit_pictures import path_picture, rights_picture, timeline_picture
from sendright.reports.audit_words import counted, invariants_words, moment, not_seen, summary, token_words
from sendright.reports.document import document

FINDINGS = 500
"""Findings on the page; further ones are counted."""
RIGHTS = 60
"""Rights that are drawn; further ones are in the table."""
WHOLE_TREES = 10
"""Up to so many groups have all their tasks on the page; of more, only those that findings are about."""
DEPTH = 40
"""Of the tree; what is deeper is shown there."""


class FindingView(msgspec.Struct, frozen=True):
    """A finding, ready to be shown."""

    finding: AuditFinding
    when: str
    invariants: str
    picture: Markup | None


class TaskView(msgspec.Struct, frozen=True):
    """A row of the tree."""

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
    """``result`` as an HTML document; ``commands`` are how to get it again."""
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
        not_seen=not_seen(result),
        answers=[
            (answer, [Markup(path_picture(path)) for path in answer.paths], None if answer.cut is None else list(answer.cut))
            for answer in result.answers
        ],
        commands=list(commands),
        token_words=token_words,
    )


def _headline(result: AuditResult) -> str:
    if result.verdict is Verdict.PASSED:
        return "Nothing that breaks a rule was found"
    if result.verdict is Verdict.UNDETERMINED:
        return "Nothing was found so far, but not everything was looked at"
    return result.findings[0].title.capitalize() + ": broken" if result.findings else "Rules are broken"


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
    """The tasks that findings are about, and those that they came from."""
    kept: dict[Identity, ReportedTask] = {}
    for task in about:
        while task in tasks and task not in kept:
            kept[task] = tasks[task]
            task = kept[task].parent or task
    return dict(sorted(kept.items()))


def _tree(tasks: dict[Identity, ReportedTask], about: dict[Identity, int]) -> Iterator[TaskView]:
    """The tasks, each below the one that it came from."""
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
