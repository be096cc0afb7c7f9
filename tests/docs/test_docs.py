"""The documentation: pages made from the tables, and guides whose code is what they say it is."""

import ast
import builtins
import importlib
import importlib.util
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.places import ROOT

from sendright.mach.kernel.profiles import MANUAL, PROFILES
from sendright.mach.signatures import SIGNATURES, Signature
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.invariant import INVARIANTS
from sendright.model.language.rule import RULES
from sendright.model.proof.relevance import cases_of
from sendright.model.tracing.clauses import has_rules
from sendright.model.tracing.evidence import counts
from sendright.reports.vocabulary import SWITCHES

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS / "generator"))
    spec = importlib.util.spec_from_file_location("docs_reference", DOCS / "generator" / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(DOCS / "generator"))


@pytest.fixture(scope="module")
def pages(reference: ModuleType) -> dict[str, str]:
    made: dict[str, str] = reference.pages()
    return made


@pytest.mark.heavy
def test_every_call_has_a_page_with_its_errors_in_their_order(pages: dict[str, str]) -> None:
    for name, signature in SIGNATURES.items():
        page = pages[f"reference/calls/{name}.md"]
        for part in (*signature.arguments, *signature.outputs):
            assert f"| `{part.name}` |" in page
        assert f"({name}.md)" in pages["reference/calls/index.md"]
        if MANUAL.serves(name) and has_rules(name) and name in RULES:
            wanted = [case.code.name for case in cases_of(name, MANUAL) if case.code not in (None, 0)]
            errors = re.findall(r"^\| `([A-Z_]+)` \|", page.partition("## Errors")[2].partition("## Effects")[0], re.MULTILINE)
            assert "/".join(wanted) in "/".join(errors), name


@pytest.mark.heavy
def test_pages_say_what_each_case_rests_on(pages: dict[str, str]) -> None:
    for name in SIGNATURES:
        text = pages[f"reference/calls/{name}.md"].partition("## What it rests on")[2]
        for profile in PROFILES.values():
            of_rule = cases_of(name, profile) if name in RULES and profile.serves(name) else []
            for case in of_rule:
                [entry] = re.findall(rf"^\*\*{re.escape(case.id)}\*\*\n\n((?:- .*\n)+)", text, re.MULTILINE)
                assert re.search(rf"^- `{profile.name}`: [a-z]", entry, re.MULTILINE), (name, case.id, profile.name)
    for count in counts():
        assert f"| `{count.profile}` | {' | '.join(map(str, count.counts.values()))} | {count.cases} |" in pages["reference/evidence.md"]


@pytest.mark.heavy
def test_every_invariant_has_its_words(pages: dict[str, str]) -> None:
    page = pages["reference/invariants.md"]
    for number, invariant in INVARIANTS.items():
        assert f"### {number}. {invariant.title} {{: #invariant-{number} }}\n\n{invariant.about}" in page
    for number, step in STEP_PROPERTIES.items():
        assert f"### Step {number}. {step.title} {{: #step-invariant-{number} }}\n\n{step.about}" in page
    assert "Clauses: ." not in page
    assert "1. *As if created by task_create*" in page


@pytest.mark.heavy
def test_profiles_are_compared_two_by_two(pages: dict[str, str], reference: ModuleType) -> None:
    page = pages["reference/profiles.md"]
    names = list(PROFILES)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            assert f"## {one} and {other}\n" in page
    assert set(reference.switch_words()) == set(SWITCHES)
    assert reference.switch_words()["registered_ports"] == "`TASK_PORT_REGISTER_MAX`."


@pytest.mark.heavy
def test_links_lead_to_pages(pages: dict[str, str]) -> None:
    written = {str(path.relative_to(DOCS)): path.read_text() for path in DOCS.glob("*.md")}
    every = written | pages
    links = [(path, link) for path, text in every.items() for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert len(links) > 100
    for path, link in links:
        target = (DOCS / path).parent.joinpath(link).resolve().relative_to(DOCS)
        assert str(target) in every or (DOCS / target).exists(), (path, link)


@pytest.mark.parametrize("guide", ["add-a-call.md", "state-an-invariant.md", "plug-in-your-kernel.md", "tutorial.md", "concepts.md"])
def test_what_the_guides_speak_of_exists(guide: str) -> None:
    text = (DOCS / guide).read_text()
    for path in re.findall(r"`((?:mach|model|impl|properties|docs|tests)/[\w/.]*\w)`", text):
        assert (ROOT / path).exists() or path.endswith(("…", "/example.py")), path
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(_dedented(block), guide, "exec")
    for symbol in set(re.findall(r"`(_?[A-Z][A-Z_]{4,})`", text)) - {"PATH", "MIG_BAD_ID"}:
        found = [path for folder in ("mach", "model", "properties") for path in (ROOT / folder).rglob("*.py") if symbol in path.read_text()]
        assert found or symbol.startswith(("KERN", "UNDETERMINED")), symbol


def test_the_guides_signature_is_one() -> None:
    block = next(re.finditer(r"```python\n(.*?)```", (DOCS / "add-a-call.md").read_text(), re.DOTALL))[1]
    table: dict[str, Any] = {}
    exec(block, table)
    (signature,) = table["EXAMPLE"]
    assert isinstance(signature, Signature)
    assert (signature.name, signature.target) == ("mach_port_is_dead", "task")


@pytest.mark.parametrize(
    ("guide", "blocks"),
    [
        ("add-a-call.md", (None, "sendright.model.calls.names", "sendright.impl.reference.calls.names", "tests/impl/reference/test_names.py")),
        ("state-an-invariant.md", ("sendright.model.invariants.rights",)),
    ],
)
def test_what_the_guides_write_has_what_it_needs_where_it_goes(guide: str, blocks: tuple[str | None, ...]) -> None:
    written = re.findall(r"```python\n(.*?)```", (DOCS / guide).read_text(), re.DOTALL)
    for block, module in zip(written, blocks, strict=True):
        code = ast.parse(_dedented(block))
        own = {node.arg for node in ast.walk(code) if isinstance(node, ast.arg)} | {name.asname or name.name for name in _imported(code)}
        names = [node for node in ast.walk(code) if isinstance(node, ast.Name)]
        own |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        there = vars(builtins).keys() | (_names_of(module) if module else set())
        assert {node.id for node in names} - own - there == set(), block


def _names_of(module: str) -> set[str]:
    """The names in a module of the package, or in a file of tests."""
    if not module.endswith(".py"):
        return set(vars(importlib.import_module(module)))
    return set(runpy.run_path(str(ROOT / module)))


def _imported(code: ast.AST) -> list[ast.alias]:
    return [alias for node in ast.walk(code) if isinstance(node, ast.ImportFrom) for alias in node.names]


def _dedented(block: str) -> str:
    """A method or an entry of a table, as a module of its own."""
    indent = len(block) - len(block.lstrip(" "))
    return "\n".join(line[indent:] for line in block.splitlines())


@pytest.mark.heavy
def test_the_site_is_built_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the docs group isn't installed")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "reference" / "calls" / "host_security_create_task_token.html").exists()
