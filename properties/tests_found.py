"""Which tests name which calls and return codes, read from their source.

A kernel test that names a call and a code counts as a test of that result. A test also names everything that its
helpers in the same file name. A test that loops over the signature table names every call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

KERNEL_TESTS = "test_reference_kernel_"
"""The prefix of files with tests of the reference kernel."""


class FoundTest(msgspec.Struct, frozen=True):
    """One test function, and the words in it: string constants and names."""

    id: str
    """``file::function``."""
    words: frozenset[str]

    def names(self, call: str, code: str | None = None) -> bool:
        """Whether it names ``call`` and ``code``. With a code, a loop over all signatures counts as naming the call."""
        if code is None:
            return call in self.words
        return code in self.words and (call in self.words or "SIGNATURES" in self.words)


class FoundTests(msgspec.Struct, frozen=True):
    """The tests in a directory."""

    directory: str
    tests: dict[str, FoundTest]

    def of_kernel(self, call: str, code: str | None = None) -> tuple[str, ...]:
        """The kernel's tests that name ``call`` (and ``code``)."""
        return tuple(test.id for test in self.tests.values() if test.id.startswith(KERNEL_TESTS) and test.names(call, code))


def find_tests(directory: Path) -> FoundTests | None:
    """The tests in ``directory``, by name; None if it doesn't exist. Raises SyntaxError for a file that is not
    Python."""
    if not directory.is_dir():
        return None
    found = [test for path in sorted(directory.glob("test_*.py")) for test in _tests_of(path)]
    return FoundTests(str(directory), {test.id: test for test in found})


def _tests_of(path: Path) -> list[FoundTest]:
    module = ast.parse(path.read_text(encoding="utf-8"), str(path))
    named: dict[str, frozenset[str]] = {}
    for statement in module.body:
        for name, part in _defined(statement):
            named[name] = named.get(name, frozenset()) | _words(part)
    return [FoundTest(f"{path.name}::{name}", _closure(name, named)) for name in named if name.startswith("test_")]


def _defined(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """The names that a top-level statement defines, each with its definition."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _assigned(target, statement.value)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _assigned(statement.target, statement.value)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from _assigned(one, part)


def _words(part: ast.AST) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(part):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)  # a fixture
    return frozenset(found)


def _closure(name: str, named: dict[str, frozenset[str]]) -> frozenset[str]:
    """The words of ``name`` and of everything in the file that it uses."""
    reached, todo = {name}, [name]
    while todo:
        for word in named[todo.pop()]:
            if word in named and word not in reached:
                reached.add(word)
                todo.append(word)
    return frozenset().union(*(named[one] for one in reached))
