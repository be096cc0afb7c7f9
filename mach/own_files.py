"""Files that only the user can have written, and that are opened as if an attacker had chosen what lies in their place.

A file counts only if it is a regular file of the user's, reached without following a link, and no longer than a limit.
A pipe can't stall its reader, a device isn't opened, and nothing is written through a link. On Windows, which has no
numeric owners, ownership isn't checked.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_SAFELY = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))


class Unusable(Exception):
    """A file or folder that can't be trusted or used. The words say which, why, and what to do."""


def own_folder(path: Path) -> Path:
    """``path``, a folder of the user's that no link leads to. It is made if it doesn't exist, for the user alone.

    Raises Unusable.
    """
    return _descend(Path(path.anchor), path)


def folder_in(directory: Callable[[], Path], name: str) -> Path:
    """The folder ``name`` in one of the platform's directories for a user's files (which ``directory`` finds).

    Both are made if need be. Links that lead to the directory are the user's own choice and are followed. Raises
    Unusable, also if no home directory is known, or if the directory belongs to another user, whom files of ours would
    hinder (with ``sudo`` the home directory may).
    """
    try:
        base = directory()
    except RuntimeError:
        base = Path("~")
    if not base.is_absolute():  # without a home it could be anything in the current folder, so what a checkout brought too
        raise Unusable("no home directory is known (set HOME)")
    try:
        nearest = next(folder for folder in (base, *base.parents) if folder.exists())
        if not _is_own(nearest.stat()):
            raise Unusable(f"{nearest} belongs to another user (set HOME to your own home directory)")
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"{base}: {error.strerror} (make it a folder that you can write to)") from error
    return _descend(base, base / name)


def _descend(start: Path, path: Path) -> Path:
    """``path``, whose folders below ``start`` are folders and no links, the last one the user's."""
    at = start
    try:
        for part in path.relative_to(start).parts:
            at /= part
            if not os.path.lexists(at):
                at.mkdir(mode=0o700, exist_ok=True)
            status = at.lstat()
            if stat.S_ISLNK(status.st_mode):
                raise Unusable(f"{at} is a link (name the folder that it leads to, {os.path.realpath(at)}, or remove the link)")
            if not stat.S_ISDIR(status.st_mode):
                raise Unusable(f"{at} is not a folder (choose another one, or remove it)")
        if not _is_own(at.stat()):
            raise Unusable(f"{path} belongs to another user (choose a folder of your own)")
    except OSError as error:
        raise Unusable(f"{at}: {error.strerror} (choose a folder that you can write to)") from error
    return path


def read_own(path: Path, limit: int, secret: bool = False) -> bytes:
    """The content of a file of the user's.

    Raises OSError, and Unusable if the file is not the user's, has more than ``limit`` bytes, or is ``secret`` but open
    to other users.
    """
    with os.fdopen(_open(path, os.O_RDONLY, secret), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unusable(f"{path} has more than {limit:,} bytes (remove it)")
    return data


def append_own(path: Path, data: bytes, limit: int) -> None:
    """Add ``data`` to a file of the user's in one write, so that no other process writes into it. Makes the file.

    Raises OSError, and Unusable if the file isn't the user's or has ``limit`` bytes already.
    """
    handle = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        if os.fstat(handle).st_size >= limit:
            raise Unusable(f"{path} has {limit:,} bytes or more (remove it)")
        os.write(handle, data)
    finally:
        os.close(handle)


def write_secret(path: Path, data: bytes) -> None:
    """Put ``data`` into a file that only the user may read, whole or not at all. A link there is replaced, not
    followed.

    Raises OSError.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # its mode is 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _open(path: Path, flags: int, secret: bool = False) -> int:
    """A descriptor of a file of the user's.

    The file is checked before it is opened, since opening a device can have effects, and after, since it may have
    changed.
    """
    if os.path.lexists(path):
        _check(path, path.lstat(), secret)
    handle = os.open(path, flags | _SAFELY, 0o600)
    try:
        _check(path, os.fstat(handle), secret)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check(path: Path, status: os.stat_result, secret: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unusable(f"{path} is {'a link' if stat.S_ISLNK(status.st_mode) else 'not a regular file'} (remove it)")
    if status.st_nlink > 1:
        raise Unusable(f"{path} has a second name, a hard link (remove it)")
    if not _is_own(status):
        raise Unusable(f"{path} belongs to another user (remove it)")
    if secret and sys.platform != "win32" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Unusable(f"{path} may be read or changed by other users (remove it)")


def _is_own(status: os.stat_result) -> bool:
    return sys.platform == "win32" or status.st_uid == os.geteuid()
