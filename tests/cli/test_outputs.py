"""What an output option of any command may replace, and what it must leave as it is. The options are those that the
commands have.
"""

import ctypes
import errno
import inspect
import io
import os
import stat
import sys
import threading
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
import typer
from support.policies import EXAMPLES
from support.report_runs import MOVE_TO_CHILD, failing_check, forged, proof_result, run
from support.synthesized import write_log

from sendright.cli import main as cli
from sendright.impl.reference import ReferenceKernel
from sendright.mach.results.mutants import MutantsResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.witnesses import Witness
from sendright.properties.compare import Compared
from sendright.properties.coverage.witness_search import Found
from sendright.properties.scripts.export import script_of
from sendright.reports.rerun import Rerun
from sendright.reports.write import trace_text, write_reports, write_text

COMMANDS = {
    "check": ["check", "-q"],
    "prove": ["prove", "-q", "--no-cache"],
    "replay": ["replay", "-q", "script-in.json"],
    "audit": ["audit", "-q", "log-in.json"],
    "graph": ["graph", "trace-in.json"],
    "synthesize": ["synthesize", "-q", "--events", "5"],
    "witnesses": ["witnesses", "-q", "-p", "manual"],
    "mutants": ["mutants", "-q"],
    "policy": ["policy", "-q", "policy-in.toml", "--trace", "start-in.json"],
    "check-server": ["check-server", "-q", "server-in.json", "--server", "mended", "--examples", "4", "--acts", "10"],
    "compare": ["compare", "-q", "osf", "gnumach", "--no-proofs"],
    "export": ["export", "trace-in.json", "--to", "itf"],
}
"""How each command is run that has an output option."""


