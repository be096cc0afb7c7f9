from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.recordings import TRAIL, audit_record, end, facts_in, only, returned, subject

from sendright.impl.recordings.bsm.events import event_name
from sendright.mach.results.facts import (
    UNSET,
    ActedOn,
    CredentialsSet,
    ImageReplaced,
    RightToTask,
    SequenceGap,
    TaskBegan,
    TaskEnded,
    TaskRight,
    TaskSeen,
    Unreadable,
)


def test_a_trail() -> None:
    facts = facts_in(TRAIL)
    assert (end(facts).records, end(facts).unreadable) == (8, 0)
    first, second = only(TaskBegan, facts)
    assert (first.task.key, first.parent and first.parent.key, first.how) == ((400, None, 0), (300, None, 0), "fork")
    (image,) = only(ImageReplaced, facts)
    assert image.before is not None
    assert (image.before.key, image.after, image.executable, image.set_user_id, image.owner) == ((400, None, 0), None, "/usr/bin/su", True, 0)
    (credentials,) = only(CredentialsSet, facts)
    assert (credentials.by.token.euid, credentials.call, credentials.values, credentials.succeeded) == (0, "setuid", (0,), True)
    (ended,) = only(TaskEnded, facts)
    assert (ended.task.key, ended.status) == ((400, None, 0), 256)
    assert ended.record.time == datetime(2023, 11, 14, 22, 13, 20, 5000, UTC)
    # Seen after its end: another task, or the same one late
    (seen,) = only(TaskSeen, facts)
    assert (seen.task.key, seen.task.ambiguous) == ((400, None, 1), True)
    assert (second.task.key, second.task.ambiguous) == ((400, None, 2), False)
    (right,) = only(RightToTask, facts)
    assert (right.holder.pid, right.target.key, right.right, right.how, right.name) == (300, (400, None, 2), TaskRight.CONTROL, "task_for_pid", 7835)
    assert str(right.record).startswith("memory:byte ")


def test_subjects_of_every_width_are_the_same() -> None:
    words = subject(77)[1:29]
    for token in (
        b"\x24" + words + bytes(8),
        b"\x75" + words + bytes(12),
        b"\x7a" + words + bytes(4) + b"\0\0\0\4" + bytes(4),
        b"\x7a" + words + bytes(4) + b"\0\0\0\x10" + bytes(16),
        b"\x7c" + words + bytes(8) + b"\0\0\0\x10" + bytes(16),
    ):
        (seen,) = only(TaskSeen, facts_in(audit_record(72, token, returned(0, 0))))
        assert seen.task.token.words == (501, 501, 20, 501, 20, 77, 100001, None)


def test_a_torn_trail_is_read_up_to_the_tear_and_after_a_hole() -> None:
    whole = facts_in(TRAIL)
    torn = facts_in(TRAIL[:-9])
    assert torn[:-2] == whole[:-2]
    (unreadable,) = only(Unreadable, torn)
    assert "ends in the middle" in unreadable.why
    records = TRAIL.index(b"\x14\0")
    hole = TRAIL[: records + 30] + TRAIL[records + 60 :]
    facts = facts_in(hole)
    assert len(only(Unreadable, facts)) == 1
    assert end(facts).records == 7


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_a_trail_may_end_anywhere(cut: int) -> None:
    facts = facts_in(TRAIL[:-cut])
    assert end(facts).records >= 4


def test_a_token_of_no_known_kind_costs_what_follows_it() -> None:
    facts = facts_in(audit_record(72, subject(77), b"\xaa\1\2", returned(0, 0)) + audit_record(72, subject(78), returned(0, 0)))
    assert [fact.task.pid for fact in only(TaskSeen, facts)] == [77, 78]
    (unreadable,) = only(Unreadable, facts)
    assert "0xaa" in unreadable.why


def test_events_have_one_name_however_they_are_shown() -> None:
    for shown in (2, "2", "AUE_FORK", "fork(2)"):
        assert event_name(shown) == "AUE_FORK"
    assert event_name("task_for_pid()") == event_name(43048) == event_name(358) == "AUE_TASKFORPID"
    assert event_name("open(2) - read") == "open(2) - read"


