"""Audits many groups of logs at once: in processes of this machine, or on any ``concurrent.futures.Executor``.

One worker audits a group, from its files to its findings, so workers exchange no data. If a worker dies, another one
audits its group.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec

from sendright.mach.extensions import Prepared, prepared
from sendright.mach.interrupt import POLL, stop_if_interrupted
from sendright.mach.keeper import temporary_directory
from sendright.mach.results.audits import Answer, AuditFinding, AuditResult, GroupAudit, Severity
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof.processes.cluster import result_of
from sendright.model.proof.processes.workers import Lost, in_workers
from sendright.properties.audit.audit import STANDARD_INPUT, Log, audit_group
from sendright.properties.audit.questions import Question

Group: TypeAlias = tuple[Log, ...]
AuditedGroup: TypeAlias = tuple[GroupAudit, tuple[Answer, ...]]
OnProgress: TypeAlias = Callable[[float, float | None, str], None]
"""Called with the bytes done, all bytes (None: unknown), and words."""


def audit_logs(
    groups: Sequence[Group],
    *,
    questions: Sequence[Question] = (),
    fail_on: Severity = Severity.WARNING,
    jobs: int = 1,
    executor: Executor | None = None,
    problem: Callable[[bool], str | None] | None = None,
    on_progress: OnProgress | None = None,
) -> AuditResult:
    """Audit every group, on ``executor``, or else in ``jobs`` processes. ``problem``, which is called now and then with
    whether a group was done, says in words if the executor is lost.

    The result doesn't depend on the executor or on ``jobs``. After Ctrl-C in an ``interruptible`` command it covers the
    finished groups. If a log can't be read at all, the verdict is never PASSED. Nor is it if a group is lost, as the
    processes that worked on it died, or the executor is.
    """
    began = time.monotonic()
    audited: dict[int, AuditedGroup] = {}
    interrupted = False
    with temporary_directory("sendright-audit-") as directory:
        progress = _Progress(groups, Path(directory), on_progress)
        here = executor is None and (jobs <= 1 or len(groups) <= 1 or any(log.path == STANDARD_INPUT for group in groups for log in group))
        each = (
            _in_this_process(groups, questions, progress)
            if here
            else _elsewhere(groups, questions, progress, executor, problem)
            if executor is not None
            else _in_processes(groups, questions, progress, min(jobs, len(groups)))
        )
        try:
            for number, found in each:
                audited[number] = _lost(groups[number], found) if isinstance(found, Lost) else found
                progress.done(number)
        except KeyboardInterrupt:
            interrupted = True
    return _result(audited, fail_on, time.monotonic() - began, interrupted)


def _in_this_process(groups: Sequence[Group], questions: Sequence[Question], progress: _Progress) -> Iterator[tuple[int, AuditedGroup]]:
    for number, group in enumerate(groups):

        def report_bytes(at: int, number: int = number) -> None:
            stop_if_interrupted()
            progress.show({number: at})

        yield number, audit_group(group, questions, report_bytes)


def _lost(group: Group, lost: Lost) -> AuditedGroup:
    """What is known of a group if what worked on it died."""
    return GroupAudit(
        files=tuple(log.path for log in group),
        formats=(),
        records=0,
        facts=0,
        bytes=0,
        seconds=0.0,
        worlds=(),
        findings=(),
        counts={},
        tasks=(),
        tasks_left_out=0,
        rights=(),
        rights_left_out=0,
        complaints=(),
        unreadable=0,
        refused=tuple(f"{log.path}: {lost.words}" for log in group),
        lost=True,
    ), ()


def _work(group: Group, questions: Sequence[Question], report: str) -> AuditedGroup:
    """What a worker does.

    ``report`` is a file in which it writes how many bytes it has done, if that is on its machine. Its tables are beside
    that file then, so that they are removed even if the worker is killed.
    """
    try:
        file = os.open(report, os.O_WRONLY)
    except OSError:
        return audit_group(group, questions)
    try:
        return audit_group(group, questions, lambda at: os.pwrite(file, struct.pack("<q", at), 0), os.path.dirname(report))
    finally:
        os.close(file)


def _prepared_work(needed: Prepared, group: Group, questions: Sequence[Question], report: str) -> AuditedGroup:
    """The same in a process that another program has started: it first adds what this one has."""
    needed.here()
    return _work(group, questions, report)


def _elsewhere(
    groups: Sequence[Group],
    questions: Sequence[Question],
    progress: _Progress,
    executor: Executor,
    problem: Callable[[bool], str | None] | None,
) -> Iterator[tuple[int, AuditedGroup | Lost]]:
    needed = prepared()
    waiting = {executor.submit(_prepared_work, needed, group, questions, progress.file(number)): number for number, group in enumerate(groups)}
    try:
        yield from _as_completed(waiting, progress, problem)
    finally:
        for future in waiting:
            future.cancel()


def _as_completed(
    waiting: dict[Future[AuditedGroup], int], progress: _Progress, problem: Callable[[bool], str | None] | None
) -> Iterator[tuple[int, AuditedGroup | Lost]]:
    """Each group when it is done. Raises a worker's exception; the unfinished groups stay in ``waiting``."""
    why: str | None = None
    while waiting and why is None:
        stop_if_interrupted()
        done, _ = wait(waiting, POLL, FIRST_COMPLETED)
        why = None if problem is None else problem(bool(done))
        for future in done:
            yield waiting.pop(future), result_of(future, Lost(why or "the cluster is gone"))
        progress.show({})
    for future in list(waiting):
        future.cancel()
        yield waiting.pop(future), Lost(why or "the cluster is gone")


