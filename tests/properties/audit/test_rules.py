"""Rules on facts that are made by hand: what must be found, and what looks like a fault and is none."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from sendright.mach.results import facts
from sendright.mach.results.audits import Severity
from sendright.mach.results.facts import (
    UNSET,
    CredentialsSet,
    Fact,
    ImageReplaced,
    Record,
    RightToTask,
    SequenceGap,
    Task,
    TaskBegan,
    TaskRight,
    TaskSeen,
    Token,
)
from sendright.properties.audit.audit import run_rules
from sendright.properties.audit.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
ANNA = Token(501, 501, 20, 501, 20, 400, 100_012, 4_000)
ROOT = Token(UNSET, 0, 0, 0, 0, 1, 100_012, 742)


def at(second: float, line: int | None = None, numbered: bool = True, boot: float = 0.0) -> Record:
    """A record of an eslogger-like log, so many seconds after its start."""
    order = int((second - boot) * 1_000_000_000) + 1
    return Record(
        "log", int(second) + 1 if line is None else line, "x", START + timedelta(seconds=second), order, "", int(second) if numbered else None
    )


def task(token: Token, **changes: int) -> Task:
    """Who has ``token``, with changes."""
    now = msgspec.structs.replace(token, **changes)
    assert now.pid is not None
    return Task(now.pid, now.pidversion, 0, False, now)


def judged(given: Sequence[Fact]) -> dict[str, list[Severity]]:
    """Which rules find how bad things."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        try:
            store.take("log", [facts.RecordingBegan(Record("log", 0), "x", True), *given])
            store.finish()
            suspects, _ = run_rules(store)
            return {rule: [one.severity for one in found] for rule, found in suspects.items() if found}
        finally:
            store.close()


SOME_CALL = CredentialsSet(at(0), task(ROOT, pid=9, pidversion=9), "setuid", (0,))
"""So that credential calls are known to be recorded."""


# ---- what looks like a fault and is none


def test_an_agent_gets_user_and_session_with_its_image() -> None:
    before = task(ROOT, pid=500, pidversion=149_091, asid=100_014)
    after = task(ANNA, pid=500, pidversion=149_092, asid=100_015)
    assert judged([SOME_CALL, ImageReplaced(at(1), before, after, "/bin/agent", 0o100755, 0, 0)]) == {}


def test_set_id_images() -> None:
    tty = ImageReplaced(at(2), task(ANNA, pidversion=5), task(ANNA, pidversion=6, egid=4), "/usr/bin/write", 0o102755, 0, 4)
    sudo = ImageReplaced(at(1), task(ANNA), task(ANNA, euid=0, pidversion=4_001), "/usr/bin/sudo", 0o104755, 0, 0)
    assert judged([SOME_CALL, sudo, tty]) == {}


def test_an_image_with_the_real_ids_for_effective_ones() -> None:
    daemon = task(ANNA, euid=70, egid=70)
    assert judged([SOME_CALL, ImageReplaced(at(1), daemon, task(ANNA, pidversion=4_001), "/bin/sh", 0o100755, 0, 0)]) == {}


def test_an_image_of_which_only_the_state_after_is_recorded() -> None:
    assert judged([ImageReplaced(at(1), None, task(ANNA), "/bin/sh")]) == {}


def test_who_joins_a_session_may_get_its_audit_user() -> None:
    assert judged([SOME_CALL, TaskSeen(at(1), task(ANNA)), TaskSeen(at(2), task(ANNA, auid=502, asid=100_013))]) == {}


def test_an_audit_user_is_set_once() -> None:
    assert judged([SOME_CALL, TaskSeen(at(1), task(ANNA, auid=UNSET)), TaskSeen(at(2), task(ANNA))]) == {}


def test_a_saved_id_comes_back() -> None:
    daemon = task(ROOT, pid=70, pidversion=70)
    as_anna = task(ROOT, pid=70, pidversion=70, euid=501)
    assert judged([SOME_CALL, TaskSeen(at(1), daemon), TaskSeen(at(2), as_anna), TaskSeen(at(3), daemon)]) == {}


def test_versions_begin_again_with_another_boot() -> None:
    child = TaskBegan(at(5), task(ANNA, pid=401, pidversion=4_100), task(ANNA), "fork")
    again = TaskBegan(at(900, boot=899), task(ANNA, pid=401, pidversion=4_100), task(ANNA), "fork")
    assert judged([child, TaskSeen(at(6), task(ANNA)), again]) == {}


def test_one_event_told_by_two_recorders() -> None:
    child = task(ANNA, pid=401, pidversion=4_100)
    assert judged([TaskBegan(at(5, 1), child, task(ANNA), "fork"), TaskBegan(at(5, 2), child, task(ANNA), "fork")]) == {}


def test_events_in_another_order_than_they_happened() -> None:
    sudo = CredentialsSet(at(2), task(ANNA, euid=0), "setuid", (0,))
    seen = [TaskSeen(at(3), task(ANNA, euid=0, ruid=0)), sudo, TaskSeen(at(1), task(ANNA, euid=0))]
    assert judged(seen) == {}


