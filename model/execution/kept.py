"""The compiled specification, kept for the next time: Python code that was made from the specification's terms.

A file holds the code of one profile's rules, or of the invariants. It answers nothing unless it carries an
authentication code (HMAC) over all its bytes and over what they were made from: the source of every module of ``mach``
and ``model``, what was added from outside (``mach/extensions.py``), and the versions of Python and z3. The key is the
user's own and lies outside the cache (``mach/user_key.py``). So code runs only if the user's own sendright compiled it
from the very source that runs now. A file that is cut off, changed, outdated or another user's counts as none, and the
terms are compiled again. The folder may be deleted at any time.

Nothing is kept unless a command asks for it (``kept_specification``). Functions whose rules or invariants come from
elsewhere, such as a plugin, are never kept.
"""

from __future__ import annotations

import contextlib
import hmac
import marshal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import msgspec

from sendright.mach import own_files
from sendright.mach.extensions import extensions_of_key
from sendright.mach.own_files import Unusable

FILE_LIMIT = 64 << 20
"""Bytes of a file at most. The longest that was seen has 5 million."""
MOST_FILES = 24
"""Files of a folder at most: when one more is written, those that were written first go."""
MOST_SOURCE = 64 << 20
"""Bytes of source that are read at most."""
FOLDER = "sendright/specification"
_MADE_HERE = ("sendright.mach.", "sendright.model.")
_DIGEST = "sha256"
_LABEL = b"compiled specification\0"
"""Tells these authentication codes from those of other caches under the same key."""


class CodeFile:
    """The code of one profile, or of the invariants, by names: what the file has, and what was compiled since."""

    def __init__(self, path: Path, key: bytes, identity: bytes) -> None:
        """``identity``: what the code is made from. Whatever doesn't carry it is taken for no file."""
        self._path, self._key, self._identity = path, key, identity
        self._known: dict[str, bytes] = dict(self._read())
        self._new: dict[str, bytes] = {}

    def get(self, name: str) -> Any:
        """What was kept under ``name``; None: nothing."""
        found = self._known.get(name)
        return None if found is None else marshal.loads(found)

    def keep(self, name: str, value: Any) -> None:
        """Keep ``value``: code, and tuples of code, numbers and words."""
        self._known[name] = self._new[name] = marshal.dumps(value)

    def save(self) -> None:
        """Write what is new to the file, which another process may have written meanwhile. A failure costs time only:
        the next command compiles again."""
        if not self._new:
            return
        body = marshal.dumps({**self._read(), **self._new})
        if len(body) < FILE_LIMIT:
            with contextlib.suppress(OSError, Unusable):
                own_files.write_secret(self._path, self._seal(body) + body)
                _forget_the_oldest(self._path.parent)
        self._new = {}

    def _seal(self, body: bytes) -> bytes:
        return hmac.digest(self._key, _LABEL + self._identity + body, _DIGEST)

    def _read(self) -> Mapping[str, bytes]:
        """What the file has, if it is ours: the seal is compared before anything is taken out."""
        try:
            data = own_files.read_own(self._path, FILE_LIMIT, secret=True)
        except (OSError, Unusable):
            return MappingProxyType({})
        length = sha256().digest_size
        seal, body = data[:length], data[length:]
        if not hmac.compare_digest(seal, self._seal(body)):
            return MappingProxyType({})
        found: dict[str, bytes] = marshal.loads(body)
        return found


def _forget_the_oldest(folder: Path) -> None:
    files = sorted((path for path in folder.iterdir() if path.suffix == ".code"), key=lambda path: path.lstat().st_mtime, reverse=True)
    for path in files[MOST_FILES:]:
        path.unlink(missing_ok=True)


class _Keeping:
    """What this process keeps."""

    folder: Path | None = None
    key = b""
    made_from = b""
    files: dict[str, CodeFile]

    def __init__(self) -> None:
        self.files = {}


_keeping = _Keeping()


def code_file(of: str) -> CodeFile | None:
    """The file of what ``of`` describes: a profile's switches, or ``invariants``. None: nothing is kept now."""
    if _keeping.folder is None:
        return None
    if not _keeping.files and made_from() != _keeping.made_from:
        _keeping.folder = None  # the source was changed while it was loaded: nothing tells which code is of which source
        return None
    name = sha256(extensions_of_key() + of.encode()).hexdigest()[:32]
    if name not in _keeping.files:
        identity = sha256(f"{_keeping.made_from.hex()} {name}".encode()).digest()
        _keeping.files[name] = CodeFile(_keeping.folder / f"{name}.code", _keeping.key, identity)
    return _keeping.files[name]


def described(value: Any) -> str:
    """``value``, a profile for instance, in the same words in every process: a set has another order in each."""
    if isinstance(value, frozenset | set):
        return f"{{{', '.join(sorted(map(described, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{described(key)}: {described(each)}' for key, each in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(described, value))})"
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}({', '.join(f'{name}={described(getattr(value, name))}' for name in value.__struct_fields__)})"
    return repr(value)


def is_kept(function: Any) -> bool:
    """Whether ``function``, of a rule or an invariant, is from the specification itself, whose source is known."""
    return str(getattr(function, "__module__", "")).startswith(_MADE_HERE)


@contextmanager
def kept_specification() -> Iterator[None]:
    """In the block, what is compiled comes from the user's cache where it has it, and is written there at the end.

    Call it before the specification's rules are imported. Where the cache can't be used (no home, no source, files that
    aren't the user's), everything is compiled.
    """
    if _keeping.folder is not None:  # an outer block does it
        yield
        return
    with contextlib.suppress(OSError, Unusable):
        _begin()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _end()


def _begin() -> None:
    import platformdirs

    from sendright.mach.user_key import key_of_user

    made = made_from()
    if made:
        folder = own_files.folder_in(platformdirs.user_cache_path, FOLDER)
        _keeping.key, _keeping.made_from, _keeping.files = key_of_user(), made, {}
        _keeping.folder = folder


def _end() -> None:
    folder, _keeping.folder = _keeping.folder, None
    files, _keeping.files = _keeping.files, {}
    if folder is not None and any(file._new for file in files.values()) and made_from() == _keeping.made_from:
        for file in files.values():
            file.save()


def made_from() -> bytes:
    """A hash of what compiled code is made from. Empty: the source can't be read, so nothing can be kept."""
    import sendright.mach
    import sendright.model

    digest = sha256("\0".join([sys.version, sys.implementation.cache_tag or "", str(sys.flags.optimize), _z3_version()]).encode())
    left = MOST_SOURCE
    for package in (sendright.mach, sendright.model):
        sources = _sources(package)
        if not sources:
            return b""
        for name, path in sources:
            content = path.read_bytes()
            left -= len(content)
            if left < 0:
                return b""
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.digest()


def _sources(package: ModuleType) -> list[tuple[str, Path]]:
    """The source files of a package, by their paths in it."""
    found = []
    for folder in map(Path, package.__path__):
        found += [(f"{package.__name__}/{path.relative_to(folder).as_posix()}", path) for path in folder.rglob("*.py")]
    return sorted(found)


@cache
def _z3_version() -> str:
    import z3

    return str(z3.get_full_version())
