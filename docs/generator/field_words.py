"""What the source of a struct says of its fields: the string below each."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from textwrap import dedent


def field_words(struct: type) -> dict[str, str]:
    """Field -> the words below it in the source of ``struct``; only fields that have some."""
    (body,) = [node.body for node in ast.parse(dedent(inspect.getsource(struct))).body if isinstance(node, ast.ClassDef)]
    found: dict[str, str] = {}
    for field, below in pairwise(body):
        named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if named and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[field.target.id] = " ".join(str(below.value.value).split()).replace("``", "`")
    return found