def options() -> Iterator[tuple[str, str]]:
    """Every command and option of it that names a file. (Folders are called DIR.)"""
    group = typer.main.get_command(cli.app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.metavar in ("FILE", "OUT"):
                yield name, max(parameter.opts, key=len)


OPTIONS = list(options())
EACH = pytest.mark.parametrize(("command", "option"), OPTIONS)


def test_every_command_with_an_output_is_tried() -> None:
    assert {command for command, _ in OPTIONS} == set(COMMANDS)
    paths = {
        (name, "--" + parameter.replace("_", "-"))
        for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
        for parameter, kind in typing.get_type_hints(inspect.unwrap(command.callback)).items()
        if kind in (Path, Path | None)
    }
    others = {"--report-dir", "--cache", "--tests", "--file", "--smtlib", "--survivors"}  # folders, and files that are read
    others |= {"--baseline", "--database", "--report"}
    assert {(name, option) for name, option in paths if option not in others} == set(OPTIONS)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with inputs; checks, proofs and searches are doubles."""
    monkeypatch.chdir(tmp_path)
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    write_text(Path("trace-in.json"), trace_text(trace))
    write_text(Path("start-in.json"), trace_text(run(ReferenceKernel(), MOVE_TO_CHILD[:1])))
    Path("policy-in.toml").write_text((EXAMPLES / "clients.toml").read_text("utf-8"), "utf-8")
    Path("server-in.json").write_text((EXAMPLES.parent / "servers" / "leaks.json").read_text("utf-8"), "utf-8")
    Path("script-in.json").write_bytes(msgspec.json.encode(script_of(trace)))
    write_log(Path("log-in.json"), 30)
    passing = msgspec.structs.replace(failing_check(), verdict=Verdict.PASSED, failure=None, script=None, cases_missed=())

    def check(*_: object, **more: Any) -> object:
        (more["on_run"] or id)(trace)
        return passing

    noticed = MutantsResult(verdict=Verdict.PASSED, profile="manual", seed=0, mutants=(), seconds=1.0, population={}, unchanged=0)
    monkeypatch.setattr("sendright.properties.mutants.drawing.all_mutants", lambda: ())
    monkeypatch.setattr("sendright.properties.mutants.survivors.read_survivors", lambda path: {})
    monkeypatch.setattr("sendright.properties.mutants.run.decide_mutants", lambda *_: noticed)
    nothing = Compared(runs=(), examples=1, judged=1, not_compared=(), interrupted=False)
    monkeypatch.setattr("sendright.properties.compare.compare_runs", lambda *_, **__: nothing)
    monkeypatch.setattr("sendright.cli.compare._cases", lambda *_: script_of(trace)["cases"])
    module = ModuleType("sendright.properties.check")
    module.check = check  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    proved = msgspec.structs.replace(proof_result(), verdict=Verdict.PROVED)
    monkeypatch.setattr("sendright.model.proof.prove.prove", lambda *_, **__: proved)
    found = Found((), (Witness("manual", 3, 1, 1, ()),), ())
    monkeypatch.setattr("sendright.properties.coverage.witness_search.find_witnesses", lambda *_, **__: found)
    return tmp_path


def made(command: str, option: str, path: str | Path) -> int:
    return cli.main([*COMMANDS[command], option, str(path)])


def refused(capsys: pytest.CaptureFixture[str], command: str, option: str, path: str | Path) -> None:
    capsys.readouterr()
    before = {(one, one.lstat().st_ino) for one in Path().iterdir()}
    assert made(command, option, path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert {(one, one.lstat().st_ino) for one in Path().iterdir()} == before


@EACH
def test_its_own_file_is_replaced_and_only_whole(command: str, option: str) -> None:
    out = Path("out")
    assert made(command, option, out) == 0
    os.link(out, "other-name")
    out.chmod(0o600)
    before = out.read_bytes()
    assert made(command, option, out) == 0
    assert (out.stat().st_ino, stat.S_IMODE(out.stat().st_mode)) != (Path("other-name").stat().st_ino, 0o644)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert Path("other-name").read_bytes() == before, "a hard link is another file from then on"
    assert not [one for one in Path().iterdir() if one.name.startswith(".sendright")]


@EACH
def test_a_file_of_the_users_own_stays(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    out = Path("out")
    for content in (
        "mine",
        "about sendright",
        '{"tool": "sendright"}',
        '<testsuites name="sendright"/>',
        '<testsuites name="mine"/>',
        '{"format": "mach-cases/1", "cases": []}',
    ):
        out.write_text(content)
        refused(capsys, command, option, out)
        assert out.read_text() == content
    out.write_text("")
    assert made(command, option, out) == 0, "an empty one has nothing to lose"


@EACH
def test_a_link_stays_and_is_followed(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    target, link = Path("target"), Path("link")
    link.symlink_to(target)
    assert made(command, option, link) == 0, "a dangling one"
    before = target.stat().st_ino
    assert made(command, option, link) == 0
    assert link.is_symlink()
    assert target.stat().st_ino != before
    target.write_text("mine")
    refused(capsys, command, option, link)
    assert target.read_text() == "mine"
    Path("loop").symlink_to("loop")
    refused(capsys, command, option, "loop")


@EACH
def test_a_folder_stays(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    Path("folder").mkdir()
    refused(capsys, command, option, "folder")


@EACH
def test_a_pipe_is_written_to(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    os.mkfifo("pipe")
    refused(capsys, command, option, "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_bytes()), daemon=True)
    reader.start()
    status = 2
    for _ in range(100):  # until the reader is there
        status = made(command, option, "pipe")
        if status == 0:
            break
    reader.join(30)
    assert status == 0
    assert len(got[0]) > 20
    assert stat.S_ISFIFO(os.lstat("pipe").st_mode)


@EACH
def test_a_device_is_written_to(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    for name, number, status in (("null", 3, 0), ("full", 7, 2)):
        try:
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(1, number))
            os.close(os.open(name, os.O_WRONLY))
        except OSError:
            pytest.skip("no device can be made here")
        assert made(command, option, name) == status
        assert stat.S_ISCHR(os.lstat(name).st_mode)
    assert "full: " in capsys.readouterr().err


@EACH
def test_standard_output_as_a_file(capfd: pytest.CaptureFixture[str], command: str, option: str) -> None:
    if not Path("/dev/stdout").exists():
        pytest.skip("no /dev/stdout")
    assert made(command, option, "a") == 0
    capfd.readouterr()
    assert made(command, option, "/dev/stdout") == 0
    assert Path("a").read_text()[:40] in capfd.readouterr().out
    assert Path("/dev/stdout").is_symlink()


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """In the block root has no more than what the permissions of files allow. Skips the test where that can't be."""
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("root may write anywhere")
    library, current = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 6)()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    if library.capget(header, current):
        pytest.skip("root may write anywhere")
    fewer = type(current)(*current)
    fewer[0] &= ~0b10  # CAP_DAC_OVERRIDE, of the effective ones
    assert library.capset(header, fewer) == 0
    try:
        yield
    finally:
        assert library.capset(header, current) == 0


