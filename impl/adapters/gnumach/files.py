"""The files that the live kernel needs, made by ``setup``, and QEMU."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from sendright.impl.adapters.gnumach.recipe import recipe

QEMU = "qemu-system-i386"
SET_UP = "run 'sendright setup gnumach'"


class NotSetUp(Exception):
    """Something is missing; the message says what, and what to do."""


class Files(msgspec.Struct, frozen=True):
    """The files from which a machine is started."""

    qemu: str
    kernel: Path
    driver: Path


def directory() -> Path:
    """The folder of the files: ``$SENDRIGHT_GNUMACH``, or ``sendright/gnumach`` in the user's cache folder."""
    chosen = os.environ.get("SENDRIGHT_GNUMACH")
    if chosen:
        return Path(chosen)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "sendright" / "gnumach"


def kernel_in(place: Path) -> Path:
    """The kernel, unpacked."""
    return place / "gnumach"


def driver_in(place: Path) -> Path:
    """The driver, as this version of sendright builds it."""
    return place / f"driver-{recipe()[:16]}"


def files() -> Files:
    """The files of this machine. Raises NotSetUp."""
    place = directory()
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise NotSetUp(f"{QEMU} isn't installed (on Debian: apt-get install qemu-system-x86, then {SET_UP})")
    for path in (kernel_in(place), driver_in(place)):
        if not path.is_file():
            raise NotSetUp(f"{path} isn't there ({SET_UP})")
    return Files(qemu, kernel_in(place), driver_in(place))
