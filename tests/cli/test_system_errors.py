"""What the system or a library refuses: one line that says what and what to do, and never the loss of a verdict."""

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.places import SENDRIGHT

from sendright.cli import main as cli
from sendright.cli import streams
from sendright.cli.streams import NARROWEST, WIDEST, width
from sendright.cli.system_errors import in_words

CASE = {"id": "one", "steps": [{"as": "A", "call": "mach_task_self"}]}
SCRIPT = {"format": "mach-cases/1", "profile": "manual", "cases": [CASE]}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")


def shell(command: str, place: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """``command`` in a shell, in which ``$S`` is sendright."""
    program = f"""S() {{ {shlex.join(SENDRIGHT)} "$@"; }}; {command}"""
    return subprocess.run(["sh", "-c", program], cwd=place, env=os.environ | environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "script.json").write_text(json.dumps(SCRIPT))
    (tmp_path / "own.py").write_text("from sendright.impl.reference import ReferenceKernel as Kernel\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("S --help >/dev/full", 2, "standard output can't be written to: No space left on device"),
        ("S >/dev/full", 2, "standard output can't be written to: No space left on device"),
        ("S replay --help >/dev/full", 2, "standard output can't be written to: No space left on device"),
        ("S calls >/dev/full", 2, "standard output can't be written to: No space left on device"),
        ("COLUMNS=² S --help >/dev/full", 2, "standard output can't be written to: No space left on device"),
        ("S calls >&-", 2, "standard output can't be written to: "),
        ("S audit - <&-", 2, "-: empty"),
        (
            "mkdir gone && cd gone && rmdir ../gone && S replay ../script.json",
            2,
            "the working directory has been removed (change to one that is there)",
        ),
        ("mkdir gone && cd gone && rmdir ../gone && S check -n 1", 2, "the working directory has been removed (change to one that is there)"),
        ("ulimit -n 8; S check -q -n 1 --sut own:Kernel", 3, "Too many open files (allow this shell more open files with ulimit -n)"),
        ("ulimit -v 100000; S prove -q --no-cache --call mach_task_self", 3, "ulimit -v allows 100,000 KiB: allow more"),
        ("ulimit -f 1; S synthesize -q --events 100 -o log.json", 2, "log.json: can't be written: File too large"),
    ],
)
def test_one_line_and_the_status(place: Path, command: str, status: int, words: str) -> None:
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    ended = shell(command, place)
    assert (ended.returncode, ended.stdout) == (status, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("sendright: ")
    assert words in line
    assert "internal error" not in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_progress_that_cannot_be_shown_does_not_cost_the_verdict(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sendright.cli.progress import ProgressBar

    with open("/dev/full", "w", buffering=1) as full, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sendright.cli.progress.SILENCE", -1.0)
        patch.setattr("sendright.cli.progress.LINE_EVERY", -1.0)
        patch.setattr(sys, "stderr", full)
        with ProgressBar("working") as bar:
            bar.update(1, 2, "words")
            assert bar.quiet, "it has tried, and tries no more"
            bar.update(2, 2, "words")
        patch.undo()
        with pytest.raises(OSError, match="No space"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "there is not enough memory"),
        (OSError(errno.EMFILE, "x"), "ulimit -n"),
        (OSError(errno.EAGAIN, "x"), "ulimit -u"),
        (OSError(errno.ENOSPC, "x", "/tmp/a"), "/tmp/a: No space left on device (free space there"),
        (OSError(errno.EROFS, "x"), "TMPDIR"),
        (RuntimeError("can't start new thread"), "no thread can be started"),
        (OSError("a bug"), None),
        (ValueError("a bug"), None),
    ],
)
def test_words_of_errors(error: Exception, words: str | None) -> None:
    said = in_words(error)
    assert said is None if words is None else words in (said or "")
    outer = KeyError("outer")
    outer.__cause__ = error
    assert in_words(outer) == said, "an error that others wrap is the same"


def test_any_command_that_meets_such_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: Exception) -> Callable[..., None]:
        def raising(*_: object, **__: object) -> None:
            raise error

        return raising

    for error, words in ((MemoryError(), "not enough memory"), (OSError(errno.EMFILE, "x"), "open files"), (KeyError("x"), "internal error")):
        monkeypatch.setattr("sendright.reports.vocabulary.calls_table", fail(error))
        assert cli.main(["calls"]) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("0", None),
        ("-1", None),
        ("", None),
        ("x", None),
        ("²", None),
        ("3", None),
        ("20", NARROWEST),
        ("77", 77),
        ("9" * 9, WIDEST),
        ("9" * 5000, None),
    ],
)
def test_the_width(columns: str, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((0, 0)))
    assert width() == (expected or streams.PIPE_WIDTH)
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((91 if number == 2 else 0, 0)))
    assert width() == (expected or 91), "the terminal's, even if standard output is a pipe"


@pytest.mark.parametrize(
    ("limit", "largest", "least"), [("pages", 4096, 1), ("urefs_max", 2**31 - 1, 2), ("queue_limit", 2**31 - 1, 1), ("queue_limit_max", 2**31 - 1, 1)]
)
def test_numbers_of_scripts_and_traces_have_limits(
    limit: str, largest: int, least: int, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    for value, status in ((largest, 0), (largest + 1, 4), (10**12, 4), (10**30, 4), (least - 1, 4), (-(10**12), 4)):
        Path("s.json").write_text(json.dumps(SCRIPT | {"cases": [CASE | {limit: value}]}))
        assert cli.main(["replay", "-q", "s.json", "--trace", f"t{status}.json", "--json"]) == status
        (case,) = json.loads(capsys.readouterr().out)["cases"]
        bound = f"<= {largest}" if value > largest else f">= {least}"
        assert case["reason"] == (f"can't be read: {limit}: expected int {bound}: correct it (see docs/scripts.md)" if status else None)
    trace = json.loads(Path("t0.json").read_text())
    assert trace[limit] == largest
    assert cli.main(["graph", "t0.json"]) == 0
    for value in (largest + 1, least - 1, 10**12):
        Path("t.json").write_text(json.dumps(trace | {limit: value}))
        capsys.readouterr()
        assert cli.main(["graph", "t.json"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"$.{limit}: Expected `int`" in line


def test_a_file_that_is_too_large_is_not_read(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(place)
    with open("sparse", "wb") as file:
        file.truncate(3 << 30)
    monkeypatch.setattr(os, "fdopen", lambda *_, **__: pytest.fail("it is read"))
    for command in ("replay", "graph", "policy", "check-server"):
        assert cli.main([command, "sparse"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "sparse: is larger than" in line


def test_a_script_that_goes_while_it_is_run_does_not_cost_the_verdict(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    wrong = {"id": "one", "steps": [{"as": "A", "call": "mach_task_self", "expect": {"ret": "KERN_INVALID_NAME"}}]}
    Path("script.json").write_text(json.dumps(SCRIPT | {"cases": [wrong]}))
    from sendright.properties.scripts import replay as module

    real = module.replay

    def replay(*arguments: object, **more: object) -> object:
        Path("script.json").unlink()
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "replay", replay)
    assert cli.main(["replay", "-q", "script.json"]) == 1
    assert "FAILED" in capsys.readouterr().out
