"""Real recordings and what their producers' own tests expect, where they are beside this repository."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.places import SHARED
from support.recordings import end, facts_in, only

from sendright.impl.recordings.form import RecordingError
from sendright.mach.results.facts import (
    ActedOn,
    Fact,
    ImageReplaced,
    Message,
    RightToTask,
    SequenceGap,
    TaskBegan,
    TaskEnded,
    TaskRight,
    TaskSeen,
    Token,
)

SAMPLES = SHARED / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is not here")


def kinds(facts: list[Fact]) -> dict[str, int]:
    return dict(Counter(type(fact).__name__ for fact in facts[1:-1]))


def in_folder(folder: str) -> list[Path]:
    return sorted(path for path in (SAMPLES / folder).rglob("*") if path.is_file() and path.name != "SOURCE.md")


def test_trails() -> None:
    facts = facts_in(SAMPLES / "plaso-macos" / "apple.bsm")
    assert (end(facts).records, end(facts).unreadable, kinds(facts)) == (54, 0, {"TaskSeen": 51})
    assert len({fact.task.token for fact in only(TaskSeen, facts)}) == 16
    facts = facts_in(SAMPLES / "plaso-macos" / "openbsm.bsm")
    assert (end(facts).records, end(facts).unreadable) == (50, 0)
    (image,) = only(ImageReplaced, facts_in(SAMPLES / "openbsm-reference" / "samples" / "execve-long-args.trail"))
    assert image.before is not None
    assert (image.before.token.words, image.executable) == ((1000, 1000, 1000, 1000, 1000, 50009, 24722, None), "/usr/bin/grep")


def test_every_reference_record_and_token_of_openbsm() -> None:
    files = in_folder("openbsm-reference/reference")
    assert len(files) == 83
    for path in files:
        facts = facts_in(path)
        assert (end(facts).records, end(facts).unreadable) == (1, 0), path.name
        if "subject" in path.name:
            (seen,) = only(TaskSeen, facts)
            assert seen.task.token == Token(0x12345678, 0x01234567, 0x23456789, 0x98765432, 0x09876543, 0x13243546, 0x97867564), path.name


def test_jamf() -> None:
    facts = {path.stem: facts_in(path) for path in in_folder("jamf-bsm-json")}
    assert len(facts) == 49
    schemas = {"AUE_ACCEPT", "AUE_SETSOCKOPT"}
    assert {name for name, each in facts.items() if end(each).unreadable} == schemas
    (right,) = only(RightToTask, facts["AUE_TASKFORPID"])
    assert (right.holder.pid, right.target.pid, right.name, right.right, right.succeeded) == (774, 97034, 7835, TaskRight.CONTROL, True)
    assert (right.holder.token.euid, right.target.token.euid, right.holder.token.auid) == (0, 502, 0xFFFFFFFF)
    (right,) = only(RightToTask, facts["AUE_PIDFORTASK"])
    assert (right.holder.pid, right.target.pid, right.name, right.gained) == (96805, 33183, 1379, False)
    (began,) = only(TaskBegan, facts["AUE_FORK"])
    assert (began.parent and began.parent.pid, began.task.pid) == (60068, 72350)
    assert [fact.target.pid for fact in only(ActedOn, facts["AUE_KILL"])] == [60329]
    assert [fact.task.pid for fact in only(TaskEnded, facts["AUE_EXIT"])] == [33206]
    assert len(only(TaskSeen, facts["GPProcessEvent"])) == 7


def test_santa_log() -> None:
    facts = facts_in(SAMPLES / "plaso-macos" / "santa.log")
    assert (end(facts).records, end(facts).unreadable) == (191, 0)
    assert (len(only(ImageReplaced, facts)), len(only(SequenceGap, facts))) == (44, 3)
    facts = facts_in(SAMPLES / "plaso-macos" / "santa2.log")
    assert (end(facts).records, end(facts).unreadable) == (11, 0)
    (ended,) = only(TaskEnded, facts)
    assert ended.task.key in {image.after.key for image in only(ImageReplaced, facts) if image.after}


def test_santa_protobuf() -> None:
    files = in_folder("santa-protobuf-json")
    assert len(files) == 198
    said: Counter[str] = Counter()
    for path in files:
        facts = facts_in(path)
        assert (end(facts).records, end(facts).unreadable) == (1, 0), path
        said.update(kinds(facts))
    assert said == {"TaskSeen": 140, "Message": 32, "ImageReplaced": 7, "TaskBegan": 7, "TaskEnded": 7, "ActedOn": 5}
    assert all(fact.task.version == 34 for path in files for fact in only(Message, facts_in(path)))


def test_what_has_no_identities_is_refused() -> None:
    for path in in_folder("kdebug-kevents"):
        with pytest.raises(RecordingError, match="not a recording of a known form"):
            facts_in(path)
