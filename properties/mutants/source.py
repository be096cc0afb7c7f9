"""The source of the specification as syntax trees; functions whose code is exchanged for that of a changed tree."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from sendright.model import calls, invariants, language
from sendright.model.invariants import steps
from sendright.model.language.rule import Rule

Step = tuple[str, int | None]
Edit = tuple[tuple[Step, ...], str]
"""Steps from a function's node to one in it, and the text that takes its place."""


@dataclass(frozen=True)
class Unit:
    """A function of a module, or a method of a class of its: what is mutated one at a time."""

    module: str
    owner: str
    """The class; "" for a function of the module."""
    name: str

    @property
    def words(self) -> str:
        """``module.function`` or ``module.Class.method``, the module without its package."""
        return f"{self.module.rpartition('.')[2]}.{self.qualname}"

    @property
    def qualname(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @property
    def file(self) -> str:
        return str(importlib.import_module(self.module).__file__)

    @property
    def path(self) -> str:
        """The module's file, as the repository has it."""
        return f"{self.module.removeprefix('sendright.').replace('.', '/')}.py"

    def node(self) -> ast.FunctionDef:
        """The function's part of its module's tree."""
        return _node_in(tree_of(self.module), self)

    def function(self) -> FunctionType:
        """The function itself, without what its decorators have wrapped around it."""
        module = importlib.import_module(self.module)
        found: Any = inspect.getattr_static(getattr(module, self.owner) if self.owner else module, self.name)
        if isinstance(found, Rule):
            found = found.cases
        found = getattr(found, "fget", None) or getattr(found, "func", None) or found
        unwrapped = inspect.unwrap(found)
        assert isinstance(unwrapped, FunctionType), self.words
        return unwrapped


def _modules(package: ModuleType) -> list[str]:
    return [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__) if not found.ispkg]


_OF_EFFECTS = ("actions", "choices", "release")
"""The modules of the language that effects are made of."""


def rule_modules() -> list[str]:
    """The modules of rules, and of the actions that their effects are made of."""
    return [*sorted(_modules(calls)), *[module for module in sorted(_modules(language)) if module.rpartition(".")[2] in _OF_EFFECTS]]


def invariant_modules() -> list[str]:
    """The modules that state invariants of states, then those that state step properties."""
    return [*sorted(_modules(invariants)), *sorted(_modules(steps))]


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of a module's source. Not to be changed."""
    return ast.parse(Path(str(importlib.import_module(module).__file__)).read_text("utf-8"))


def units_of(module: str) -> Iterator[Unit]:
    """The functions and methods of a module, in the order of its source."""
    for node in tree_of(module).body:
        if isinstance(node, ast.FunctionDef):
            yield Unit(module, "", node.name)
        elif isinstance(node, ast.ClassDef):
            yield from (Unit(module, node.name, method.name) for method in node.body if isinstance(method, ast.FunctionDef))


def _node_in(tree: ast.Module, unit: Unit) -> ast.FunctionDef:
    body: list[ast.stmt] = tree.body
    if unit.owner:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == unit.owner).body
    return next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == unit.name)


def code_of(unit: Unit, edits: Sequence[Edit] = ()) -> CodeType:
    """The code of ``unit`` with these changes. Raises SyntaxError."""
    changed = copy.deepcopy(unit.node())
    for path, text in edits:
        _put(changed, path, text)
    return compiled(unit, changed)


def compiled(unit: Unit, node: ast.FunctionDef) -> CodeType:
    """The code of ``node``, which is to run in place of ``unit``. Raises SyntaxError."""
    body: list[ast.stmt] = [node]
    if unit.owner:
        body = [ast.ClassDef(unit.owner, [], [], body, [])]
    futures: list[ast.stmt] = [node for node in tree_of(unit.module).body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    whole = ast.fix_missing_locations(ast.Module([*futures, *body], []))
    code = compile(whole, unit.file, "exec", dont_inherit=True)
    for part in (unit.owner, unit.name):
        if part:
            code = next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == part)
    return code


@dataclass(frozen=True)
class TextChange:
    """Text of one function that is replaced."""

    unit: Unit
    replaced: tuple[tuple[str, str], ...]
    """The old text and the new one; all at once, so that two texts can be exchanged. The function begins at the
    margin.
    """

    def node(self) -> ast.FunctionDef | None:
        """The changed function; None: there is no such function, or a text isn't in it once."""
        try:
            old = self.unit.node()
        except (StopIteration, ModuleNotFoundError):
            return None
        lines = Path(self.unit.file).read_text("utf-8").splitlines()
        first = min([old.lineno, *(decorator.lineno for decorator in old.decorator_list)])
        text = textwrap.dedent("\n".join(lines[first - 1 : old.end_lineno]))
        for number, (before, _) in enumerate(self.replaced):
            if text.count(before) != 1:
                return None
            text = text.replace(before, f"\0{number}\0")
        for number, (_, after) in enumerate(self.replaced):
            text = text.replace(f"\0{number}\0", after)
        [found] = ast.parse(text).body
        assert isinstance(found, ast.FunctionDef)
        return found


def _put(function: ast.FunctionDef, path: tuple[Step, ...], text: str) -> None:
    parent: Any = function
    for field, index in path[:-1]:
        parent = getattr(parent, field) if index is None else getattr(parent, field)[index]
    field, index = path[-1]
    old = getattr(parent, field) if index is None else getattr(parent, field)[index]
    new: ast.AST
    if isinstance(old, ast.stmt):
        statements = ast.parse(text).body
        new = statements[0] if len(statements) == 1 else ast.If(ast.Constant(True), statements, [])
    else:
        new = ast.parse(text, mode="eval").body
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new


def names_in(function: Callable[..., object]) -> set[str]:
    """The names that a function uses which aren't its own."""
    code = inspect.unwrap(function).__code__
    return set(code.co_names).union(*[each.co_names for each in code.co_consts if isinstance(each, CodeType)])


@contextmanager
def running(code: CodeType, unit: Unit) -> Iterator[None]:
    """In the block, everything that calls ``unit`` runs ``code``.

    The function keeps its identity, so rules and invariants that are declared already, and modules that import it, have
    it too.
    """
    function = unit.function()
    original = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = original
