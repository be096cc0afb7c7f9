"""Sets up the live kernel: fetches packages, generates stubs, builds the driver, and boots once as a test."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from sendright.impl.adapters.gnumach.building import build_module
from sendright.impl.adapters.gnumach.files import QEMU, NotSetUp, damaged, directory, driver_in, files, sha256_of, sum_of_driver
from sendright.impl.adapters.gnumach.machine import Machine
from sendright.impl.adapters.gnumach.packages import PACKAGES, fetch
from sendright.impl.adapters.gnumach.recipe import SOURCE, calls_header, recipe
from sendright.mach.keeper import temporary_directory
from sendright.mach.kernel.implementation import ImplementationCrash

_STUBS = ("mach/mach", "mach/mach_port", "mach/gnumach", "mach/i386/mach_i386", "mach_debug/mach_debug")
LOADER = Path("/lib/ld-linux.so.2")
"""What loads 32-bit programs, such as Debian's MIG."""
_TOOLS = {
    "apt-get": "this machine has no apt: set it up on Debian 12, or another system with apt",
    "dpkg-deb": "apt-get install dpkg",
    QEMU: "apt-get install --no-install-recommends qemu-system-x86",
    "gcc": "apt-get install --no-install-recommends gcc gcc-multilib",
    "perl": "apt-get install perl",
}


class SetupResult(msgspec.Struct, frozen=True):
    """The result of a setup."""

    place: Path
    seconds_to_boot: float
    changed: bool
    """False: everything was there already."""


def set_up(tell: Callable[[str], None]) -> SetupResult:
    """Set up the live kernel, and boot it once. ``tell`` is called with each step's description. Can be repeated.
    Raises NotSetUp.
    """
    for tool, hint in _TOOLS.items():
        if shutil.which(tool) is None:
            raise NotSetUp(f"{tool} isn't installed ({hint})")
    place = directory()
    try:
        _claim(place)
        changed = _make(place, tell)
    except OSError as error:
        raise NotSetUp(f"{error.filename or place}: {error.strerror} (SENDRIGHT_GNUMACH names another folder)") from error
    tell("booting")
    began = time.monotonic()
    try:
        machine = Machine(files())
    except ImplementationCrash as error:
        raise NotSetUp(f"the kernel doesn't boot: it {error}") from error
    seconds = time.monotonic() - began
    machine.end()
    return SetupResult(place, seconds, changed)


_TAG = "CACHEDIR.TAG"
_TAG_BEGINS = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of sendright's."
"""As https://bford.info/cachedir/ has it: programs that make backups leave such a folder out."""


def _claim(place: Path) -> None:
    """Make ``place`` a folder of sendright's, which says so.

    Raises NotSetUp if it has files and doesn't say so, and OSError.
    """
    place.mkdir(parents=True, exist_ok=True)
    tag, stamp = place / _TAG, place / "stamp"
    if tag.is_file() and tag.read_text("utf-8", "replace").startswith(_TAG_BEGINS):
        return
    set_up_before = stamp.is_file() and re.fullmatch("[0-9a-f]{64}", stamp.read_text("utf-8", "replace"))
    if any(place.iterdir()) and not set_up_before:
        raise NotSetUp(f"{place} has files that sendright didn't put there (let SENDRIGHT_GNUMACH name an empty folder, or one that isn't there)")
    tag.write_text(f"{_TAG_BEGINS}\n# sendright setup makes what is in it again.\n")


def _make(place: Path, tell: Callable[[str], None]) -> bool:
    stamp, wanted = place / "stamp", _stamp()
    if stamp.is_file() and stamp.read_text("utf-8", "replace") == wanted and damaged(place) is None:
        return False
    stamp.unlink(missing_ok=True)
    root = fetch(place, tell)
    tell("building the driver")
    with temporary_directory("build-", place) as build:
        _build(Path(build), root / "usr")
        built = sha256_of(Path(build, "driver"))
        Path(build, "driver").replace(driver_in(place))
    sum_of_driver(place).write_text(built + "\n")
    stamp.write_text(wanted)
    return True


def _stamp() -> str:
    """What was set up: the packages, and how the driver is built."""
    return hashlib.sha256(repr((PACKAGES, recipe())).encode()).hexdigest()


def _build(build: Path, usr: Path) -> None:
    if not LOADER.exists():
        raise NotSetUp(f"{LOADER} isn't there, so this machine can't run Debian's 32-bit MIG (apt-get install libc6-i386)")
    (build / "calls.h").write_text(calls_header())
    build_module("driver", build, usr, sorted(str(path) for path in SOURCE.glob("*.[cS]")), _STUBS)