def test_praudit() -> None:
    facts = facts_in("praudit.txt")
    assert end(facts).records == 6
    (unreadable,) = only(Unreadable, facts)
    assert (unreadable.record.place, unreadable.why) == (32, "the file ends in the middle of a record")
    (began,) = only(TaskBegan, facts)
    assert (began.task.pid, began.parent and began.parent.token.auid) == (0x1A2B, UNSET)
    (right,) = only(RightToTask, facts)
    assert (right.target.pid, right.target.token.asid, right.name) == (77, 100001, 7835)
    (image,) = only(ImageReplaced, facts)
    assert (image.executable, image.set_user_id, image.record.time) == ("/bin/ls", True, datetime(2018, 2, 20, 3, 33, 20, 5000, UTC))
    (credentials,) = only(CredentialsSet, facts)
    assert (credentials.call, credentials.values, credentials.succeeded) == ("setreuid", (501, UNSET), False)
    assert credentials.by.token.words == (501, 0, 0, 501, 20, 77, 100001, None)
    (gap,) = only(SequenceGap, facts)
    assert gap.missing == 2
    (killed,) = only(ActedOn, facts)
    assert (killed.how, killed.target.key, killed.target.ambiguous) == ("signal 9", (77, None, 1), True)


def test_praudit_with_another_delimiter_and_a_host() -> None:
    text = (
        "header_ex|91|11|exit(2)|0|10.0.0.1|Tue Feb 20 03:33:23 2018| + 123 msec\n"
        "subject_ex|501|501|20|501|20|77|100001|0|0.0.0.0\nreturn|success|0\ntrailer|91\n"
    )
    (ended,) = only(TaskEnded, facts_in(text.encode()))
    assert (ended.task.pid, ended.record.host, ended.record.time) == (77, "10.0.0.1", datetime(2018, 2, 20, 3, 33, 23, 123000, UTC))


def test_praudit_xml() -> None:
    facts = facts_in("praudit.xml")
    assert [fact.why for fact in only(Unreadable, facts)] == [
        "not XML: mismatched tag: line 1, column 38",
        "the file ends in the middle of a record",
    ]
    (killed,) = only(ActedOn, facts)
    assert (killed.actor.pid, killed.target.pid, killed.how, killed.succeeded) == (9, 77, "signal 9", False)
    (image,) = only(ImageReplaced, facts)
    assert image.executable == "/a&b"


def test_praudit_xml_behind_a_shells_words_and_with_arguments_as_they_were() -> None:
    args = "<arg>sh</arg><arg>-c</arg><arg>a & b < c; \x1b[0m &amp; 1<2</arg>"
    subject_of = '<subject audit-uid="-1" uid="root" gid="wheel" ruid="root" rgid="wheel" pid="1400" sid="100100" tid="0 0.0.0.0" />'
    record = f'<record version="11" event="execve(2)" modifier="0" time="Sun Mar 18 22:56:54 2018" msec=" + 523 msec" ><exec_args>{args}</exec_args>'
    text = f'$ sudo praudit -x /var/audit/current\n[..]\n{record}<path>/bin/sh</path>{subject_of}<return errval="success" retval="0" /></record>\n'
    facts = facts_in(text.encode())
    assert end(facts).unreadable == 0
    (image,) = only(ImageReplaced, facts)
    assert image.before is not None
    assert (image.before.pid, image.before.token.auid, image.executable) == (1400, UNSET, "/bin/sh")


def test_xml_declares_nothing() -> None:
    bomb = '<audit><record version="11" event="fork(2)" time="1" msec="1"><!DOCTYPE a [<!ENTITY a "aaaa">]><path>&a;</path></record></audit>'
    entity = '<audit><record version="11" event="fork(2)" time="1" msec="1"><path>&a;</path></record></audit>'
    for text in (bomb, entity):
        facts = facts_in(text.encode())
        assert len(only(Unreadable, facts)) == 1


def test_jamf() -> None:
    facts = facts_in("jamf-spawn.json")
    (began,) = only(TaskBegan, facts)
    assert (began.task.pid, began.how, began.parent and began.parent.token.auid, began.record.host) == (4711, "posix_spawn", UNSET, "HU-1")
    (image,) = only(ImageReplaced, facts)
    assert (image.before and image.before.pid, image.executable, image.set_user_id, image.how) == (4711, "/usr/bin/login", True, "posix_spawn")
    assert image.record.time == datetime(2025, 3, 4, 5, 6, 1, 250000, UTC)
