"""Prose in the documentation, reports and the command line: short lines, and none of the phrases that readers had to
read twice.
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

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEMPLATES = sorted(ROOT.glob("docs/generator/*.j2"))
SOURCES = sorted([*ROOT.glob("reports/**/*.py"), *ROOT.glob("cli/*.py")])
WRITTEN = sorted([*ROOT.glob("reports/templates/*.html"), *ROOT.glob("reports/templates/*.js")])


def _without_code(text: str) -> str:
    """``text`` with its code blocks emptied, line by line, so that line numbers stay."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)


def _too_long(text: str) -> Iterator[int]:
    for number, line in enumerate(_without_code(text).splitlines(), 1):
        in_table, in_code = line.startswith("|"), line.startswith("    ") and not line.lstrip().startswith(("-", "*"))
        words = re.sub(r"\]\([^)]*\)", "]", line)  # the address of a link can't be broken
        if len(words) > LONGEST and not in_table and not in_code:
            yield number


def _unplain(text: str) -> Iterator[tuple[int, str, str]]:
    prose = re.sub(r"`[^`\n]*`|\]\([^)]*\)|\{\{.*?\}\}|\{%.*?%\}", "…", _without_code(text))
    for pattern, instead in UNPLAIN.items():
        for found in re.finditer(pattern, prose.replace("\n", " "), re.IGNORECASE):
            yield prose.count("\n", 0, found.start()) + 1, found[0].strip(), instead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_prose_are_short(page: Path) -> None:
    assert list(_too_long(page.read_text("utf-8"))) == []


@pytest.mark.parametrize("page", [*PAGES, *TEMPLATES], ids=lambda page: page.name)
def test_the_english_is_plain(page: Path) -> None:
    assert list(_unplain(page.read_text("utf-8"))) == []


def _texts(source: str) -> Iterator[str]:
    """The strings and comments of Python source; of an f-string, its literal parts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.replace("``", "`")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_messages_docstrings_and_comments_are_plain(source: Path) -> None:
    assert [found for text in _texts(source.read_text("utf-8")) for found in _unplain(text)] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_lines_of_docstrings_are_short(source: Path) -> None:
    tree = ast.parse(source.read_text("utf-8"))
    texts = [node.value.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    assert [line for text in texts if isinstance(text, str) for line in text.splitlines() if len(line) > LONGEST] == []


@pytest.mark.parametrize("template", WRITTEN, ids=lambda path: path.name)
def test_pages_are_plain(template: Path) -> None:
    text = re.sub(r"<[^>]*>", " ", template.read_text("utf-8")).replace("’", "'")
    assert list(_unplain(text)) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Everything is made anew.",
        "They wait, and were asked in vain.",
        "Whoever joins a session gets its user.",
        "It is seen. Who adds a slot tells the page.",
        "So that nobody is surprised.",
        "A task who isn't root.",
        "The argument is no port.",
        "What isn't in a log hasn't not happened.",
        "Answers that haven't the form.",
        "The receiver is told\nthe token.",
    ],
)
def test_what_the_search_finds(sentence: str) -> None:
    assert list(_unplain(sentence)) != []
    assert list(_unplain(f"```\n{sentence}\n```\n")) == []


@pytest.mark.parametrize("sentence", ["There is no room.", "It is no longer there.", "Who can reach whom?", "It tells `nobody` apart."])
def test_what_the_search_passes_over(sentence: str) -> None:
    assert list(_unplain(sentence)) == []


def test_which_lines_are_too_long() -> None:
    long = "a line that goes on " * 7
    assert list(_too_long(f"short\n{long}\n")) == [2]
    assert list(_too_long(f"| {long} |\n```\n{long}\n```\n[a link](https://{'x' * 120})\n")) == []