def _in_processes(
    groups: Sequence[Group], questions: Sequence[Question], progress: _Progress, jobs: int
) -> Iterator[tuple[int, AuditedGroup | Lost]]:
    items = [(number, group, questions, progress.file(number)) for number, group in enumerate(groups)]
    for (number, *_), found in in_workers(partial(_unpacked, _work), items, jobs, lambda: progress.show({})):
        yield number, Lost(f"{found.words} (is there enough memory?)") if isinstance(found, Lost) else found


def _unpacked(work: Callable[[Group, Sequence[Question], str], AuditedGroup], item: tuple[int, Group, Sequence[Question], str]) -> AuditedGroup:
    return work(*item[1:])


class _Progress:
    """The progress of the groups, from the files that workers write."""

    def __init__(self, groups: Sequence[Group], directory: Path, tell: OnProgress | None) -> None:
        self.directory, self.tell = directory, tell
        self.sizes = [[_size(log.path) for log in group] for group in groups]
        known = [size for sizes in self.sizes for size in sizes]
        self.total = None if None in known else float(sum(size or 0 for size in known))
        self.at = [0.0] * len(groups)
        self.finished = 0
        self.began = time.monotonic()
        for number in range(len(groups)):
            (directory / str(number)).write_bytes(struct.pack("<q", 0))

    def file(self, number: int) -> str:
        """The progress file for the worker of a group."""
        return str(self.directory / str(number))

    def done(self, number: int) -> None:
        """Record that a group is done."""
        self.at[number] = float(sum(size or 0 for size in self.sizes[number]))
        self.finished += 1
        self.show({number: int(self.at[number])})

    def show(self, known: dict[int, int]) -> None:
        """Report the progress, from ``known`` and from the files."""
        if self.tell is None:
            return
        for number, at in known.items():
            self.at[number] = max(self.at[number], float(at))
        if not known:
            for number in range(len(self.at)):
                with contextlib.suppress(OSError, struct.error):
                    self.at[number] = max(self.at[number], float(struct.unpack("<q", (self.directory / str(number)).read_bytes())[0]))
        done, seconds = sum(self.at), time.monotonic() - self.began
        rate = done / seconds if seconds else 0.0
        words = f"{rate / 1e6:.1f} MB/s"
        if self.total is not None and rate:
            left = int(max(0.0, self.total - done) / rate)
            words += f", {left // 60}:{left % 60:02} left"
        if len(self.at) > 1:
            words += f", {self.finished} of {len(self.at)} logs done"
        self.tell(done, self.total, words)


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size if path != STANDARD_INPUT and Path(path).is_file() else None
    except (OSError, ValueError):
        return None


def _result(audited: dict[int, AuditedGroup], fail_on: Severity, seconds: float, interrupted: bool) -> AuditResult:
    """The result of all groups, in their order."""
    groups, findings, answers = [], list[AuditFinding](), list[Answer]()
    for place, number in enumerate(sorted(audited)):
        group, said = audited[number]
        groups.append(group)
        findings += [msgspec.structs.replace(finding, group=place) for finding in group.findings]
        answers += said
    findings.sort(key=lambda finding: (-finding.severity, finding.group, finding.time or 0))
    bad = any(Severity[severity.upper()] >= fail_on for group in groups for counts in group.counts.values() for severity in counts)
    incomplete = interrupted or any(group.refused for group in groups)
    return AuditResult(
        verdict=Verdict.FAILED if bad else Verdict.UNDETERMINED if incomplete else Verdict.PASSED,
        fail_on=fail_on,
        groups=tuple(groups),
        findings=tuple(findings),
        answers=tuple(answers),
        seconds=seconds,
        interrupted=interrupted,
    )
