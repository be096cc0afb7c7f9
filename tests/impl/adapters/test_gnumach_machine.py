"""The live kernel's machine and words, without QEMU: programs that stand in for it do what can go wrong."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sendright.cli.main import main
from sendright.impl.adapters.gnumach import GnuMach, packages, recipe, setup
from sendright.impl.adapters.gnumach.files import Files, damaged, driver_in, files, kernel_in, sha256_of, sum_of_driver
from sendright.impl.adapters.gnumach.machine import Machine
from sendright.impl.adapters.gnumach.recipe import calls_header
from sendright.impl.adapters.gnumach.words import NUMBERS, outputs_of, words_of
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.implementation import ImplementationCrash
from sendright.mach.kernel.profiles import GNUMACH
from sendright.mach.signatures import SIGNATURES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PRELUDE = """#!{python}
import mmap, struct, sys, time
console = open(next(part for part in sys.argv if part.startswith("file:"))[5:], "w")
memory = next(part for part in sys.argv if "mem-path=" in part).partition("mem-path=")[2].partition(",")[0]
def line(text):
    content = text.encode()
    total = sum(byte * (at % 255 + 1) for at, byte in enumerate(content)) & 0xffff
    return content + b" # %x" % total
def say(text):
    sys.stdout.buffer.write(line(text) + b"\\n")
    sys.stdout.flush()
def panic(text):
    console.write(text)
    console.flush()
def hear():
    return sys.stdin.readline()
