"""What the driver is built from, and how: a driver of another version of sendright knows other calls."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from sendright.impl.adapters.gnumach.words import NUMBERS
from sendright.mach.signatures import OWN_CALLS, SIGNATURES

SOURCE = Path(__file__).parent / "driver"
FLAGS = (
    *("-m32", "-std=gnu11", "-O1", "-ffreestanding", "-fno-builtin", "-nostdinc", "-mno-sse", "-fno-pic", "-fno-pie"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none"),
)
LINK = (
    "-m32",
    "-static",
    "-nostdlib",
    "-no-pie",
    "-Wl,-Ttext-segment=0x08048000",
    "-Wl,--omagic",
    "-Wl,--build-id=none",
    "-Wl,--no-warn-rwx-segments",
)
"""One segment, so that the driver's image can be mapped into an agent in one piece."""


@cache
def recipe() -> str:
    """A digest of the driver's source files, its numbers of calls, and the compiler's flags: hexadecimal digits."""
    made = hashlib.sha256(repr((FLAGS, LINK, calls_header())).encode())
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file():
            made.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    return made.hexdigest()


def calls_header() -> str:
    """``calls.h``: the driver's numbers of the calls, and which of them are sent to a port."""
    lines = ["/* Made from the signature table. */", "#pragma once", "enum {"]
    lines += [f"\tCALL_{name} = {number}," for name, number in NUMBERS.items()]
    lines += [f"\tCALL_COUNT = {len(NUMBERS)}", "};", "", "/* The first argument is the port that the call is sent to. */"]
    lines += ["static const char call_has_target[CALL_COUNT] __attribute__((unused)) = {"]
    lines += [f"\t[CALL_{name}] = 1," for name in OWN_CALLS if SIGNATURES[name].target is not None]
    return "\n".join([*lines, "};", ""])
