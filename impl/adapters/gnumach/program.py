"""Runs a program of ``sendright export`` on GNU Mach under QEMU: compiles it, boots it, and reads what it says."""

from __future__ import annotations

import os
from pathlib import Path

from sendright.impl.adapters.gnumach.building import build_module
from sendright.impl.adapters.gnumach.files import Files, NotSetUp, directory, files
from sendright.impl.adapters.gnumach.machine import boot_command
from sendright.impl.adapters.line_process import LineProcess, NoAnswer, ProgramEnded
from sendright.mach.keeper import temporary_directory
from sendright.mach.kernel.implementation import ImplementationCrash

STUBS = ("mach/mach", "mach/mach_port", "mach_debug/mach_debug")
SECONDS = 30.0
"""How long a program may be silent. Booting takes half a second on an idle machine."""
_SIGN = "sendright: "
_END = "end "
_MOST_LINES = 100_000


def run_program(text: str, seconds: float = SECONDS) -> list[str]:
    """What the program with this ``text`` says, line by line: ``step 1: task 0: mach_port_allocate: PASS`` …, and at
    last ``end PASS``, or another verdict.

    Raises NotSetUp if something is missing or the program can't be compiled, and ImplementationCrash if the kernel
    panics, or the program falls silent.
    """
    found = files()
    usr = directory() / "root" / "usr"
    if not (usr / "include").is_dir():
        raise NotSetUp(f"{usr} isn't there (run 'sendright setup gnumach')")
    with temporary_directory("sendright-program-") as folder:
        build = Path(folder)
        (build / "program.c").write_text(text, "ascii")
        build_module("program", build, usr, ["program.c"], STUBS)
        return _said(Files(found.qemu, found.kernel, build / "program"), build, seconds)


def _said(machine: Files, folder: Path, seconds: float) -> list[str]:
    lines: list[str] = []
    try:
        with open(os.devnull, "wb") as nothing:
            process = LineProcess(boot_command(machine, folder, ["-serial", "stdio"]), errors=nothing)
    except OSError as error:
        raise NotSetUp(f"can't start {machine.qemu}: {error.strerror}") from error
    try:
        for _ in range(_MOST_LINES):
            line = process.exchange(None, seconds).decode("latin-1").strip()
            if "anic" in line:
                raise ImplementationCrash(f"panicked: {line}")
            if line.startswith(_SIGN):
                lines.append(line.removeprefix(_SIGN))
                if lines[-1].startswith(_END):
                    return lines
    except ProgramEnded as error:
        raise ImplementationCrash(f"QEMU {error}") from error
    except NoAnswer:
        raise ImplementationCrash(f"said nothing for {seconds:g} s{f' after {lines[-1]!r}' if lines else ''}") from None
    finally:
        process.end()
    raise ImplementationCrash(f"wrote more than {_MOST_LINES} lines")
