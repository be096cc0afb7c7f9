"""Reads files that users name: regular files of a limited size, so that no pipe is waited for and no device read."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class CantRead(Exception):
    """The file can't be read. The message says why and what to do, without the file's name."""


def read_regular(path: Path, largest: int) -> bytes:
    """The bytes of the regular file at ``path``, which has no more than ``largest``. Raises CantRead."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise CantRead("no such file (check the path)") from None
    except (OSError, ValueError) as error:
        raise CantRead(f"can't be read: {getattr(error, 'strerror', None) or error} (check the path and its permissions)") from None
    try:
        kind = os.fstat(handle).st_mode
        if not stat.S_ISREG(kind):
            raise CantRead(f"is {'a directory' if stat.S_ISDIR(kind) else 'not a regular file'} (name a file)")
        content, size = b"", os.fstat(handle).st_size
        if size <= largest:
            with os.fdopen(os.dup(handle), "rb") as file:
                content = file.read(largest + 1)
    except OSError as error:
        raise CantRead(f"can't be read: {error.strerror} (check the disk)") from None
    finally:
        os.close(handle)
    if size > largest or len(content) > largest:
        raise CantRead(f"is larger than {largest >> 10:,} KiB (name a smaller file)")
    return content
