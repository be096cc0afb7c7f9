"""Which tests expect which answers of the reference kernel: read from what was recorded when they ran.

A test covers a call's return code if it gets that answer from the reference kernel, and fails when the kernel returns
another code instead. ``tests/record_answers.py`` finds that out: it runs each test, then runs it again with each of its
answers altered. What it found is in the file ``answers.json`` beside the tests, together with a digest of each test's
source. A test that changed since then covers nothing until the answers are recorded again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from sendright.mach.json_text import read_json

KERNEL_TESTS = "impl/reference/**/test_*.py"
"""The files whose tests call the reference kernel: a pattern for ``Path.glob``, from the directory of all tests."""
ANSWERS = "answers.json"
"""The file of recorded answers, in the directory of all tests."""


class Answers(msgspec.Struct, frozen=True):
    """What one test expects."""

    source: str
    """The digest of the test's source when it was recorded."""
    expected: dict[str, tuple[str, ...]]
    """Call -> the codes that the test expects of it."""


class FoundTest(msgspec.Struct, frozen=True):
    """One test function."""

    id: str
    """``path::function``, the path from the directory of all tests."""
    source: str
    """A digest of its source, and of all that it uses of its file."""
    expected: dict[str, tuple[str, ...]] | None
    """Call -> the codes that it expects of it; None if that isn't recorded: the test is new or has changed, or it
    isn't one of the kernel's."""

    def expects(self, call: str, code: str) -> bool:
        """Whether it makes ``call`` and fails unless the answer is ``code``."""
        return code in (self.expected or {}).get(call, ())


class FoundTests(msgspec.Struct, frozen=True):
    """The tests in a directory."""

    directory: str
    tests: dict[str, FoundTest]
    changed: tuple[str, ...] = ()
    """The tests whose recorded answers are of another source."""

    def expecting(self, call: str, code: str) -> tuple[str, ...]:
        """The tests that expect ``code`` of ``call``."""
        return tuple(test.id for test in self.tests.values() if test.expects(call, code))


def find_tests(directory: Path) -> FoundTests | None:
    """The tests in ``directory`` and below, and what is recorded of them; None if there is no such directory.

    Raises OSError, SyntaxError for a file that isn't Python, and ValueError for one that isn't text or recorded answers
    that can't be read.
    """
    if not directory.is_dir():
        return None
    recorded = read_answers(directory)
    tests: dict[str, FoundTest] = {}
    changed: list[str] = []
    for id, source in sources(directory, "**/test_*.py"):
        answers = recorded.get(id)
        if answers is not None and answers.source != source:
            changed.append(id)
            answers = None
        tests[id] = FoundTest(id, source, answers.expected if answers else None)
    return FoundTests(str(directory), tests, tuple(changed))


def read_answers(directory: Path) -> dict[str, Answers]:
    """The recorded answers of the tests in ``directory``, by the test's id; none if there is no such file. Raises
    OSError and ValueError."""
    file = directory / ANSWERS
    try:
        return read_json(file.read_bytes(), dict[str, Answers]) if file.exists() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}") from error


def sources(directory: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """The tests in the files that match ``pattern``: each test's id, and the digest of its source."""
    for path in sorted(directory.glob(pattern)):
        module = ast.parse(path.read_text(encoding="utf-8"), str(path))
        parts = _Parts(path.read_text(encoding="utf-8").splitlines(), module)
        for name in parts.lines:
            if name.startswith("test_"):
                yield f"{path.relative_to(directory).as_posix()}::{name}", parts.digest(name)


class _Parts:
    """The statements of a file by the names that they define."""

    def __init__(self, text: list[str], module: ast.Module) -> None:
        self.lines: dict[str, list[str]] = {}
        self.uses: dict[str, set[str]] = {}
        for statement in module.body:
            for name in _defined(statement):
                first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
                self.lines.setdefault(name, []).extend(text[first - 1 : statement.end_lineno])
                self.uses.setdefault(name, set()).update(_names(statement))

    def digest(self, test: str) -> str:
        """A digest of the source of ``test`` and of everything in the file that it uses: helpers, constants and
        fixtures."""
        reached, todo = {test}, [test]
        while todo:
            new = self.uses[todo.pop()] & self.lines.keys() - reached
            reached |= new
            todo += new
        text = "\n".join(line for name in sorted(reached) for line in self.lines[name])
        return sha256(text.encode()).hexdigest()[:16]


def _defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a file defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from dict.fromkeys(node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))


def _names(part: ast.AST) -> Iterator[str]:
    for node in ast.walk(part):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg  # a fixture
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # ``usefixtures``