@EACH
def test_a_folder_that_is_not_to_be_written_to(capsys: pytest.CaptureFixture[str], command: str, option: str) -> None:
    Path("closed").mkdir(mode=0o500)
    with bound_by_permissions():
        assert made(command, option, "closed/out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "closed/out: " in line
    assert not list(Path("closed").iterdir())


def test_a_disk_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat
    shown = SimpleNamespace(st_mode=stat.S_IFBLK, st_ino=0, st_dev=0)
    monkeypatch.setattr("sendright.reports.write.os.stat", lambda path, **more: shown if str(path).endswith("disk") else real(path, **more))
    with pytest.raises(OSError, match="disk"):
        write_text(tmp_path / "disk", "text")


def test_a_report_folder_with_files_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("reports")
    folder.mkdir()
    (folder / "trace.json").write_text('{"mine": 1}')
    (folder / "junit.xml").write_text('<testsuites name="mine"/>')
    Path("elsewhere").write_text("mine")
    (folder / "report.sarif").symlink_to("../elsewhere")
    status = cli.main(["replay", "-q", "script-in.json", "--fault", "move-send-keeps-sender", "--report-dir", "reports"])
    assert status == 1
    (line,) = capsys.readouterr().err.splitlines()
    for name in ("trace.json", "junit.xml", "report.sarif"):
        assert f"reports/{name}: the report can't be written" in line
    assert (folder / "trace.json").read_text() == '{"mine": 1}'
    assert (folder / "junit.xml").read_text() == '<testsuites name="mine"/>'
    assert (folder / "report.sarif").is_symlink()
    assert Path("elsewhere").read_text() == "mine"
    assert (folder / "report.html").stat().st_size > 1000


FOUND: dict[str, list[str]] = {
    "check": ["check", "-q"],
    "prove": ["prove", "-q", "--no-cache"],
    "replay": ["replay", "-q", "script-in.json", "--fault", "move-send-keeps-sender"],
    "check-server": ["check-server", "-q", "server-in.json", "--server", "forgets", "--examples", "20"],
    "audit": ["audit", "-q", "planted-in.json"],
    "graph": ["graph", "wrong-in.json"],
    "policy": ["policy", "-q", "strict-in.toml", "--trace", "trace-in.json"],
    "trace-spec": ["trace-spec", "--call", "mach_port_names", "--tests", "none-in"],
}


@pytest.mark.parametrize("how", ["", "--json"])
@pytest.mark.parametrize("command", FOUND)
def test_what_was_found_is_the_exit_status_even_if_it_cannot_be_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, how: str
) -> None:
    write_text(Path("wrong-in.json"), trace_text(forged(run(ReferenceKernel(), MOVE_TO_CHILD))))
    write_log(Path("planted-in.json"), 100, plants=["control"])
    Path("none-in").mkdir()
    labels = '\n[tasks]\n1 = "one"\n[user_ports]\n8 = "server"\n'
    Path("strict-in.toml").write_text(Path("policy-in.toml").read_text("utf-8") + labels, "utf-8")
    sys.modules["sendright.properties.check"].check = lambda *_, **__: failing_check()  # type: ignore[attr-defined]
    monkeypatch.setattr("sendright.model.proof.prove.prove", lambda *_, **__: msgspec.structs.replace(proof_result(), verdict=Verdict.REFUTED))
    arguments = [*FOUND[command], *([how] if how else [])]
    assert cli.main(arguments) == 1, "there is something to be found"
    capsys.readouterr()

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "standard output: No space left on device" in line


def test_the_files_of_a_report_are_replaced_by_the_next(tmp_path: Path) -> None:
    result = failing_check()
    trace = result.failure
    assert trace is not None
    result = msgspec.structs.replace(result, script=script_of(trace))
    assert len({write_reports(result, tmp_path / "r", Rerun(), "1") for _ in range(2)}) == 1
