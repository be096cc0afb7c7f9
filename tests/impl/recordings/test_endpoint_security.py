from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pytest
from support.recordings import RECORDINGS, end, facts_in, only

from sendright.mach.results.facts import (
    UNSET,
    ActedOn,
    CredentialsSet,
    ImageReplaced,
    Message,
    RightToTask,
    SequenceGap,
    TaskBegan,
    TaskEnded,
    TaskRight,
    TaskSeen,
    Token,
    Unreadable,
)

EIGHT = Token(11, 12, 13, 14, 15, 16, 17, 18)
SPELLINGS = [
    '{"rgid":15,"pidversion":18,"auid":11,"pid":16,"euid":12,"asid":17,"egid":13,"ruid":14}',
    '{"uuid":"A-1","auid":11,"euid":12,"egid":13,"ruid":14,"rgid":15,"pid":16,"asid":17,"pidversion":18}',
    "[11,12,13,14,15,16,17,18]",
    '"pid:16, euid:12, ruid:14, rgid:15, egid:13, asid:17, auid:11, pidversion:18"',
    '"11-12-13-14-15-16-17-18"',
    '"11, 12, 13, 14, 15, 16, 17, 18"',
    '{"auid":"11","euid":"12","egid":"13","ruid":"14","rgid":"15","pid":"16","asid":"17","pidversion":"18"}',
]


def exit_of(token: str, version: int = 7, rest: str = "") -> bytes:
    return f'{{"version":{version},"event_type":15,{rest}"process":{{"audit_token":{token}}},"event":{{"exit":{{"stat":0}}}}}}\n'.encode()


@pytest.mark.parametrize("version", range(1, 12))
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_token_is_the_same_in_every_spelling_whatever_the_version(spelled: str, version: int) -> None:
    (ended,) = only(TaskEnded, facts_in(exit_of(spelled, version)))
    assert ended.task.token == EIGHT
    assert ended.task.key == (16, 18, 0)


def test_words_that_a_kernel_keeps_signed_are_unsigned() -> None:
    (ended,) = only(TaskEnded, facts_in(exit_of("[-1,-2,20,501,20,700,100000,-2147483648]")))
    assert ended.task.token.words == (UNSET, 0xFFFFFFFE, 20, 501, 20, 700, 100000, 0x80000000)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("[1,2,3,4,5,6,7]", "length 8, got 7"),
        ("[1,2,3,4,5,6,7,8,9]", "length 8, got 9"),
        ("[1,2,3,4,5,4294967296,7,8]", "more than 32 bits"),
        ("[1,2,3,4,5,1e400,7,8]", "out of range"),
        ('"1-2-3-4-5-6-7"', "not an audit token"),
        ('"pid:3, shoe:4"', "not an audit token"),
        ("{}", "without a pid"),
        ("null", "not an audit token"),
        ("true", "Expected"),
    ],
)
def test_what_is_no_token_is_told_and_the_rest_is_read(token: str, why: str) -> None:
    facts = facts_in(exit_of(token) + exit_of(SPELLINGS[0]))
    (unreadable,) = only(Unreadable, facts)
    assert why in unreadable.why
    assert str(unreadable.record) == "memory:1"
    assert len(only(TaskEnded, facts)) == 1
    assert (end(facts).records, end(facts).unreadable) == (1, 1)