def test_a_sender_that_has_another_image_since_is_the_same() -> None:
    later = msgspec.structs.replace(ANNA, pidversion=3_999)
    assert judged([facts.Message(at(1), "handled", task(ROOT), task(ANNA), later, None, "od_group_add")]) == {}


def test_a_right_that_was_refused_is_none() -> None:
    assert judged([RightToTask(at(1), task(ANNA), task(ROOT), TaskRight.CONTROL, "task_for_pid", succeeded=False)]) == {}


def test_control_of_a_task_of_ones_own() -> None:
    assert judged([RightToTask(at(1), task(ANNA), task(ANNA, pid=401, pidversion=8), TaskRight.CONTROL, "task_for_pid")]) == {}


def test_a_set_id_image_is_not_its_starters() -> None:
    """Anna controls her shell, which starts sudo, which controls a daemon: that is sudo's doing."""
    debugger, shell = task(ANNA), task(ANNA, pid=401, pidversion=8)
    child, sudo = task(ANNA, pid=402, pidversion=9), task(ANNA, pid=402, pidversion=10, euid=0)
    seen = [
        SOME_CALL,
        RightToTask(at(1), debugger, shell, TaskRight.CONTROL, "task_for_pid"),
        TaskBegan(at(2), child, shell, "fork"),
        ImageReplaced(at(3), child, sudo, "/usr/bin/sudo", 0o104755, 0, 0),
        RightToTask(at(4), sudo, task(ROOT), TaskRight.CONTROL, "task_for_pid"),
    ]
    assert "chain" not in judged(seen)


# ---- what can't be told


SUDDENLY = [TaskSeen(at(1), task(ANNA)), TaskSeen(at(3), task(ANNA, euid=0))]


def test_without_a_record_of_any_credential_call_a_change_is_a_note() -> None:
    assert judged(SUDDENLY) == {"effective-ids": [Severity.NOTE]}


def test_calls_for_user_ids_say_nothing_of_group_ids() -> None:
    groups = [TaskSeen(at(1), task(ANNA)), TaskSeen(at(3), task(ANNA, egid=80))]
    assert judged([SOME_CALL, *groups]) == {"effective-ids": [Severity.NOTE]}
    of_groups = CredentialsSet(at(0), task(ROOT, pid=9, pidversion=9), "setgid", (0,))
    assert judged([of_groups, *groups]) == {"effective-ids": [Severity.ERROR]}
    assert judged([of_groups, *SUDDENLY]) == {"effective-ids": [Severity.NOTE]}


def test_where_records_are_missing_a_change_is_a_note() -> None:
    gap = SequenceGap(at(2, numbered=True), "", 1, 7)
    lost = [SOME_CALL, SUDDENLY[0], gap, TaskSeen(at(2), task(ROOT)), SUDDENLY[1]]
    assert judged(lost) == {"effective-ids": [Severity.NOTE]}


def test_where_records_are_missing_elsewhere_it_is_an_error() -> None:
    before = [SOME_CALL, TaskSeen(at(0.2), task(ROOT)), SequenceGap(at(0.5), "", 1, 7), TaskSeen(at(0.5), task(ROOT))]
    assert judged([*before, *SUDDENLY]) == {"effective-ids": [Severity.ERROR]}


def test_where_records_are_not_numbered_a_change_is_a_note() -> None:
    seen = [CredentialsSet(at(0, numbered=False), task(ROOT), "setuid", (0,))]
    seen += [TaskSeen(at(1, numbered=False), task(ANNA)), TaskSeen(at(3, numbered=False), task(ANNA, euid=0))]
    assert judged(seen) == {"effective-ids": [Severity.NOTE]}


def test_an_image_whose_mode_is_not_recorded_is_a_note() -> None:
    image = ImageReplaced(at(1), task(ANNA), task(ANNA, euid=0, pidversion=4_001), "/usr/bin/sudo")
    assert judged([SOME_CALL, image]) == {"effective-ids": [Severity.NOTE]}


def test_a_child_with_its_parents_identity_is_a_note_where_tokens_are_cut() -> None:
    cut = Token(euid=501, egid=20, ruid=501, rgid=20, pid=12, pidversion=34)
    assert judged([TaskBegan(at(1), task(cut), task(cut), "fork")]) == {"reuse": [Severity.NOTE]}
    assert judged([TaskBegan(at(1), task(ANNA), task(ANNA), "fork")]) == {"reuse": [Severity.ERROR]}


def test_an_identity_that_comes_twice_by_the_wall_clock_alone_is_a_note() -> None:
    def born(second: float, ordered: bool) -> TaskBegan:
        record = at(second) if ordered else msgspec.structs.replace(at(second), order=None)
        return TaskBegan(record, task(ANNA, pid=401, pidversion=4_100), task(ANNA), "fork")

    assert judged([born(5, True), born(900, True)]) == {"reuse": [Severity.ERROR]}
    assert judged([born(5, False), born(900, False)]) == {"reuse": [Severity.NOTE]}


