"""The audit of one group of logs: read them into a store, run every rule, derive the paths of the findings."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from sendright.impl.recordings.form import RecordingError
from sendright.impl.recordings.read import read_recording
from sendright.mach.interrupt import heeding_at_once
from sendright.mach.keeper import temporary_directory
from sendright.mach.results.audits import (
    Answer,
    AuditFinding,
    Bucket,
    GroupAudit,
    Identity,
    ReportedRight,
    ReportedTask,
    Severity,
    World,
)
from sendright.mach.results.facts import NO_TOKEN, Fact
from sendright.properties.audit.lineage import controls, origins, path_of
from sendright.properties.audit.questions import Question, answer
from sendright.properties.audit.rules import authority as authority_rules
from sendright.properties.audit.rules import holdings as holding_rules
from sendright.properties.audit.rules import identity as identity_rules
from sendright.properties.audit.rules import messages as message_rules
from sendright.properties.audit.rules.rule import RULES, Suspect, evidence, rows
from sendright.properties.audit.store import MINUTE, Store, WorldState

__all__ = ["RULES", "Log", "audit_group", "authority_rules", "holding_rules", "identity_rules", "message_rules"]

STANDARD_INPUT = "-"
FINDINGS = 200
"""The most findings of one rule and severity that are listed; further ones are only counted."""
TASKS = 400
RIGHTS = 300
BUCKETS = 60
"""The number of intervals of the timeline."""


class Log(msgspec.Struct, frozen=True):
    """A log to audit."""

    path: str
    """A file, or - for standard input."""
    form: str | None = None
    """Its form; None: detected from its content."""
    at: str = ""
    """Its absolute path, for a worker with another current directory; "": ``path``."""


Progress: TypeAlias = Callable[[int], object]
"""Called with the number of bytes read."""


def open_log(log: Log) -> tuple[BinaryIO | None, Iterable[Fact]]:
    """The stream of a log, None if it can't be opened, and its facts. The facts raise RecordingError if nothing can
    be read."""
    if log.path == STANDARD_INPUT:
        return sys.stdin.buffer, read_recording(sys.stdin.buffer, log.form, STANDARD_INPUT)
    try:
        with heeding_at_once():  # a pipe without a writer blocks here
            stream = open(log.at or log.path, "rb", buffering=0)  # noqa: SIM115 – the facts are read from it as they are consumed
    except (OSError, ValueError):
        return None, read_recording(log.at or log.path, log.form, log.path)
    return stream, read_recording(stream, log.form, log.path)


def audit_group(
    logs: Sequence[Log],
    questions: Sequence[Question] = (),
    progress: Progress | None = None,
    directory: str | None = None,
) -> tuple[GroupAudit, tuple[Answer, ...]]:
    """Audit ``logs`` together, as those of one host, unless they name different hosts.

    The store is in a temporary directory under ``directory``, and is removed. A log that can't be read at all is listed
    in ``refused``.
    """
    began = time.monotonic()
    with temporary_directory("sendright-audit-", directory) as place:
        store = Store(Path(place))
        try:
            refused: list[str] = []
            done = 0
            for log in logs:
                stream, facts = open_log(log)
                try:
                    store.take(log.path, facts, _progress_of(progress, stream, done))
                except RecordingError as error:
                    refused.append(str(error))
                finally:
                    done += _at(stream)
                    if stream is not None and log.path != STANDARD_INPUT:
                        stream.close()
            store.finish()
            suspects, counts = run_rules(store)
            drawn = origins(store, {task for suspect in suspects.values() for one in suspect for task in one.tasks if task.pid >= 0})
            findings = [_finding(store, rule, suspect, path_of(drawn, suspect), logs) for rule, found in suspects.items() for suspect in found]
            findings.sort(key=lambda finding: (-finding.severity, finding.time or 0))
            rights, rights_left = _rights(store)
            chosen = {task for finding in findings for task in finding.tasks}
            chosen |= {task for right in rights for task in (right.holder, right.target)}
            tasks, tasks_left = _tasks(store, chosen)
            answers = tuple(answer(store, question, _host(store, logs)) for question in questions)
            return GroupAudit(
                files=tuple(log.path for log in logs),
                formats=tuple(store.formats),
                records=store.records,
                facts=store.facts,
                bytes=done,
                seconds=time.monotonic() - began,
                worlds=tuple(_world(store, number, world, logs) for number, world in enumerate(store.worlds)),
                findings=tuple(findings),
                counts=counts,
                tasks=tasks,
                tasks_left_out=tasks_left,
                rights=rights,
                rights_left_out=rights_left,
                complaints=tuple(store.complaints),
                unreadable=store.unreadable,
                refused=tuple(refused),
            ), answers
        finally:
            store.close()


def _progress_of(progress: Progress | None, stream: BinaryIO | None, before: int) -> Callable[[int], object] | None:
    """A function that reports to ``progress`` how many bytes are read; ``before``: the bytes of earlier logs."""
    return None if progress is None else lambda place: progress(before + _at(stream))


def _at(stream: BinaryIO | None) -> int:
    """How many bytes of a file are read."""
    try:
        return 0 if stream is None else stream.tell()
    except (OSError, ValueError):
        return 0


def run_rules(store: Store) -> tuple[dict[str, list[Suspect]], dict[str, dict[str, int]]]:
    """The suspects that each rule found, at most FINDINGS of each severity, and the number of all."""
    suspects: dict[str, list[Suspect]] = {}
    counts: dict[str, dict[str, int]] = {}
    for rule in RULES.values():
        if not any(store.counts[table] for table in rule.needs):
            continue
        counted: Counter[Severity] = Counter()
        kept = suspects[rule.name] = []
        for suspect in rule.find(store):
            counted[suspect.severity] += 1
            if counted[suspect.severity] <= FINDINGS:
                kept.append(suspect)
        counts[rule.name] = {severity.word: count for severity, count in sorted(counted.items(), reverse=True)}
    return suspects, counts


def _finding(store: Store, name: str, suspect: Suspect, path: tuple[object, ...], logs: Sequence[Log]) -> AuditFinding:
    rule = RULES[name]
    return AuditFinding(
        rule=name,
        invariants=rule.invariants,
        severity=suspect.severity,
        host=store.worlds[suspect.world].host or _host(store, logs),
        time=suspect.time,
        title=rule.title,
        about=rule.about,
        words=suspect.words,
        evidence=suspect.evidence,
        path=path,  # type: ignore[arg-type]
        tasks=suspect.tasks,
    )


def _host(store: Store, logs: Sequence[Log]) -> str:
    """The name of a host whose records don't have one."""
    named = next((world.host for world in store.worlds if world.host), "")
    return named or Path(logs[0].path).name