def test_eslogger() -> None:
    facts = facts_in("eslogger.jsonl")
    assert end(facts).unreadable == 0
    assert end(facts).records == 11
    assert end(facts).kinds == {
        "fork": 2,
        "exec": 2,
        "open": 1,
        "setuid": 1,
        "get_task": 1,
        "get_task_read": 1,
        "signal": 1,
        "od_modify_password": 1,
        "exit": 1,
    }
    forks, execs = only(TaskBegan, facts), only(ImageReplaced, facts)
    assert [(fork.task.key, fork.parent and fork.parent.key, fork.how) for fork in forks] == [
        ((640, 9010, 0), (600, 9001, 0), "fork"),
        ((641, 9020, 0), (600, 9001, 0), "fork"),
    ]
    first, second = execs
    assert first.before is not None
    assert first.after is not None
    assert (first.before.key, first.after.key, first.executable, first.owner) == ((640, 9010, 0), (640, 9013, 0), "/usr/bin/su", 0)
    assert (first.set_user_id, first.set_group_id) == (True, False)
    assert (first.before.token.euid, first.after.token.euid) == (501, 0)
    assert second.set_user_id is False
    assert first.record.time == datetime(2025, 3, 4, 5, 6, 2, 123457, UTC)
    assert first.record.order == 2000
    assert first.before.parent is not None
    assert first.before.parent.pidversion == 9001
    assert [(fact.by.pid, fact.call, fact.values) for fact in only(CredentialsSet, facts)] == [(640, "setuid", (0,))]
    assert [(fact.holder.pid, fact.target.pid, fact.right, fact.how, fact.succeeded) for fact in only(RightToTask, facts)] == [
        (640, 1, TaskRight.CONTROL, "task_for_pid", True),
        (600, 1, TaskRight.READ, "expose_task", False),
    ]
    assert [(fact.actor.pid, fact.target.pid, fact.how) for fact in only(ActedOn, facts)] == [(600, 640, "signal 15")]
    (message,) = only(Message, facts)
    assert (message.action, message.task.pid, message.sender) == ("handled", 88, None)
    assert message.token is not None
    assert message.token.pid == 640
    assert [fact.status for fact in only(TaskEnded, facts)] == [256]
    assert [fact.task.executable for fact in only(TaskSeen, facts)] == ["/usr/bin/su"]
    (gap,) = only(SequenceGap, facts)
    assert (gap.stream, gap.missing, gap.record.place) == ("", 3, 7)


def test_the_same_records_pretty_printed_in_an_array_and_compressed() -> None:
    lines = (RECORDINGS / "eslogger.jsonl").read_text().splitlines()
    expected = [(type(fact), getattr(fact, "task", None)) for fact in facts_in("eslogger.jsonl")]
    messages = [json.loads(line) for line in lines]
    for text in (
        json.dumps(messages),
        json.dumps(messages, indent=2),
        json.dumps({"took": 3, "events": messages}),
        "\n".join(json.dumps(message, indent=4) for message in messages),
        "\ufeff" + "\r\n".join(lines),
    ):
        assert [(type(fact), getattr(fact, "task", None)) for fact in facts_in(text.encode())] == expected
    assert [(type(fact), getattr(fact, "task", None)) for fact in facts_in(gzip.compress("\n".join(lines).encode()))] == expected


def test_other_tools() -> None:
    facts = facts_in("other-tools.json")
    assert end(facts).unreadable == 0
    ended = only(TaskEnded, facts)
    assert [(fact.task.key, fact.record.host) for fact in ended] == [
        ((700, 1, 0), "UDID-1"),
        ((701, 2, 0), "mac-2"),
        ((702, 3, 0), ""),
        ((704, 6, 0), ""),
    ]
    assert ended[0].record.sequence == 14
    assert ended[3].task.token.auid == UNSET
    (image,) = only(ImageReplaced, facts)
    assert image.before is not None
    assert image.after is not None
    assert (image.before.key, image.after.key, image.executable) == ((703, 4, 0), (703, 5, 0), "/bin/d")


def test_messages_behind_a_syslogs_words() -> None:
    lines = [b"Mar  4 05:06:07 mac-1 eslogger[99]: " + exit_of(spelled) for spelled in SPELLINGS]
    facts = facts_in(b"".join(lines))
    assert end(facts).unreadable == 0
    assert [fact.task.token for fact in only(TaskEnded, facts)] == [EIGHT] * len(SPELLINGS)


MESSAGE = exit_of(SPELLINGS[0]).decode().strip()


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"host": "mac-1", "source_type": "exec", "message": MESSAGE}),
        json.dumps({"hostname": "mac-1", "log": MESSAGE}),
        json.dumps({"Computer": "mac-1", "RawData": MESSAGE}),
        json.dumps({"result": {"_raw": MESSAGE, "host": "mac-1"}}),
        json.dumps({"_source": {"host": {"name": "mac-1", "cpus": 8}, "message": MESSAGE}}),
        json.dumps({"_source": {"agent": {"hostname": "mac-1"}, "event": {"original": MESSAGE}}}),
        json.dumps({"process": {"pid": 16}, "event": {"kind": "event", "original": MESSAGE}, "host": {"hostname": "mac-1"}}),
        json.dumps({"attributes": {"host": "mac-1", "attributes": json.loads(MESSAGE)}}),
        json.dumps(json.loads(MESSAGE) | {"host": {"name": "mac-1", "ips": ["192.0.2.1"], "port": 1}}),
        json.dumps({"host": "collector", "records": [{"hostname": "mac-1", "message": MESSAGE}]}),
        f"Mar  4 05:06:07 mac-1 eslogger[99]: {MESSAGE}",
        f"<13>Mar 14 05:06:07 mac-1 eslogger: {MESSAGE}",
        f"<13>1 2026-03-04T05:06:07.123Z mac-1 eslogger 99 - - {MESSAGE}",
        f"2026-03-04T05:06:07.123456+00:00 mac-1 eslogger[99]: {MESSAGE}",
    ],
)
def test_what_is_around_a_message_tells_its_host(line: str) -> None:
    facts = facts_in(f"{line}\n".encode())
    assert end(facts).unreadable == 0
    assert [(fact.record.host, fact.task.token) for fact in only(TaskEnded, facts)] == [("mac-1", EIGHT)]


