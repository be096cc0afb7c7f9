"""The prose in the source of api/, impl/, mach/, model/, package/ and properties/: docstrings of at most 120 characters
a line, in plain English.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.places import ROOT
from support.prose import LONGEST, UNPLAIN

PACKAGES = ("api", "impl", "mach", "model", "package", "plugins", "properties")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
OTHERS = sorted(path for folder in ("benchmarks", "docs", "tests") for path in (ROOT / folder).rglob("*.py"))
"""Sources of which only the length of their lines of prose is looked at."""

PARTICIPLES = re.compile(r"^_?(Given|Known|Shown|Told|Seen|Asked|Presumed|Counted|Bound|Broken|Named|Waiting|Minimized|Malformed|Unfinished)$")
"""Names that say what happened to a thing, and not what it is."""


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the text of each string that stands alone: the docstrings of modules, classes, functions and
    fields.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def _prose(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each comment, and of each string with a space in it, except SQL."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and not re.search(r"\b(SELECT|CREATE)\b", node.value):
            yield node.lineno, node.value


def _long_lines(source: str) -> list[int]:
    lines = source.splitlines()
    spans = ((line, line + text.count("\n")) for line, text in _docstrings(ast.parse(source)))
    return sorted(number for first, last in spans for number in range(first, last + 1) if len(lines[number - 1]) > LONGEST)


def _unplain(source: str) -> list[tuple[int, str, str]]:
    return [
        (line, found[0].strip(), instead)
        for line, text in _prose(source)
        for pattern, instead in UNPLAIN.items()
        for found in re.finditer(pattern, re.sub(r"`+[^`\n]*`+", "…", text).replace("\n", " "), re.IGNORECASE)
    ]


def _participles(source: str) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef) and PARTICIPLES.match(node.name)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_in_code_is_plain(path: Path) -> None:
    source = path.read_text("utf-8")
    assert (_long_lines(source), _unplain(source), _participles(source)) == ([], [], [])


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_docstrings_elsewhere_are_short(path: Path) -> None:
    assert _long_lines(path.read_text("utf-8")) == []


def test_the_checks_find_what_they_look_for() -> None:
    assert _long_lines(f'"""{"x" * LONGEST}"""\n') == [1]
    assert _long_lines(f'"""One.\n\n{"x" * (LONGEST + 1)}\n"""\n') == [3]
    assert [found for _, found, _ in _unplain('"""Start anew."""\nx = 1  # nobody is told\n')] == ["nobody", "is told", "anew"]
    assert _unplain('"""``anew`` is a word."""\nquestion = "SELECT 1 FROM somebody"\n') == []
    assert _participles("class Given: ...\nclass TaskSeen: ...\n") == ["Given"]