"""


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Machine]:
    """Makes a machine whose QEMU is the Python program given."""

    def make(program: str) -> Machine:
        qemu = tmp_path / "qemu"
        qemu.write_text(PRELUDE.format(python=sys.executable) + program)
        qemu.chmod(qemu.stat().st_mode | stat.S_IXUSR)
        return Machine(Files(str(qemu), tmp_path / "gnumach", tmp_path / "driver"), boot_seconds=10.0)

    return make


def test_lines_go_to_and_fro(machine: Callable[[str], Machine]) -> None:
    running = machine("say('ready')\nwhile True: say('A ' + hear().strip())")
    assert running.exchange("call 0 1") == ["A", "call", "0", "1"]
    running.end()
    assert not running.alive


def test_lines_go_through_memory_and_the_serial_port_tells_of_them(machine: Callable[[str], Machine]) -> None:
    running = machine(
        "with open(memory, 'wb') as file: file.truncate(1 << 16)\n"
        "file = open(memory, 'r+b'); shared = mmap.mmap(file.fileno(), 0)\n"
        "say('ready 1000')\n"
        "while True:\n"
        "    asked, = struct.unpack_from('<I', shared, 0x1000)\n"
        "    if asked:\n"
        "        answer = line('A ' + shared[0x1008:0x1007 + asked].decode())\n"
        "        shared[0x1008:0x1008 + len(answer)] = answer\n"
        "        struct.pack_into('<II', shared, 0x1000, 0, len(answer))\n"
        "        sys.stdout.write('\\n'); sys.stdout.flush()\n"
    )
    for number in range(20):
        assert running.exchange(f"call {number:x}") == ["A", "call", f"{number:x}"]
    wait_until_stopped(running.pid)
    running.end()


def test_the_machine_is_stopped_as_it_writes_whether_anybody_reads_or_not(machine: Callable[[str], Machine]) -> None:
    running = machine("say('ready')\nwhile True: say('A ' + hear().strip()); say('more')")
    assert running.exchange("call 0 1") == ["A", "call", "0", "1"]
    for _ in range(2):
        wait_until_stopped(running.pid)
        os.kill(running.pid, signal.SIGCONT)
    assert running.exchange("call 0 2") == ["more"]
    running.end()


def test_an_answer_in_pieces_arrives_although_each_piece_stops_the_machine(machine: Callable[[str], Machine]) -> None:
    running = machine("say('ready')\nhear()\nfor part in (b'A ', line('A 0')[2:], b'\\n'): sys.stdout.buffer.write(part); sys.stdout.flush()")
    assert running.exchange("call 0 1") == ["A", "0"]
    running.end()


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it isn't stopped"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("sys.exit(3)", "QEMU ended with exit status 3"),
        ("print('qemu: no\\n can\\'t allocate  memory\\n', file=sys.stderr); sys.exit(1)", "exit status 1; QEMU said: can't allocate memory"),
        ("say('ready'); hear(); print('x' * 9999, file=sys.stderr); sys.exit(1)", "QEMU said: xxx"),
        ("print('qemu: no such machine', flush=True)", "wrote what isn't a line of the driver's to the serial port"),
        ("say('ready'); hear(); print('A 0 # 1', flush=True); hear()", "wrote what isn't a line of the driver's"),
        ("say('ready'); hear(); sys.stdout.buffer.write(bytes(range(256)) + b'\\n'); sys.stdout.flush(); hear()", "wrote what isn't a line"),
        ("say('ready'); hear(); sys.stdout.buffer.write(b'A 0 '); sys.stdout.flush(); time.sleep(60)", "did not answer within 0.5 s"),
        ("say('ready'); hear(); time.sleep(60)", "did not answer within 0.5 s"),
        ("say('ready'); hear(); import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "QEMU ended with SIGKILL"),
        ("say('ready'); hear(); panic('boot\\npanic: thread_block\\n'); time.sleep(60)", "panicked: panic: thread_block"),
        ("say('ready'); hear(); panic('boot\\nkernel: Page fault, panic\\n')", "panicked: kernel: Page fault, panic"),
    ],
)
def test_what_goes_wrong_is_told_and_ends_the_machine(machine: Callable[[str], Machine], program: str, words: str) -> None:
    with pytest.raises(ImplementationCrash) as crash:
        machine(program).exchange("call 0 1", 0.5)
    assert words in str(crash.value)


def test_a_machine_ends_with_who_started_it(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text(PRELUDE.format(python=sys.executable) + "say('ready'); time.sleep(100)")
    qemu.chmod(0o755)
    program = (
        "import os, pathlib, sys, time\n"
        "from sendright.impl.adapters.gnumach.machine import Machine\n"
        "from sendright.impl.adapters.gnumach.files import Files\n"
        f"machine = Machine(Files({str(qemu)!r}, pathlib.Path('k'), pathlib.Path('d')))\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(machine.pid))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", program) == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while running(pid):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_an_answer_says_must_make_sense(machine: Callable[[str], Machine]) -> None:
    for answer in ("A", "A zz", "T", "E 7 0", "N", "A 0 4 T 0 0 1 1f 1", "? 3", "Q 0"):
        kernel = GnuMach(lambda answer=answer: machine(f"say('ready')\nhear()\nsay('T 0 0')\nhear()\nsay({answer!r})\nhear()"))
        kernel.boot(GNUMACH)
        with pytest.raises(ImplementationCrash, match="makes no sense"):
            kernel.call(0, Call("mach_task_self", {}))
        assert kernel.machine is not None
        assert not kernel.machine.alive


# ---- a call that waits


class Told:
    """Stands for the machine: it says what it was given, line by line."""

    alive = True

    def __init__(self, *lines: str) -> None:
        self.lines = iter(("T 0 0", *lines))

    def exchange(self, line: str) -> list[str]:
        return next(self.lines).split()

    def end(self) -> None:
        self.alive = False


def test_which_half_of_mach_msg_waits() -> None:
    """It waits for room; it begins to receive while another task makes a call; it ends while another makes one."""
    view = "T 0 0 T 1 0"
    received = "A 0 2a 4 0 0 7 0 20 0 1 9 1"
    kernel = GnuMach(
        lambda: Told(f"A 0 5 N 1 {view}", f"S {view}", f"S {view}", f"A 0 0 0 M 0 {view}", f"B {view}", f"A 0 {received.replace('A', 'E 0')} {view}")
    )
    kernel.boot(GNUMACH)
    assert kernel.call(0, Call("task_create", {"parent_task": 3})).created_task == 1
    both = Call("mach_msg", {"dest": 5, "port": 4, "send_wait": True, "receive_wait": True})
    assert kernel.call(0, both).code == ReturnCode.MACH_SEND_IN_PROGRESS
    assert kernel.call(0, Call("mach_msg", {}, resume=True)).code == ReturnCode.MACH_SEND_IN_PROGRESS
    assert kernel.call(1, Call("mach_port_names", {"task": 1})).ended == {0: Result(ReturnCode.MACH_RCV_IN_PROGRESS)}
    assert kernel.call(0, Call("mach_msg_receive", {}, resume=True)).code == ReturnCode.MACH_RCV_IN_PROGRESS
    ended = kernel.call(1, Call("mach_msg_send", {"dest": 5})).ended[0]
    assert (ended.code, ended.outputs["id"], ended.outputs["data"]) == (0, 42, 9)


# ---- words


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call("mach_port_mod_refs", {"task": 3, "name": 4, "right": 0, "delta": -1}), [3, 4, 0, -1]),
        (Call("task_create", {"parent_task": 3, "inherit_memory": True}), [3, 1]),
        (Call("mach_ports_register", {"task": 3, "ports": (4, 0)}), [3, 2, 4, 0]),
        (
            Call("mach_msg_send", {"dest": 5, "data": 9, "descriptors": ((6, 17), ((7, 8), 19))}),
            [5, 19, 0, 0, 0, 2, 0, 6, 17, 1, 19, 2, 7, 8, 9, 4, 0, 0],
        ),
        (Call("mach_msg_send", {"dest": 5, "data": 9, "size": 24}), [5, 19, 0, 0, 0, 0, 0, 0, 0, 0]),
        (Call("mach_msg_send", {"dest": 5, "data": 9, "size": 32}), [5, 19, 0, 0, 0, 0, 9, 2, 0, 0]),
        (Call("mach_msg_send", {"dest": 5, "size": 20}), [5, 19, 0, 0, 0, 0, 0, 1, 20, 0]),
        (Call("mach_msg_receive", {"port": 5, "limit": 28, "large": True}), [5, 32, 1, 0]),
        (
            Call("mach_msg", {"dest": 5, "reply": 6, "reply_disposition": 21, "id": 7, "data": 9, "send_wait": True, "port": 6, "limit": 28}),
            [5, 19, 6, 21, 7, 0, 9, 1, 0, 1, 6, 32, 0, 0],
        ),
        (Call("mach_msg", {"dest": 5, "port": 8, "large": True, "receive_wait": True}), [5, 19, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0xFFFFFFFF, 1, 1]),
        (Call("vm_write", {"task": 3, "address": 2, "value": 7}), [3, 2, 7]),
    ],
)
def test_arguments_as_words(call: Call, words: list[int]) -> None:
    assert list(words_of(call, GNUMACH)) == words


@pytest.mark.parametrize(
    "call",
    [
        Call("mach_msg_send", {"dest": 5, "descriptors": ((6, 15),)}),
        Call("mach_msg_send", {"dest": 5, "descriptors": ((0, 0, False),)}),
        Call("mach_msg_send", {"dest": 5, "size": 0x7FFFFFFC}),
        Call("mach_msg", {"dest": 5, "port": 6, "descriptors": ((0, 0, False),)}),
        Call("mach_msg", {"dest": 5, "port": 6, "descriptors": ((5, 16),), "send_wait": True}),
        Call("mach_port_get_attributes", {"task": 3, "name": 4, "flavor": 3}),
        Call("mach_port_set_attributes", {"task": 3, "name": 4, "flavor": 1, "info": ()}),
        Call("vm_read", {"task": 3, "address": 16}),
        Call("vm_allocate", {"task": 3, "anywhere": True}),
    ],
)
def test_calls_that_this_kernel_cannot_make(call: Call) -> None:
    with pytest.raises(NotMade):
        list(words_of(call, GNUMACH))


def test_results_from_words() -> None:
    received = outputs_of(Call("mach_msg_receive", {}), 0, [42, 4, 0, 0, 7, 1, 48, 2, 0, 5, 17, 1, 16, 1, 6, 1, 9, 4])
    assert received == {
        "id": 42,
        "local": 4,
        "reply": 0,
        "reply_disposition": 0,
        "sequence_number": 7,
        "data": 9,
        "size": 56,
        "trailer_size": 0,
        "descriptors": ((5, 17), ((6,), 16)),
        "security_token": (),
        "audit_token": (),
    }
    both = Call("mach_msg", {})
    assert outputs_of(both, 0, [42, 4, 0, 0, 7, 1, 48, 2, 0, 5, 17, 1, 16, 1, 6, 1, 9, 4]) == received
    assert outputs_of(both, 0x10000004, [5, 6, 1, 0, 7, 17, 1, 9, 2]) == {"dest": 5, "reply": 6, "descriptors": ((7, 17),)}
    assert outputs_of(both, 0x10004004, [0, 0, 0, 0, 0, 0, 32]) == {"size": 28}
    assert outputs_of(both, 0x10004002, []) == {}
    assert outputs_of(Call("mach_port_names", {}), 0, [2, 1, 3, 2, 65536, 65536]) == {"names": (1, 3), "types": (65536, 65536)}
    assert outputs_of(Call("mach_port_names", {}), 16, []) == {}


def test_the_driver_knows_each_call_by_its_place_in_the_table() -> None:
    header = calls_header()
    assert [f"CALL_{name} = {number}," in header for number, name in enumerate(SIGNATURES)] == [True] * len(NUMBERS)
    assert "[CALL_task_suspend] = 1" in header
    assert "[CALL_mach_msg_send]" not in header


# ---- set-up


def test_setup_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SENDRIGHT_GNUMACH", str(tmp_path / "place"))
    assert main(["setup", "gnumach"]) == 2
    assert "apt-get isn't installed (this machine has no apt" in capsys.readouterr().err
    for tool in ("apt-get", "dpkg-deb"):
        (tmp_path / tool).write_text("#!/bin/sh\n")
        (tmp_path / tool).chmod(0o755)
    assert main(["setup", "gnumach"]) == 2
    assert "qemu-system-i386 isn't installed (apt-get install" in capsys.readouterr().err
    assert main(["check", "--sut", "gnumach"]) == 2
    assert "qemu-system-i386 isn't installed" in capsys.readouterr().err
    assert main(["setup", "hurd"]) == 2
    assert "setup: unknown 'hurd'" in capsys.readouterr().err


def test_setup_leaves_a_folder_with_files_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tools").mkdir()
    for tool in ("apt-get", "dpkg-deb", "qemu-system-i386", "gcc", "perl"):
        (tmp_path / "tools" / tool).write_text("#!/bin/sh\necho E: not today >&2\nexit 1\n")
        (tmp_path / "tools" / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    place = tmp_path / "place"
    monkeypatch.setenv("SENDRIGHT_GNUMACH", str(place))
    place.mkdir()
    for name in ("driver", "notes.txt", "stamp"):
        (place / name).write_text("mine")
        assert main(["setup", "gnumach"]) == 2
        assert f"{place} has files that sendright didn't put there" in capsys.readouterr().err
        assert [(path.name, path.read_text()) for path in place.iterdir()] == [(name, "mine")]
        (place / name).unlink()
    for _ in range(2):  # the second time it is a folder that sendright has begun to set up
        assert main(["setup", "gnumach"]) == 2
        assert "not today" in capsys.readouterr().err
    (place / "CACHEDIR.TAG").unlink()
    (place / "stamp").write_text("0" * 64)  # set up by a version that left no tag
    assert main(["setup", "gnumach"]) == 2
    assert "not today" in capsys.readouterr().err
    assert (place / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_driver_of_another_version_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It wouldn't know the calls that have been added since."""
    (tmp_path / "qemu-system-i386").write_text("#!/bin/sh\n")
    (tmp_path / "qemu-system-i386").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SENDRIGHT_GNUMACH", str(tmp_path))
    kernel_in(tmp_path).write_bytes(b"a kernel")
    driver_in(tmp_path).write_bytes(b"a driver")
    monkeypatch.setattr("sendright.impl.adapters.gnumach.files.KERNEL_SHA256", sha256_of(kernel_in(tmp_path)))
    sum_of_driver(tmp_path).write_text(sha256_of(driver_in(tmp_path)))
    assert files().driver == driver_in(tmp_path)
    monkeypatch.setattr(recipe, "calls_header", lambda: "")
    recipe.recipe.cache_clear()
    try:
        assert main(["check", "--sut", "gnumach"]) == 2
        assert re.search(r"driver-\w+ isn't there \(run 'sendright setup gnumach'\)", capsys.readouterr().err)
    finally:
        recipe.recipe.cache_clear()


