"""The source text of a module and of everything in sendright that it imports, read off the import statements
themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name


def sources(root: str) -> dict[str, str]:
    """The source of the module ``root`` and of all modules of its package that it imports, directly or not, by name.

    An import counts wherever it stands, in a function too. Raises ImportError if a source can't be read.
    """
    package = root.partition(".")[0]
    found: dict[str, str] = {}
    left = [root]
    while left:
        name = left.pop()
        spec = _spec(name) if name.partition(".")[0] == package else None
        if name in found or spec is None:
            continue
        found[name] = _source(spec)
        left += [*_parents(name), *_imports(spec, found[name])]
    return dict(sorted(found.items()))


def _spec(name: str) -> ModuleSpec | None:
    """None if no module has the name: then it names something inside a module."""
    try:
        return find_spec(name)
    except ModuleNotFoundError:
        return None


def _source(spec: ModuleSpec) -> str:
    if spec.origin is None:  # the folder of a namespace package
        return ""
    read = getattr(spec.loader, "get_source", None)
    source = read(spec.name) if read else None
    if source is None:
        raise ImportError(f"{spec.origin} has no source text")
    return str(source)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _imports(spec: ModuleSpec, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = spec.name if spec.submodule_search_locations is not None else spec.parent
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
