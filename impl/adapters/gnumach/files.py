"""The files that the live kernel needs, made by ``setup``, and QEMU."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from sendright.impl.adapters.gnumach.recipe import recipe

QEMU = "qemu-system-i386"
SET_UP = "run 'sendright setup gnumach'"


KERNEL_SHA256 = "99d77e7d11d1c097cb786892a98a765dea102976f224c0130d6c9b154427363d"
"""The sha256 of the unpacked kernel."""


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


def sum_of_driver(place: Path) -> Path:
    """The file with the sha256 of the driver, as ``setup`` has built it."""
    return driver_in(place).with_suffix(".sha256")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits; "" if there is no such file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def damaged(place: Path) -> Path | None:
    """The kernel or the driver, if it is missing, or isn't as ``setup`` has made it: cut off, for example. None: both
    are. Raises OSError."""
    if sha256_of(kernel_in(place)) != KERNEL_SHA256:
        return kernel_in(place)
    known = sum_of_driver(place)
    return None if known.is_file() and sha256_of(driver_in(place)) == known.read_text("utf-8", "replace").strip() else driver_in(place)


def files() -> Files:
    """The files of this machine. Raises NotSetUp."""
    place = directory()
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise NotSetUp(f"{QEMU} isn't installed (on Debian: apt-get install qemu-system-x86, then {SET_UP})")
    for path in (kernel_in(place), driver_in(place)):
        if not path.is_file():
            raise NotSetUp(f"{path} isn't there ({SET_UP})")
    try:
        wrong = damaged(place)
    except OSError as error:
        raise NotSetUp(f"{error.filename or place}: {error.strerror} (check the disk and the permissions)") from error
    if wrong is not None:
        raise NotSetUp(f"{wrong} isn't as it was made: it may be cut off ({SET_UP} again)")
    return Files(qemu, kernel_in(place), driver_in(place))