@pytest.mark.parametrize("which", [kernel_in, driver_in, sum_of_driver])
@pytest.mark.parametrize("content", [b"", b"a d", b"\xff"])
def test_a_kernel_or_driver_that_is_cut_off_is_not_used(
    which: Callable[[Path], Path], content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "qemu-system-i386").write_text("#!/bin/sh\n")
    (tmp_path / "qemu-system-i386").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SENDRIGHT_GNUMACH", str(tmp_path))
    kernel_in(tmp_path).write_bytes(b"a kernel")
    driver_in(tmp_path).write_bytes(b"a driver")
    monkeypatch.setattr("sendright.impl.adapters.gnumach.files.KERNEL_SHA256", sha256_of(kernel_in(tmp_path)))
    sum_of_driver(tmp_path).write_text(sha256_of(driver_in(tmp_path)))
    assert damaged(tmp_path) is None
    which(tmp_path).write_bytes(content)
    assert main(["check", "--sut", "gnumach"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "isn't as it was made: it may be cut off (run 'sendright setup gnumach' again)" in line


def test_setup_asks_for_what_loads_32_bit_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sendright.impl.adapters.gnumach.setup.LOADER", tmp_path / "none")
    with pytest.raises(packages.NotSetUp, match="apt-get install libc6-i386"):
        setup._build(tmp_path, tmp_path)


def test_a_package_that_is_not_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(place: Path, wanted: object) -> None:
        for package in packages.PACKAGES:
            (place / package.file).write_bytes(b"something else")

    monkeypatch.setattr(packages, "_download", fetched)
    with pytest.raises(packages.NotSetUp, match="isn't the package that is known to work: its sha256 is"):
        packages.fetch(tmp_path, lambda words: None)


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n", "http://mirror.example/debian"),
        ("deb [signed-by=/x] https://mirror.example/debian/ trixie main\n", "https://mirror.example/debian"),
        ("deb http://archive.ubuntu.com/ubuntu noble main\n", packages.USUAL_MIRROR),
    ],
)
def test_the_mirror_of_the_machine_is_used(tmp_path: Path, sources: str, mirror: str) -> None:
    (tmp_path / "sources").write_text(sources)
    assert packages.mirror([tmp_path / "none", tmp_path / "sources"]) == mirror


def test_a_profile_that_it_cannot_have_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(GnuMach, "__init__", lambda self: None)
    assert main(["check", "--sut", "gnumach", "--profile", "osf"]) == 2
    assert "can't be booted as osf (choose one of gnumach, or leave it out)" in capsys.readouterr().err