def _world(store: Store, number: int, seen: WorldState, logs: Sequence[Log]) -> World:
    missing = store.ask("SELECT coalesce(sum(missing), 0) FROM gap WHERE world = ?", number)[0][0]
    recorded = store.ask("SELECT count(*) FROM (SELECT 1 FROM call WHERE world = ? LIMIT 1)", number)[0][0]
    unseen = """
        SELECT count(*) FROM (
            SELECT DISTINCT pid, ver FROM sight WHERE world = $1
            EXCEPT SELECT c_pid, c_ver FROM birth WHERE world = $1
            EXCEPT SELECT a_pid, a_ver FROM image WHERE world = $1)
    """
    return World(
        host=seen.host or _host(store, logs),
        files=tuple(seen.files),
        first=seen.first,
        last=seen.last,
        numbered=seen.tells_gaps,
        missing=int(missing),
        calls_recorded=bool(recorded),
        unseen_births=int(store.ask(unseen, number)[0][0]),
        timeline=_timeline(store, number, seen),
    )


def _timeline(store: Store, number: int, seen: WorldState) -> tuple[Bucket, ...]:
    """The number of facts over time, in at most BUCKETS intervals."""
    if seen.first is None or seen.last is None:
        return ()
    first, last = seen.first // MINUTE, seen.last // MINUTE
    width = max(1, -(-(last - first + 1) // BUCKETS))
    facts: Counter[int] = Counter()
    gaps: Counter[int] = Counter()
    for minute, count in seen.minutes.items():
        facts[(minute - first) // width] += count
    for minute, count in seen.gap_minutes.items():
        gaps[(minute - first) // width] += count
    counted = store.ask(
        "SELECT (tm // ? - ?) // ? AS part, count(*) FROM rights WHERE world = ? AND tm >= 0 GROUP BY part", MINUTE, first, width, number
    )
    rights = {int(part): int(count) for part, count in counted}
    parts = range((last - first) // width + 1)
    return tuple(Bucket((first + part * width) * MINUTE, facts[part], rights.get(part, 0), gaps[part]) for part in parts)


def _rights(store: Store) -> tuple[tuple[ReportedRight, ...], int]:
    """The rights to tasks for the report, those that cross identities first, and how many are left out."""
    if not store.counts["rights"]:
        shown = tuple(_listed(store, RIGHTS)) if store.counts["holding"] else ()
        return shown, 0
    total = store.ask("SELECT count(*) FROM (SELECT DISTINCT world, h_pid, h_ver, t_pid, t_ver, right_ FROM rights WHERE succeeded <> 0)")[0][0]
    crossing = "(differs(h_euid, t_euid) OR differs(h_euid, t_ruid))"
    found: list[ReportedRight] = []
    for crosses, condition in ((True, crossing), (False, f"NOT {crossing}")):
        for row in controls(store, condition):
            if len(found) >= RIGHTS:
                break
            words = f"{row.how or row.right_}"
            found.append(
                ReportedRight(
                    holder=row.who("h_"),
                    target=row.who("t_"),
                    right=row.right_,
                    how=row.how,
                    crosses=crosses,
                    evidence=evidence(store, row.file, row.place, words),
                    times=row.times,
                )
            )
    found += list(_listed(store, RIGHTS - len(found)))
    return tuple(found), max(0, int(total) - len(found))


def _listed(store: Store, most: int) -> Iterator[ReportedRight]:
    question = f"SELECT * FROM holding WHERE right_ <> '' AND t_pid >= 0 AND own = 0 AND t_pid <> pid ORDER BY n LIMIT {max(0, most)}"
    for row in rows(store, question):
        yield ReportedRight(
            holder=row.who(),
            target=row.who("t_"),
            right=row.right_,
            how="in a snapshot",
            crosses=False,
            evidence=evidence(store, row.file, row.place, f"name {row.name:#x}"),
        )


def _tasks(store: Store, chosen: set[Identity]) -> tuple[tuple[ReportedTask, ...], int]:
    """The tasks for the report, with their parents, and how many are left out: first those in findings and rights,
    then others."""
    total = store.ask("SELECT count(*) FROM (SELECT DISTINCT world, pid, ver FROM sight)")[0][0]
    if len(chosen) < TASKS:
        question = f"SELECT world, pid, ver FROM (SELECT world, pid, ver, min(n) AS n FROM sight GROUP BY ALL) ORDER BY n LIMIT {TASKS}"
        for row in rows(store, question):
            if len(chosen) >= TASKS:
                break
            chosen.add(row.who())
    graph = origins(store, {task for task in chosen if task.pid >= 0})
    shown = []
    for task, node in graph.nodes(data=True):
        source = next(iter(graph.predecessors(task)), None)
        edge = {} if source is None else graph[source][task]
        shown.append(
            ReportedTask(
                task=task,
                parent=source,
                token=node.get("token", NO_TOKEN),
                program=node.get("program", ""),
                began=edge.get("time"),
                how=edge.get("how", ""),
                evidence=edge.get("evidence"),
            )
        )
    return tuple(sorted(shown, key=lambda one: one.task)), max(0, int(total) - len(shown))
