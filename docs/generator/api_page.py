"""The reference of the public API, from its docstrings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cached_property
from types import ModuleType
from typing import Any

import msgspec

import sendright


def api_page() -> str:
    """The page, as Markdown."""
    parts = ["# The API, name by name", f"What each name of `import sendright` is. {_GUIDE}"]
    parts += [part for title, names in _by_kind().items() for part in (f"## {title}", *(entry for name in names for entry in _entries(name)))]
    return "\n\n".join(parts) + "\n"


_GUIDE = "[The guide](../api.md) shows how they are used together."


def _by_kind() -> dict[str, list[str]]:
    """The names under the headings of the page."""
    kinds: dict[str, list[str]] = {"Functions": [], "Kernels, runs and machines": [], "Exceptions": [], "Data": [], "Tables and modules": []}
    for name in sendright.__all__:
        public = getattr(sendright, name)
        if inspect.isfunction(public):
            kinds["Functions"].append(name)
        elif not inspect.isclass(public):
            kinds["Tables and modules"].append(name)
        elif issubclass(public, BaseException):
            kinds["Exceptions"].append(name)
        elif issubclass(public, msgspec.Struct) or hasattr(public, "__members__"):
            kinds["Data"].append(name)
        else:
            kinds["Kernels, runs and machines"].append(name)
    return kinds


def _entries(name: str) -> list[str]:
    """The paragraphs about one public name."""
    public = getattr(sendright, name)
    parts = [f"### {name}"]
    if inspect.isfunction(public):
        return [*parts, _signature(name, public), _doc(public)]
    if isinstance(public, ModuleType):
        inside = [(each, getattr(public, each)) for each in public.__all__]
        return [*parts, _doc(public), *(part for each, value in inside for part in (f"#### {name}.{each}", _signature(each, value), _doc(value)))]
    if not inspect.isclass(public):
        return [*parts, f"A dictionary of {len(public)} entries: {', '.join(f'`{key}`' for key in public)}."]
    own = [base for base in public.__mro__ if base is public or (base.__name__.startswith("_") and base.__module__.startswith("sendright."))]
    fields = {field: words for base in own for field, words in _field_docs(base).items()}
    parts.append(_doc(public))
    if hasattr(public, "__members__"):
        return [*parts, "Members: " + ", ".join(f"`{member}`" for member in public.__members__) + "."]
    if fields and not issubclass(public, sendright.Profile):
        parts.append("\n".join(f"- `{field}`{f': {words}' if words else ''}" for field, words in fields.items()))
    for member, value in [each for base in own for each in vars(base).items()]:
        described = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if member.startswith("_") or member in sendright.SIGNATURES:
            continue
        if inspect.isfunction(described):
            parts += [f"#### {name}.{member}", _signature(member, described), _doc(described)]
        elif isinstance(described, property | cached_property) and inspect.getdoc(described):
            parts += [f"#### {name}.{member}", _doc(described)]
    return parts


def _signature(name: str, function: Any) -> str:
    """The function's signature, as code."""
    signature = inspect.signature(function)
    parameters = _parameters(signature)
    returns = "" if signature.return_annotation is inspect.Signature.empty else f" -> {signature.return_annotation}"
    short = f"{name}({', '.join(parameters)}){returns}"
    if len(short) > 100:
        short = f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){returns}"
    return f"```python\n{short}\n```"


def _parameters(signature: inspect.Signature) -> list[str]:
    """The parameters one by one, with the marks between those by position and those by name."""
    found: list[str] = []
    by_name = False
    previous = None
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if previous is parameter.POSITIONAL_ONLY and parameter.kind is not parameter.POSITIONAL_ONLY:
            found.append("/")
        if parameter.kind is parameter.KEYWORD_ONLY and not by_name:
            found.append("*")
        by_name = by_name or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        previous = parameter.kind
        marks = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        annotation = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        found.append(f"{marks}{parameter.name}{annotation}{default}")
    return found


def _doc(public: Any) -> str:
    return inspect.getdoc(public) or ""


def _field_docs(public: type) -> dict[str, str]:
    """The public fields of a class, with the strings below them."""
    try:
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(public))).body
    except (OSError, TypeError):
        return {}
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for field, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and not field.target.id.startswith("_"):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            found[field.target.id] = " ".join(str(text).split())
    return found