def test_a_thread_in_the_unified_logs_words_is_no_host() -> None:
    facts = facts_in(f"2026-03-04 05:06:07.123456+0000 0x1a2 Default 0x0 99 0 eslogger: {MESSAGE}\n".encode())
    assert [fact.record.host for fact in only(TaskEnded, facts)] == [""]


def test_messages_deep_inside_a_search_result() -> None:
    messages = [json.loads(exit_of(spelled)) for spelled in SPELLINGS]
    hits = [{"_id": str(number), "_source": {"message": json.dumps(message), "copy": message}} for number, message in enumerate(messages)]
    text = json.dumps({"took": 1, "_shards": {"total": 1}, "hits": {"total": {"value": len(hits)}, "hits": hits}})
    facts = facts_in(text.encode())
    assert end(facts).unreadable == 0
    assert [fact.task.token for fact in only(TaskEnded, facts)] == [EIGHT] * len(SPELLINGS)


def test_a_message_without_its_process_shows_who_asked() -> None:
    instigator = {"audit_token": json.loads(SPELLINGS[0])}
    asked = {"event_type": 124, "glob_seq_num": 4, "event": {"btm_launch_item_add": {"item": {"uid": 501}, "instigator": instigator}}}
    closed = {"event_type": 12, "glob_seq_num": 5, "event": {"close": {"modified": True}}}
    facts = facts_in("".join(json.dumps(message) + "\n" for message in (asked, closed)).encode(), "endpoint-security")
    assert (end(facts).records, end(facts).unreadable) == (2, 0)
    assert [(fact.record.kind, fact.task.token) for fact in only(TaskSeen, facts)] == [("btm_launch_item_add", EIGHT)]


def test_a_time_that_is_none_is_told_and_the_message_read() -> None:
    facts = facts_in(exit_of(SPELLINGS[0], rest='"time":"yesterday",'))
    assert [fact.record.time for fact in only(TaskEnded, facts)] == [None]
    (unreadable,) = only(Unreadable, facts)
    assert "time" in unreadable.why


def test_gaps_are_told_once_where_numbers_are_not_in_order() -> None:
    def numbered(*numbers: int) -> list[tuple[int, int]]:
        recording = b"".join(exit_of(SPELLINGS[0], rest=f'"global_seq_num":{number},') for number in numbers)
        return [(gap.expected, gap.seen) for gap in only(SequenceGap, facts_in(recording))]

    assert numbered(5, 6, 7) == []
    assert numbered(5, 9, 10) == [(6, 9)]
    assert numbered(5, 6, 0, 1, 3) == [(7, 0), (2, 3)]
    assert numbered(9, 8, 7, 6, 20) == [(10, 8)]


def test_a_denied_exec_replaces_no_image_and_an_authorization_does_nothing_yet() -> None:
    target = '{"target":{"audit_token":[1,2,3,4,5,16,7,9]}}'
    for number, auth in ((9, 1), (0, 0)):
        action = f'"action":{{"result":{{"result":{{"auth":{auth}}}}}}}'
        text = f'{{"event_type":{number},{action},"process":{{"audit_token":[1,2,3,4,5,16,7,8]}},"event":{{"exec":{target}}}}}'
        facts = facts_in(text.encode())
        assert len(only(TaskSeen, facts)) == 1
        assert only(ImageReplaced, facts) == []


def test_an_event_of_a_kind_that_is_not_known_yet_shows_its_actor() -> None:
    for event_type in ("999", '"ES_EVENT_TYPE_NOTIFY_NEW"', "null", "-4"):
        text = f'{{"event_type":{event_type},"mach_time":1,"process":{{"audit_token":[1,2,3,4,5,16,7,8]}},"event":{{"novel":{{}}}}}}'
        facts = facts_in(text.encode())
        assert [fact.task.pid for fact in only(TaskSeen, facts)] == [16]
