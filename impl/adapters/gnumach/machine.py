"""A virtual machine that runs GNU Mach and the driver: lines to the driver, lines from it, and the end of it, whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from pathlib import Path

from sendright.impl.adapters.gnumach.files import Files
from sendright.mach.implementation import ImplementationCrash
from sendright.mach.interruption import deaf_children

MEGABYTES = 32
BOOT_SECONDS = 30.0
"""Booting takes half a second on an idle machine."""
ANSWER_SECONDS = 10.0
"""An exchange takes a millisecond."""
_PR_SET_PDEATHSIG = 1
_CHECKED = 255
"""As ``write_line`` of the driver adds up a line."""
_PANIC = ("panic", "kernel trap", "kernel page fault", "assertion", "double fault")


class Machine:
    """One machine, booted. All that goes wrong with it raises ImplementationCrash, after which it is no more."""

    def __init__(self, files: Files) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="sendright-gnumach-"))
        self._console = self._directory / "console.log"
        # QEMU splits this value at commas; the boot script of GNU Mach takes the rest word by word.
        driver = self._directory / "driver"
        driver.symlink_to(files.driver)
        module = f"{driver} ${{host-port}} ${{device-port}} $(task-create) $(task-resume)"
        command = [
            *(files.qemu, "-m", str(MEGABYTES), "-nographic", "-no-reboot", "-vga", "none", "-net", "none", "-nodefaults"),
            # Time is what the guest executes: it doesn't wait for hardware that isn't there, and runs alike every time.
            *("-icount", "shift=5,sleep=off"),
            *("-kernel", str(files.kernel), "-append", "console=com0", "-initrd", module),
            *("-serial", f"file:{self._console}", "-serial", "stdio"),
        ]
        with deaf_children():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent(os.getpid()),
            )
        self.end = weakref.finalize(self, _end, self._process, self._directory, os.getpid())
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._received = bytearray()
        self.exchange(None, BOOT_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether there is somebody to talk to."""
        return self.end.alive

    @property
    def pid(self) -> int:
        """The process of QEMU."""
        return self._process.pid

    def exchange(self, line: str | None, seconds: float = ANSWER_SECONDS) -> list[str]:
        """What the driver answers to ``line`` (None: nothing is asked; it says of itself that it is ready), word by word."""
        try:
            if line is not None:
                self._write(line.encode("ascii") + b"\n")
            answer = self._read_line(seconds)
        except BaseException:  # also its time is up, or Ctrl-C: what it would still answer must not be taken for another answer
            self.end()
            raise
        words = _checked(answer)
        if words is None:
            self._crash(f"wrote what isn't a line of the driver's to the serial port: {answer[:80]!r}")
        return words

    def _write(self, content: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except OSError:
            self._ended()

    def _read_line(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                self._silent(seconds)
            if select.select([source], [], [], min(left, 1.0))[0]:
                part = os.read(source, 65536)
                if not part:
                    self._ended()
                self._received += part
            elif self._panicked():
                self._silent(seconds)
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line

    def _silent(self, seconds: float) -> None:
        panic = self._panicked()
        self._crash(f"panicked: {panic}" if panic else f"did not answer within {seconds:g} s")

    def _ended(self) -> None:
        try:
            status: int | None = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            status = None
        how = "closed its serial port" if status is None else f"ended with {_status_in_words(status)}"
        self._crash(f"panicked: {self._panicked()}" if self._panicked() else f"QEMU {how}")

    def _crash(self, how: str) -> None:
        self.end()
        raise ImplementationCrash(how)

    def _panicked(self) -> str | None:
        """What the kernel's console says of its own end."""
        try:
            lines = self._console.read_text("latin-1").splitlines()
        except OSError:
            return None
        for line in lines:
            if any(word in line.lower() for word in _PANIC):
                return " ".join(line.split())
        return None


def _checked(line: bytes) -> list[str] | None:
    """The words of a line, if the sum at its end is that of its bytes."""
    content, mark, told = line.rstrip(b"\r").rpartition(b" # ")
    try:
        right = mark and int(told, 16) == sum(byte * (at % _CHECKED + 1) for at, byte in enumerate(content)) & 0xFFFF
        return content.decode("ascii").split() if right else None
    except ValueError:
        return None


def _status_in_words(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _end_with_parent(parent: int):  # type: ignore[no-untyped-def]
    """QEMU outlives whoever started it, even when its input ends: have the kernel end it, where there is a way (Linux)."""
    if not hasattr(os, "fork") or os.uname().sysname != "Linux":
        return None
    library = ctypes.CDLL(None)

    def in_child() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def _end(process: subprocess.Popen[bytes], directory: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a process that was forked from it
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(directory, ignore_errors=True)
