"""Santa, lsmp, and sendright's own traces."""

from __future__ import annotations

import msgspec
from support.places import TESTS
from support.recordings import end, facts_in, only
from support.report_runs import MOVE_TO_CHILD, run

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN
from sendright.mach.results.facts import (
    CredentialsSet,
    Holding,
    HoldingElsewhere,
    HoldingTotals,
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


def test_santa_log() -> None:
    facts = facts_in("santa.log")
    (began,) = only(TaskBegan, facts)
    assert (began.task.key, began.parent and began.parent.pid) == ((640, 9010, 0), 600)
    (image,) = only(ImageReplaced, facts)
    assert image.after is not None
    assert (image.before, image.after.key, image.executable) == (None, (640, 9013, 0), "/tmp/a|b")
    assert (image.after.token.ruid, image.after.token.euid) == (501, None)
    (lost,) = only(SequenceGap, facts)
    assert lost.missing == 1
    deleted, written = only(TaskSeen, facts)
    assert (deleted.task.key, deleted.task.token.euid, deleted.task.executable) == ((700, None, 0), 0, "/bin/p")
    assert (written.task.key, written.task.ambiguous) == ((700, None, 1), True)
    assert len(only(TaskEnded, facts)) == 1
    (unreadable,) = only(Unreadable, facts)
    assert unreadable.record.place == 8
    assert end(facts).records == 6


def test_santa_logs_of_several_machines() -> None:
    lines = [f"[2026-01-02T03:04:05.678Z] I santad: action=EXIT|pid=70|ppid=1|uid=0|user=root|gid=0|group=wheel|machineid={mac}\n" for mac in "ab"]
    ended = only(TaskEnded, facts_in("".join(lines).encode()))
    assert [(fact.record.host, fact.task.ambiguous) for fact in ended] == [("a", False), ("b", False)]


def test_santa_json() -> None:
    facts = facts_in("santa.jsonl")
    assert (end(facts).records, end(facts).unreadable) == (4, 0)
    (began,) = only(TaskBegan, facts)
    assert (began.task.key, began.parent and began.parent.key, began.record.host) == ((640, 9010, 0), (600, 9001, 0), "M1")
    (image,) = only(ImageReplaced, facts)
    assert image.after is not None
    assert image.after.token.words == (None, 0, 20, 501, 0xFFFFFFFE, 640, None, 9013)
    assert (image.after.responsible, image.set_user_id, image.owner) == (None, True, 0)
    (ended,) = only(TaskEnded, facts)
    assert (ended.task.key, ended.status) == ((640, 9013, 0), 9)
    (message,) = only(Message, facts)
    assert message.token is not None
    assert (message.task.pid, message.sender, message.token.pid, message.token.euid) == (90, None, 640, None)


def test_lsmp() -> None:
    facts = facts_in("lsmp.txt")
    rows = {(row.task.pid, row.name): row for row in only(Holding, facts)}
    own = rows[4460, 0x103]
    assert (own.kind, own.right, own.is_self, own.urefs, own.object) == (SlotKind.SEND, TaskRight.CONTROL, True, 2, "TASK-CONTROL")
    received = rows[4460, 0x603]
    assert (received.kind, received.send_once, received.senders, received.queue_limit, received.messages) == (SlotKind.RECEIVE, 1, False, 5, 0)
    once = rows[157, 0x153AB]
    assert (once.kind, once.port, once.receiver) == (SlotKind.SEND_ONCE, received.port, (4460, 0x603))
    both = rows[4460, 0x70B]
    assert (both.kind, both.urefs, both.send_once, both.senders) == (SlotKind.SEND_RECEIVE, 2, 0, True)
    read = rows[4460, 0xE0B]
    assert (read.right, read.target and read.target.pid, read.is_self) == (TaskRight.READ, 157, False)
    assert rows[4460, 0xA0B].members == (0x1203,)
    assert (rows[4460, 0xB0B].kind, rows[4460, 0xB0B].port) == (SlotKind.DEAD_NAME, "")
    assert rows[4460, 0xD0B].object == "CLOCK"
    (elsewhere,) = only(HoldingElsewhere, facts)
    assert (elsewhere.task.pid, elsewhere.name, elsewhere.kind, elsewhere.port) == (157, 0x153AB, SlotKind.SEND_ONCE, received.port)
    (totals,) = only(HoldingTotals, facts)
    assert (totals.total, totals.send, totals.receive, totals.send_once, totals.port_set, totals.dead_name) == (9, 5, 2, 1, 1, 1)
    (unreadable,) = only(Unreadable, facts)
    assert "0x00000803 junk" in unreadable.why


def test_lsmp_without_its_blanks_and_a_second_listing() -> None:
    text = (TESTS / "recordings" / "lsmp.txt").read_text()
    collapsed = "\n".join(" ".join(line.split()) for line in text.splitlines())
    plain, other = [
        [(row.task.pid, row.name, row.kind, row.port, row.urefs, row.send_once, row.receiver, row.members) for row in only(Holding, facts)]
        for facts in (facts_in("lsmp.txt"), facts_in(collapsed.encode()))
    ]
    assert plain == other
    twice = only(Holding, facts_in((text + text).encode()))
    assert {row.snapshot for row in twice} == {0, 1}
    assert len(twice) == 2 * len(plain)


def test_lsmp_json_says_what_its_text_says() -> None:
    text = {(row.task.pid, row.name): row for row in only(Holding, facts_in("lsmp.txt"))}
    rows = only(Holding, facts_in("lsmp.json"))
    assert [row.name for row in rows] == [0x103, 0x603, 0xA0B, 0xB0B, 0xD0B]
    for row in rows[:4]:
        other = text[row.task.pid, row.name]
        assert (row.kind, row.port, row.urefs, row.right, row.members, row.is_self) == (
            other.kind, other.port, other.urefs, other.right, other.members, other.is_self,
        )  # fmt: skip
    assert rows[4].receiver == (157, 0x603)


def test_a_step_of_a_trace_with_a_number_that_is_not_modelled_is_not_judged() -> None:
    """What an answer to TASK_NAME_PORT gives isn't the right to control a task."""
    calls = ((0, "mach_task_self", {}, 0), (0, "task_get_special_port", {"task": 6, "which": 1}, 0))
    trace = run(ReferenceKernel(), calls)
    named = msgspec.structs.replace(trace.steps[1], arguments={"task": 6, "which": 3})
    facts = facts_in(msgspec.json.encode(msgspec.structs.replace(trace, steps=(trace.steps[0], named))))
    (why,) = [fact.why for fact in only(Unreadable, facts)]
    assert why == "which 3 (TASK_NAME_PORT) of task_get_special_port is not modelled in profile manual"
    assert end(facts).unreadable == 1


def test_traces() -> None:
    calls = (
        *MOVE_TO_CHILD[:5],
        (0, "mach_msg_receive", {"port": 8, "trailer": 3}, 0),
        (
            0,
            "host_security_set_task_token",
            {"host_security": 3, "target_task": 7, "security_token": (7, 8), "audit_token": (1, 2, 3, 4, 5, 6, 7, 8)},
            0,
        ),
        (0, "task_create", {"parent_task": 7}, 0),
        (0, "task_terminate", {"task": 7}, 0),
    )
    trace = run(ReferenceKernel(), calls)
    assert [step.code for step in trace.steps] == [0] * len(calls)
    for text in (msgspec.json.encode(trace), msgspec.json.format(msgspec.json.encode(trace), indent=2)):
        facts = facts_in(text)
        assert (end(facts).records, end(facts).unreadable) == (len(calls) + 2, 0)
        assert {holding.snapshot for holding in only(Holding, facts)} == {0, 1}
        given, inherited = only(TaskBegan, facts)
        assert (given.task.pid, given.given, given.task.token.words, given.record.sequence) == (1, True, (0,) * 8, 1)
        assert (inherited.task.pid, inherited.given, inherited.task.token, inherited.parent and inherited.parent.pid) == (2, False, Token(), 1)
        (credentials,) = only(CredentialsSet, facts)
        assert credentials.task is not None
        assert (credentials.task.pid, credentials.task.token.words, credentials.succeeded) == (1, (1, 2, 3, 4, 5, 6, 7, 8), True)
        sent, received = only(Message, facts)
        assert (sent.action, received.action, sent.serial == received.serial) == ("sent", "received", True)
        assert received.sender is not None
        assert received.sender.pid == 0
        assert sent.token == received.token
        assert sent.token is not None
        assert sent.token.words == BOOTSTRAP_AUDIT_TOKEN
        assert [(fact.holder.pid, fact.target.pid, fact.how) for fact in only(RightToTask, facts)][:2] == [
            (0, 0, "mach_task_self"),
            (0, 1, "host_security_create_task_token"),
        ]
        assert [fact.task.pid for fact in only(TaskEnded, facts)] == [1]
        final = [fact.task for fact in only(TaskSeen, facts) if fact.record.kind == "final"]
        assert [(task.pid, task.token.words) for task in final] == [(0, BOOTSTRAP_AUDIT_TOKEN), (2, (1, 2, 3, 4, 5, 6, 7, 8))]