def test_what_an_ambiguous_task_does_is_a_note() -> None:
    unsure = msgspec.structs.replace(task(ANNA), ambiguous=True)
    assert judged([RightToTask(at(1), unsure, task(ROOT), TaskRight.CONTROL, "task_for_pid")]) == {"control": [Severity.NOTE]}


# ---- what is found


def test_a_change_without_a_call() -> None:
    assert judged([SOME_CALL, *SUDDENLY]) == {"effective-ids": [Severity.ERROR]}


def test_a_call_of_somebody_elses_explains_nothing() -> None:
    other = CredentialsSet(at(2), task(ANNA, pid=77, pidversion=77, euid=0), "setuid", (0,))
    assert judged([SOME_CALL, SUDDENLY[0], other, SUDDENLY[1]]) == {"effective-ids": [Severity.ERROR]}


def test_a_call_that_failed_explains_nothing() -> None:
    failed = CredentialsSet(at(2), task(ANNA), "setuid", (0,), False)
    assert judged([SOME_CALL, SUDDENLY[0], failed, SUDDENLY[1]]) == {"effective-ids": [Severity.ERROR]}


@pytest.mark.parametrize("word", ["auid", "euid", "egid", "ruid", "rgid", "asid"])
def test_each_word_of_a_childs_token(word: str) -> None:
    child = task(ANNA, pid=401, pidversion=4_001, **{word: 77})
    assert judged([TaskBegan(at(1), child, task(ANNA), "fork")]) == {"inheritance": [Severity.ERROR]}
    assert judged([TaskBegan(at(1), child, task(ANNA), "host_security_create_task_token", given=True)]) == {}


def test_a_right_to_read_root_is_a_warning_and_one_to_its_name_nothing() -> None:
    found = {right: judged([RightToTask(at(1), task(ANNA), task(ROOT), right, "x")]) for right in TaskRight}
    assert found[TaskRight.CONTROL] == {"control": [Severity.ERROR]}
    assert found[TaskRight.READ] == {"control": [Severity.WARNING]}
    assert found[TaskRight.INSPECT] == found[TaskRight.NAME] == {}


def test_what_takes_control_is_as_good_as_a_right() -> None:
    assert judged([facts.ActedOn(at(1), task(ANNA), task(ROOT), "remote_thread_create")]) == {"control": [Severity.ERROR]}
    assert judged([facts.ActedOn(at(1), task(ANNA), task(ROOT), "signal 9")]) == {}


def test_programs_of_the_system_and_root_are_notes() -> None:
    part = msgspec.structs.replace(task(ANNA), platform=True)
    assert judged([RightToTask(at(1), part, task(ROOT), TaskRight.CONTROL, "task_for_pid")]) == {"control": [Severity.NOTE]}
    assert judged([RightToTask(at(1), task(ROOT), task(ANNA), TaskRight.CONTROL, "task_for_pid")]) == {"control": [Severity.NOTE]}


def of(platform: bool | None, program: str, token: Token = ANNA) -> Task:
    """A task whose image is known so well."""
    return msgspec.structs.replace(task(token), platform=platform, executable=program)


@pytest.mark.parametrize(
    ("holder", "severity"),
    [
        (of(True, "/Applications/x"), Severity.NOTE),
        (of(False, "/usr/bin/x"), Severity.ERROR),
        (of(None, "/usr/libexec/x"), Severity.NOTE),
        (of(None, "/usr/local/bin/x"), Severity.ERROR),
        (of(None, ""), Severity.ERROR),
        (of(None, "", msgspec.structs.replace(ANNA, euid=88, ruid=88)), Severity.NOTE),
    ],
)
def test_what_is_a_program_of_the_system(holder: Task, severity: Severity) -> None:
    assert judged([RightToTask(at(1), holder, task(ROOT), TaskRight.CONTROL, "task_for_pid")]) == {"control": [severity]}


def test_a_trailer_with_anothers_token() -> None:
    record = Record("trace", 3, "mach_msg_receive")
    sender = Task(1, None, 0, False, ANNA)
    sent = facts.Message(Record("trace", 2, "mach_msg_send"), "sent", sender, sender, ANNA, 5)
    right = facts.Message(record, "received", Task(0, None, 0, False, ROOT), sender, ANNA, 5)
    wrong = facts.Message(record, "received", Task(0, None, 0, False, ROOT), None, msgspec.structs.replace(ANNA, euid=0), 5)
    assert judged([sent, right]) == {}
    assert judged([sent, wrong]) == {"message-token": [Severity.ERROR]}


def test_two_equal_records_are_kept_as_first_and_last() -> None:
    """So that what happened between two sights is looked for between the nearest ones."""
    many = [TaskSeen(at(second), task(ANNA)) for second in range(1, 40)]
    gap = SequenceGap(at(5), "", 1, 7)
    assert judged([SOME_CALL, *many[:4], gap, *many[4:], TaskSeen(at(41), task(ANNA, euid=0))]) == {"effective-ids": [Severity.ERROR]}
