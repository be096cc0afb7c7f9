"""A virtual machine that runs GNU Mach and the driver: it exchanges lines with the driver, and always ends with this
process.

Lines go through memory that guest and host share, because the emulator needs microseconds for each byte of a serial
port. The serial port only signals that a line is there. The guest polls for the next line, so the machine is paused
while there is none.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from sendright.impl.adapters.gnumach.files import Files
from sendright.impl.adapters.line_process import LineProcess, NoAnswer, ProgramEnded
from sendright.mach.keeper import temporary_directory
from sendright.mach.kernel.implementation import ImplementationCrash

MEGABYTES = 32
BOOT_SECONDS = 30.0
"""Booting takes half a second on an idle machine."""
ANSWER_SECONDS = 10.0
"""An exchange takes a millisecond."""
MEMORY_FOLDER = Path("/dev/shm")
"""A folder whose files are in memory only."""
_CHECKED = 255
"""The checksum of a line, as ``finish_line`` of the driver computes it."""
_COMPLAINT = 300
"""At most this many bytes of QEMU's last complaint go into the message."""
_PANIC = ("panic", "kernel trap", "kernel page fault", "assertion", "double fault")


class Machine:
    """A booted machine. Any error raises ImplementationCrash, and then the machine has been ended."""

    def __init__(self, files: Files, boot_seconds: float = BOOT_SECONDS) -> None:
        beside = MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else None
        with temporary_directory("sendright-gnumach-", beside) as directory:
            self._start(files, Path(directory), boot_seconds)
        # QEMU has the files open, so they can be removed now.

    def _start(self, files: Files, directory: Path, boot_seconds: float) -> None:
        console, memory = directory / "console", directory / "memory"
        console.touch()
        shared = ["-object", f"memory-backend-file,id=ram,size={MEGABYTES}M,mem-path={memory},share=on", "-machine", "pc,memory-backend=ram"]
        command = boot_command(files, directory, [*shared, "-serial", f"file:{console}", "-serial", "stdio"])
        self._console = console.open("rb")
        self._errors = (directory / "errors").open("w+b")
        self._close = weakref.finalize(self, _close, self._console, self._errors)
        self._memory: _Shared | None = None
        try:
            self._process = LineProcess(command, errors=self._errors)
        except OSError as error:
            raise ImplementationCrash(f"can't start {files.qemu}: {error.strerror}") from error
        ready = self.exchange(None, boot_seconds)
        if len(ready) == 2:  # and the addresses of its memory for lines
            with memory.open("r+b") as file:
                self._memory = _Shared(mmap.mmap(file.fileno(), 0), int(ready[1], 16))
        self._process.pause_between_exchanges()

    @property
    def alive(self) -> bool:
        """Whether the machine is running."""
        return self._process.alive

    @property
    def pid(self) -> int:
        """The process of QEMU."""
        return self._process.pid

    def end(self) -> None:
        """Switch it off."""
        self._process.end()
        self._close()
        if self._memory is not None:
            self._memory.close()

    def exchange(self, line: str | None, seconds: float = ANSWER_SECONDS) -> list[str]:
        """Send ``line`` to the driver and return the words of its answer. None: send nothing, and return its report
        that it is ready.
        """
        request = None if line is None else line.encode("ascii")
        memory = self._memory if self.alive else None
        if request is not None and memory is not None:
            memory.ask(request)
            request = None
        try:
            answer = self._process.exchange(request, seconds, lambda: self._panic() is not None)
        except ProgramEnded as error:
            self._crash(f"QEMU {error}")
        except NoAnswer:
            self._crash(f"did not answer within {seconds:g} s")
        if not answer and memory is not None:
            answer = memory.answer()
        words = _checked(answer)
        if words is None:
            self._crash(f"wrote what isn't a line of the driver's to the serial port: {answer[:80]!r}")
        return words

    def _crash(self, how: str) -> NoReturn:
        panic, complaint = self._panic(), self._complaint()
        self.end()
        raise ImplementationCrash(f"panicked: {panic}" if panic is not None else f"{how}; QEMU said: {complaint}" if complaint else how)

    def _complaint(self) -> str:
        """The last line that QEMU wrote to standard error; "": it wrote none."""
        if self._errors.closed:
            return ""
        end = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, end - _COMPLAINT))
        lines = [" ".join(line.split()) for line in self._errors.read().decode("utf-8", "backslashreplace").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def _panic(self) -> str | None:
        """The kernel's panic message on its console, None if there is none."""
        if self._console.closed:
            return None
        self._console.seek(0)
        lines = [" ".join(line.split()) for line in self._console.read().decode("latin-1").splitlines()]
        return next((line for word in _PANIC for line in lines if word in line.lower()), None)


def boot_command(files: Files, directory: Path, more: Sequence[str]) -> list[str]:
    """QEMU's command that boots the kernel with ``files.driver`` as its only program.

    Puts a link into ``directory``.
    """
    # QEMU splits the module's line at commas, and GNU Mach's boot script at spaces: the driver gets a plain name.
    driver = directory / "driver"
    driver.symlink_to(files.driver.absolute())
    module = f"{driver} ${{host-port}} ${{device-port}} $(task-create) $(task-resume)"
    return [
        *(files.qemu, "-m", str(MEGABYTES), "-nographic", "-no-reboot", "-vga", "none", "-net", "none", "-nodefaults"),
        # The guest's time is the number of its instructions: it never waits for hardware, and every run is the same.
        *("-icount", "shift=5,sleep=off"),
        *("-kernel", str(files.kernel), "-append", "console=com0", "-initrd", module),
        *more,
    ]


def _close(*opened: BinaryIO) -> None:
    for file in opened:
        file.close()


class _Shared:
    """The memory that is shared with the driver (``host.c`` has its layout)."""

    _ASKED, _TEXT = struct.Struct("<I"), 8

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory, self._at = memory, at

    def ask(self, line: bytes) -> None:
        text = self._at + self._TEXT
        self._memory[text : text + len(line)] = line
        self._ASKED.pack_into(self._memory, self._at, len(line) + 1)

    def answer(self) -> bytes:
        (length,) = self._ASKED.unpack_from(self._memory, self._at + 4)
        text = self._at + self._TEXT
        return self._memory[text : text + length]

    def close(self) -> None:
        self._memory.close()


def _checked(line: bytes) -> list[str] | None:
    """The words of a line, if the checksum at its end is right."""
    content, mark, checksum = line.rstrip(b"\r").rpartition(b" # ")
    try:
        right = mark and int(checksum, 16) == sum(byte * (at % _CHECKED + 1) for at, byte in enumerate(content)) & 0xFFFF
        return content.decode("ascii").split() if right else None
    except ValueError:
        return None
