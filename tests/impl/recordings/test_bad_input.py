from __future__ import annotations

import io
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.recordings import RECORDINGS, TRAIL, end, facts_in, only

from sendright.impl.recordings.form import RecordingError
from sendright.impl.recordings.forms import FORMS
from sendright.impl.recordings.read import form_names, form_of, read_recording
from sendright.mach.results.facts import RecordingBegan, TaskEnded, TaskSeen, Unreadable

EXIT = b'{"event_type":15,"process":{"audit_token":[1,2,3,4,5,16,7,8],"executable":{"path":"%b"}},"event":{"exit":{}}}\n'


def test_each_form_is_recognized_by_what_is_in_it() -> None:
    forms = {path.name: form_of(path.read_bytes()) for path in RECORDINGS.iterdir()}
    assert {name: form and form.name for name, form in forms.items()} == {
        "eslogger.jsonl": "endpoint-security",
        "other-tools.json": "endpoint-security",
        "jamf-spawn.json": "jamf",
        "lsmp.json": "lsmp-json",
        "lsmp.txt": "lsmp",
        "praudit.txt": "praudit",
        "praudit.xml": "praudit-xml",
        "santa.jsonl": "santa-json",
        "santa.log": "santa",
    }
    recognized = form_of(TRAIL)
    assert recognized is not None
    assert recognized.name == "bsm"
    assert len(set(form_names())) == len(FORMS)


