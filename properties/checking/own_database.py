"""A Hypothesis example database in a folder of the user's, which is opened as if an attacker had filled it.

Hypothesis's own (``DirectoryBasedExampleDatabase``) reads whatever lies in its folder: a pipe there would stall it.
Here only regular files of the user's are read, up to a limit, and nothing is written through a link. The folder may be
deleted at any time.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import platformdirs
from hypothesis.database import ExampleDatabase

from sendright.mach.own_files import Unusable, folder_in, own_folder, read_own, write_secret

MOST_KEYS = 200
"""Folders of a key each: the oldest ones go."""
MOST_VALUES = 20
"""Values of a key: the oldest ones go."""
LARGEST = 1 << 20
"""Bytes of a value at most."""


class OwnDatabase(ExampleDatabase):
    """A folder for each key, a file for each value. The names have hashes of what they stand for. What has other names
    isn't the database's, and stays."""

    def __init__(self, folder: Path | None = None) -> None:
        """The database in ``folder``, or in the user's own cache directory. Raises Unusable."""
        super().__init__()
        self.folder = own_folder(folder.absolute()) if folder is not None else folder_in(platformdirs.user_cache_path, "sendright/failures")

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """The values of ``key``, the latest first."""
        for file in _latest_first(self.folder / _folder(key), _VALUE)[:MOST_VALUES]:
            with contextlib.suppress(OSError, Unusable):
                value = read_own(file, LARGEST)
                if file.name == _name(value):
                    yield value

    def save(self, key: bytes, value: bytes) -> None:
        """Keep ``value`` under ``key``, if it isn't too large. Raises OSError if the folder can't be written to."""
        if len(value) > LARGEST:
            return
        try:
            place = own_folder(self.folder / _folder(key))
        except Unusable as error:
            raise OSError(str(error)) from error
        write_secret(place / _name(value), value)  # a link there is replaced, and not followed
        for old in _latest_first(place, _VALUE)[MOST_VALUES:]:
            old.unlink(missing_ok=True)
        for oldest in _latest_first(self.folder, _KEY)[MOST_KEYS:]:
            shutil.rmtree(oldest, ignore_errors=True)

    def delete(self, key: bytes, value: bytes) -> None:
        """Remove ``value`` from those of ``key``."""
        with contextlib.suppress(OSError):
            (self.folder / _folder(key) / _name(value)).unlink(missing_ok=True)


_VALUE = re.compile("[0-9a-f]{32}")
_KEY = re.compile(f"sendright-{_VALUE.pattern}")


def _name(content: bytes) -> str:
    return sha256(content).hexdigest()[:32]


def _folder(key: bytes) -> str:
    return f"sendright-{_name(key)}"


def _latest_first(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """What lies in ``folder`` under such names."""
    aged: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if names.fullmatch(path.name):
                aged.append((-path.lstat().st_mtime_ns, path))
    return [path for _, path in sorted(aged)]
