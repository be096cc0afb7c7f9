"""A virtual machine that runs GNU Mach and the driver: lines to the driver, lines from it, and the end of it, whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import NoReturn

from sendright.impl.adapters.gnumach.files import Files
from sendright.impl.adapters.line_process import Ended, LineProcess, Silent
from sendright.mach.implementation import ImplementationCrash

MEGABYTES = 32
BOOT_SECONDS = 30.0
"""Booting takes half a second on an idle machine."""
ANSWER_SECONDS = 10.0
"""An exchange takes a millisecond."""
_CHECKED = 255
"""As ``write_line`` of the driver adds up a line."""
_PANIC = ("panic", "kernel trap", "kernel page fault", "assertion", "double fault")


class Machine:
    """One machine, booted. All that goes wrong with it raises ImplementationCrash, after which it is no more."""

    def __init__(self, files: Files, boot_seconds: float = BOOT_SECONDS) -> None:
        directory = Path(tempfile.mkdtemp(prefix="sendright-gnumach-"))
        self._remove = weakref.finalize(self, _remove, directory, os.getpid())
        self._console = directory / "console.log"
        # QEMU splits this value at commas, and GNU Mach's boot script at spaces: the driver gets a plain name.
        driver = directory / "driver"
        driver.symlink_to(files.driver.absolute())
        module = f"{driver} ${{host-port}} ${{device-port}} $(task-create) $(task-resume)"
        command = [
            *(files.qemu, "-m", str(MEGABYTES), "-nographic", "-no-reboot", "-vga", "none", "-net", "none", "-nodefaults"),
            # Time is what the guest executes: it doesn't wait for hardware that isn't there, and runs alike every time.
            *("-icount", "shift=5,sleep=off"),
            *("-kernel", str(files.kernel), "-append", "console=com0", "-initrd", module),
            *("-serial", f"file:{self._console}", "-serial", "stdio"),
        ]
        try:
            self._process = LineProcess(command, quiet=True)
        except OSError as error:
            raise ImplementationCrash(f"can't start {files.qemu}: {error.strerror}") from error
        self.exchange(None, boot_seconds)

    @property
    def alive(self) -> bool:
        """Whether there is somebody to talk to."""
        return self._process.alive

    @property
    def pid(self) -> int:
        """The process of QEMU."""
        return self._process.pid

    def end(self) -> None:
        """Switch it off."""
        self._process.end()
        self._remove()

    def exchange(self, line: str | None, seconds: float = ANSWER_SECONDS) -> list[str]:
        """What the driver answers to ``line`` (None: nothing is asked; it says of itself that it is ready), word by word."""
        try:
            answer = self._process.exchange(None if line is None else line.encode("ascii"), seconds, lambda: self._panic() is not None)
        except Ended as error:
            self._crash(f"QEMU {error}")
        except Silent:
            self._crash(f"did not answer within {seconds:g} s")
        words = _checked(answer)
        if words is None:
            self._crash(f"wrote what isn't a line of the driver's to the serial port: {answer[:80]!r}")
        return words

    def _crash(self, how: str) -> NoReturn:
        panic = self._panic()
        self.end()
        raise ImplementationCrash(how if panic is None else f"panicked: {panic}")

    def _panic(self) -> str | None:
        """What the kernel's console says of its own end."""
        try:
            lines = self._console.read_text("latin-1").splitlines()
        except OSError:
            return None
        return next((" ".join(line.split()) for line in lines if any(word in line.lower() for word in _PANIC)), None)


def _checked(line: bytes) -> list[str] | None:
    """The words of a line, if the sum at its end is that of its bytes."""
    content, mark, told = line.rstrip(b"\r").rpartition(b" # ")
    try:
        right = mark and int(told, 16) == sum(byte * (at % _CHECKED + 1) for at, byte in enumerate(content)) & 0xFFFF
        return content.decode("ascii").split() if right else None
    except ValueError:
        return None


def _remove(directory: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)