@pytest.mark.parametrize("name", ["eslogger.jsonl", "santa.log", "santa.jsonl", "lsmp.txt", "praudit.txt"])
def test_a_recording_whose_beginning_is_cut_is_recognized(name: str) -> None:
    whole = (RECORDINGS / name).read_bytes()
    facts = facts_in(whole[30:])
    (began,) = only(RecordingBegan, facts)
    full = form_of(whole)
    assert full is not None
    assert began.format == full.name
    assert end(facts).records > 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"hello\n", "not a recording of a known form"),
        (b"\0" * 100, "not a recording of a known form"),
        (b"{}", "not a recording of a known form"),
        (b"[" * 100_000, "not a recording of a known form"),
        (b"\x1f\x8b", "cannot be read"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        list(read_recording(path))
    assert why in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", [form.name for form in FORMS if form.name != "endpoint-security"])
def test_a_wrong_form_that_is_named_is_told_with_the_likely_one(form: str) -> None:
    unreadable = only(Unreadable, facts_in("eslogger.jsonl", form))
    assert unreadable[0].why.endswith("; the file looks like endpoint-security")
    assert not any("looks like" in one.why for one in unreadable[1:])


def test_the_form_that_is_named_is_read_though_the_file_looks_like_another() -> None:
    facts = facts_in(EXIT + (RECORDINGS / "santa.log").read_bytes(), "santa")
    assert only(RecordingBegan, facts)[0].format == "santa"
    assert end(facts).records == end(facts_in("santa.log")).records


def test_a_directory_a_missing_file_and_a_form_of_no_name(tmp_path: Path) -> None:
    for path, form, why in (
        (tmp_path, None, "a directory"),
        (tmp_path / "none", None, "No such file"),
        ("a\0b", None, "cannot be opened"),
        (RECORDINGS / "santa.log", "sante", "no form is called 'sante'"),
    ):
        with pytest.raises(RecordingError) as caught:
            list(read_recording(path, form))
        assert why in str(caught.value)


@pytest.mark.parametrize("form", form_names())
def test_the_wrong_form_is_told_of_and_breaks_nothing(form: str) -> None:
    recordings = [path.read_bytes() for path in RECORDINGS.iterdir()] + [TRAIL, b"\0\n\xff\n", b"{}\n[]\n1\n", b"<a>\n" * 3]
    for recording in recordings:
        own = form_of(recording)
        facts = facts_in(recording, form)
        if own is None or own.name != form:
            assert end(facts).unreadable


def test_a_truncated_last_line() -> None:
    whole = (RECORDINGS / "eslogger.jsonl").read_bytes()
    facts, cut = facts_in(whole), facts_in(whole[:-40])
    assert cut[:-2] == facts[:-2]
    (unreadable,) = only(Unreadable, cut)
    assert unreadable.record.place == 11


def test_what_is_not_utf_8_is_replaced_and_told() -> None:
    facts = facts_in(EXIT % b"/bin/\xff\xfe" + EXIT % b"/bin/ls")
    assert [fact.task.executable for fact in only(TaskEnded, facts)] == ["/bin/��", "/bin/ls"]
    (unreadable,) = only(Unreadable, facts)
    assert "UTF-8" in unreadable.why


def test_nesting_without_end() -> None:
    for deep in (b'{"a":' * 100_000, b'{"audit_token":1,"x":' + b"[" * 100_000, b'{"process":' * 50_000 + b"1" + b"}" * 50_000):
        for form in form_names():
            facts = facts_in(deep + b"\n" + EXIT % b"/bin/ls", form)
            assert only(Unreadable, facts)
    facts = facts_in(b'{"audit_token":1,"x":' + b"[" * 100_000 + b"}\n" + EXIT % b"/bin/ls")
    assert len(only(TaskEnded, facts)) == 1


def test_a_compressed_file_that_is_cut_is_read_as_far_as_it_goes() -> None:
    import gzip
    import random

    noise = random.Random(1)
    lines = b"".join(EXIT % bytes(noise.choices(b"abcdefghijklmnop", k=100)) for _ in range(2000))
    facts = facts_in(gzip.compress(lines)[:-2000])
    assert len(only(TaskEnded, facts)) > 1000
    assert "can't be read on" in only(Unreadable, facts)[-1].why


def test_a_stream_that_cannot_seek_and_gives_little_at_a_time() -> None:
    class Trickle(io.RawIOBase):
        def __init__(self) -> None:
            self._rest = io.BytesIO((RECORDINGS / "eslogger.jsonl").read_bytes())

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            return self._rest.readinto(memoryview(buffer)[:7])

    facts = list(read_recording(Trickle(), name="pipe"))  # type: ignore[arg-type]
    assert end(facts).records == 11
    assert str(facts[1].record) == "pipe:1"


LONG = """
import io, resource, sys
from sendright.impl.recordings.read import read_recording

class Long(io.RawIOBase):
    left = 1 << 30
    begin, end = sys.argv[2].encode(), b"\\n" + sys.argv[3].encode()
    def readable(self): return True
    def readinto(self, buffer):
        if self.begin:
            n = min(len(self.begin), len(buffer)); buffer[:n] = self.begin[:n]; self.begin = self.begin[n:]; return n
        if self.left:
            n = min(self.left, len(buffer)); buffer[:n] = b"a" * n; self.left -= n; return n
        n = min(len(self.end), len(buffer)); buffer[:n] = self.end[:n]; self.end = self.end[n:]; return n

facts = list(read_recording(io.BufferedReader(Long(), 1 << 20), sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.platform == "linux":  # there that is also what the process used that this one was forked from
    used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(facts), facts[-1].records, facts[-1].unreadable, used // 1024)
"""


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("form", "begin", "then"),
    [
        ("endpoint-security", '{"x":"', (EXIT % b"/bin/ls").decode()),
        ("endpoint-security", '[{"x":"', (EXIT % b"/bin/ls").decode()),
        ("santa-json", '{"x":"', '{"instigator":{"id":{"pid":3}}}'),
        ("santa", "", "[2025-03-04T05:06:01.120Z] I santad: action=EXIT|pid=640|pidversion=9010|ppid=600|uid=501|gid=20"),
        ("praudit-xml", "<record ", '<record version="11" event="x" time="1" msec="1"/></record>'),
    ],
)
def test_a_line_of_a_gibibyte_takes_little_memory_and_what_follows_is_read(form: str, begin: str, then: str) -> None:
    ran = subprocess.run([sys.executable, "-c", LONG, form, begin, then], capture_output=True, text=True, check=True, timeout=300)
    _, records, unreadable, mebibytes = map(int, ran.stdout.split())
    assert unreadable >= 1
    assert records == (0 if form == "praudit-xml" else 1)
    assert mebibytes < 300


def test_memory_does_not_grow_with_the_recording() -> None:
    class Many(io.RawIOBase):
        def __init__(self) -> None:
            self._lines = self._make()
            self._rest = b""

        @staticmethod
        def _make() -> Iterator[bytes]:
            for _ in range(300):
                yield (EXIT % b"/bin/ls") * 1000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            self._rest = self._rest or next(self._lines, b"")
            piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
            buffer[: len(piece)] = piece
            return len(piece)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(1 for _ in read_recording(io.BufferedReader(Many()), name="many"))
    assert count == 300_002
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_a_subject_that_is_only_a_pid_is_still_seen() -> None:
    facts = facts_in(b'{"_event_score":1,"header":{"event_name":"AUE_OPEN"},"subject":{"process_id":7}}')
    assert [fact.task.token.words for fact in only(TaskSeen, facts)] == [(None, None, None, None, None, 7, None, None)]


def test_an_envelope_without_a_message() -> None:
    """A key that is empty was taken for the message's name."""
    facts = facts_in(b'{"machine_id":"M","instigator":5,"pidversion":1,"":0}')
    assert (end(facts).records, only(TaskSeen, facts)) == (1, [])
