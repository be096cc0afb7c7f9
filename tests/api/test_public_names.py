"""``import sendright``: quick, complete, typed and described."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import typing

import pytest
from support.places import ROOT

import sendright


def test_the_import_is_quick_and_brings_nothing_along() -> None:
    words = "import sys; before = set(sys.modules); import sendright; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sendright"]


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "package" / "__init__.pyi").read_text("utf-8"))
    seen = {alias.name: f"{node.module}.{alias.name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    there = {name: f"{home}.{name}" for home, names in vars(sendright)["_HOMES"].items() for name in names}
    assert seen == there | vars(sendright)["_MODULES"]
    assert sorted(seen) == sendright.__all__
    assert set(sendright.__all__) <= set(dir(sendright))


@pytest.mark.parametrize("name", sendright.__all__)
def test_each_name_is_there_and_described(name: str) -> None:
    public = getattr(sendright, name)
    if not isinstance(public, dict):
        assert (inspect.getdoc(public) or "").strip()
    if inspect.isfunction(public):
        hints = typing.get_type_hints(public, include_extras=True)
        assert hints.keys() == {*inspect.signature(public).parameters, "return"}
    if inspect.isclass(public) and (public.__module__ == "sendright" or public.__module__.startswith("sendright.api")):
        own = {attribute: value for attribute, value in vars(public).items() if not attribute.startswith("_")}
        assert [attribute for attribute, value in own.items() if (callable(value) or isinstance(value, property)) and not inspect.getdoc(value)] == []


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'chek'"):
        _ = sendright.chek  # type: ignore[attr-defined]


def test_star_imports_all_of_it() -> None:
    names: dict[str, object] = {}
    exec("from sendright import *", names)
    assert names.keys() - {"__builtins__"} == set(sendright.__all__)
