"""Bytes that are not UTF-8 are treated alike by every reader, whatever the installed version of msgspec raises for
them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.recordings import RECORDINGS, facts_in, only
from support.report_runs import MOVE_TO_CHILD, run

from sendright.cli.main import main
from sendright.impl.recordings.endpoint_security import reader as endpoint_security
from sendright.impl.recordings.read import form_of
from sendright.impl.reference import ReferenceKernel
from sendright.mach.json_text import read_json
from sendright.mach.results.facts import Fact, RecordingEnded, Unreadable

NOT_UTF_8 = b"\xff"
ERRORS = {
    "as msgspec 0.20": UnicodeDecodeError("utf-8", NOT_UTF_8, 0, 1, "invalid start byte"),
    "as msgspec 0.23": msgspec.DecodeError("Invalid UTF-8 encoded string"),
}


@pytest.fixture(params=ERRORS)
def error(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Exception:
    """What msgspec raises for bytes that are not UTF-8, in one version and another."""
    raised = ERRORS[request.param]

    def raising(decode: Callable[..., Any]) -> Callable[..., Any]:
        def decode_or_raise(*arguments: Any, **more: Any) -> Any:
            try:
                return decode(*arguments, **more)
            except UnicodeDecodeError:
                raise raised from None
            except msgspec.DecodeError as own:
                raise (raised if "UTF-8" in str(own) else own) from None

        return decode_or_raise

    monkeypatch.setattr(msgspec.json, "decode", raising(msgspec.json.decode))
    monkeypatch.setattr(endpoint_security, "_decode", raising(endpoint_security._decode))
    return raised


def test_each_version_is_imitated(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        msgspec.json.decode(b'"\xff"')
    assert caught.value is error


def recordings() -> dict[str, bytes]:
    trace = msgspec.json.encode(run(ReferenceKernel(), MOVE_TO_CHILD[:5]))
    return {path.name: path.read_bytes() for path in sorted(RECORDINGS.iterdir())} | {"trace.json": trace}


def read(recording: bytes, form: str) -> list[Fact]:
    """The facts of a recording, without those that say what could not be read, and how many there are."""
    return [fact for fact in facts_in(recording, form) if type(fact) not in (Unreadable, RecordingEnded)]


@pytest.mark.parametrize("name", recordings())
def test_a_reader_takes_a_wrong_byte_for_the_replacement_character(error: Exception, name: str) -> None:
    """Wherever the byte is, no record is lost, and nothing else of a record changes."""
    whole = recordings()[name]
    form = form_of(whole)
    assert form is not None
    letters = [place for place in range(len(whole)) if whole[place : place + 1].isalpha()]
    for place in letters[:: max(1, len(letters) // 60)]:
        before, after = whole[:place], whole[place + 1 :]
        assert read(before + NOT_UTF_8 + after, form.name) == read(before + "\ufffd".encode() + after, form.name), place


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("eslogger.jsonl", b"/bin/zsh"),
        ("other-tools.json", b"/bin/a"),
        ("jamf-spawn.json", b"/usr/bin/login"),
        ("lsmp.json", b"screencapture"),
        ("santa.jsonl", b"/bin/zsh"),
        ("trace.json", b"mach_port_allocate"),
    ],
)
def test_a_reader_of_json_says_on_which_line_bytes_were_replaced(error: Exception, name: str, text: bytes) -> None:
    whole = recordings()[name]
    form = form_of(whole)
    assert form is not None
    told = [fact for fact in only(Unreadable, facts_in(whole.replace(text, NOT_UTF_8 + text, 1), form.name)) if "UTF-8" in fact.why]
    assert [fact.why for fact in told] == ["not UTF-8; what isn't was replaced"]
    assert told[0].record.place <= whole.count(b"\n", 0, whole.index(text)) + 1


def test_json_of_a_form_says_where_it_is_not_utf_8(error: Exception) -> None:
    with pytest.raises(msgspec.DecodeError, match=r"^not UTF-8 \(byte 0xff at line 2, column 3\)$"):
        read_json(b'{\n "\xff": 1}', dict[str, int])


def test_json_that_is_nested_too_deeply_is_no_crash() -> None:
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        read_json(b'{"a":' * 100_000, Any)


_WITNESSES = b'[{"profile":"xnu","urefs_max":'
"""How a file of recorded runs begins: others are refused for not being sendright's."""


@pytest.mark.parametrize(
    ("command", "content", "words"),
    [
        (["graph"], b'{"format":"\xff"}', "not UTF-8 (byte 0xff at line 1, column 12)"),
        (["graph"], b'{"other":\n"\xff"}', "not UTF-8 (byte 0xff at line 2, column 2)"),
        (["witnesses", "-q", "-p", "xnu", "-o"], _WITNESSES + b'"\xff"}]', "not UTF-8 (byte 0xff at line 1, column 32)"),
        (["witnesses", "-q", "-p", "xnu", "-o"], _WITNESSES + b'\n"\xff"}]', "not UTF-8 (byte 0xff at line 2, column 2)"),
    ],
)
def test_a_command_says_in_one_line_what_is_no_json(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], content: bytes, words: str
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    assert main([*command, str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sendright: {path}: ")
    assert words in line
    assert path.read_bytes() == content


def test_a_trace_that_is_nested_too_deeply_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'{"other":' * 100_000)
    assert main(["graph", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sendright: {path}: not JSON: nested too deeply")
