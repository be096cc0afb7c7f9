"""The form of a rule, read off its source: sections in their order, effects where they belong, guards written out."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

SECTIONS = ("NAMES", "CASES", "RIGHTS", "TOKENS", "REPLY")
HEADING = re.compile(r"#\s*([A-Z]{3,}(?:\s*,\s*[A-Z]{3,})*)\s*(?::.*)?$")
TOKENS_OF = re.compile(r"\b(?:sender_|waits_)?(?:security|audit)\b|^set_tokens$|^set_ids$|^identify$|^stamp_by_kernel$")
"""What speaks of tokens: the fields of the state that have them, and the functions that change these."""
CASES = ("fails", "succeeds", "continues")
REFUSALS = ("fails", "lacks_memory", "request", "on_space", "on_reserved")


def faults(source: str) -> Iterator[str]:
    """What is wrong with the form of the rules in ``source``, one line each."""
    tree = ast.parse(source)
    headings = _headings(source)
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and any(_is_rule(decorator) for decorator in function.decorator_list):
            yield from (f"{function.name}: {fault}" for fault in _faults_of(function, headings))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _called(call) in ("succeeds", "continues", "fails", "Case") and any(map(_is_true, call.args)):
            yield f"line {call.lineno}: a case that applies when it is True; k.otherwise(...) says when that is"


def _headings(source: str) -> list[tuple[int, list[str]]]:
    """The comments in capitals: in which line, and which words."""
    comments = (token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT)
    found = [(comment.start[0], match[1]) for comment in comments if (match := HEADING.match(comment.string))]
    return [(line, re.split(r"\s*,\s*", words)) for line, words in found]


def _is_rule(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "rule"


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def _is_true(node: ast.expr) -> bool:
    """``True`` or ``z3.BoolVal(True)``."""
    inner = node.args[0] if isinstance(node, ast.Call) and _called(node) == "BoolVal" and node.args else node
    return isinstance(inner, ast.Constant) and inner.value is True


def _faults_of(function: ast.FunctionDef, headings: list[tuple[int, list[str]]]) -> Iterator[str]:
    first, last = function.body[0].lineno, function.end_lineno or 0
    mine = [(line, words) for line, words in headings if first <= line <= last]
    words = [word for _, each in mine for word in each]
    if unknown := [word for word in words if word not in SECTIONS]:
        yield f"{', '.join(unknown)} is no section"
        return
    places = [SECTIONS.index(word) for word in words]
    if places != sorted(set(places)):
        yield f"its sections are {', '.join(words)}; the order is {', '.join(SECTIONS)}, each once"
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    if ast.get_docstring(function) is None:
        yield "it has no docstring"
    if not mine or mine[0][0] > statements[0].lineno:
        yield "it begins without a section"
        return

    def section(node: ast.stmt | ast.expr) -> list[str]:
        return [words for line, words in mine if line < node.lineno][-1]

    yields = sorted((node for node in ast.walk(function) if isinstance(node, ast.Yield | ast.YieldFrom)), key=lambda node: node.lineno)
    if any("NAMES" in section(node) for node in yields):
        yield "there is a case under NAMES"
    effects = [node for node in ast.walk(function) if _is_effect(node) and node is not function]
    for node in effects:
        if section(node) in (["NAMES"], ["CASES"]):
            yield f"line {node.lineno}: an effect under {section(node)[0]}"
    for word in SECTIONS[2:]:
        here = [node for node in yields if word in section(node)]
        if here and _refuses(here[0]) and not any(_changes(node) for node in yields if node.lineno < here[0].lineno):
            yield f"line {here[0].lineno}: a refusal before anything changes belongs under CASES"
    of_tokens = [effect.lineno for effect in effects for node in ast.walk(effect) if _speaks_of_tokens(node)]
    if bool(of_tokens) != ("TOKENS" in words):
        yield "what changes tokens is under TOKENS, and nothing else is"
    told = [node for node in yields if _tells(node)]
    if told and ("REPLY" not in words or any(section(node) == ["RIGHTS"] for node in told)):
        yield "a case that succeeds with results is under REPLY"
    if "REPLY" in words and not any("REPLY" in section(node) for node in yields):
        yield "there is no case under REPLY"


def _is_effect(node: ast.AST) -> bool:
    """A function of the state after."""
    return isinstance(node, ast.FunctionDef | ast.Lambda) and any(
        argument.arg == "after" and (isinstance(node, ast.Lambda) or ast.unparse(argument.annotation or node.body[0]) == "After")
        for argument in node.args.args
    )


def _refuses(node: ast.Yield | ast.YieldFrom) -> bool:
    return isinstance(node.value, ast.Call) and _called(node.value) in REFUSALS and len(node.value.args) <= 3


def _changes(node: ast.Yield | ast.YieldFrom) -> bool:
    """Its case has an effect: the argument after the code, the title and the condition, or after the last two."""
    value = node.value
    return isinstance(value, ast.Call) and len(value.args) > (3 if _called(value) == "fails" else 2) and _called(value) in CASES


def _speaks_of_tokens(node: ast.AST) -> bool:
    name = node.value if isinstance(node, ast.Constant) else node.id if isinstance(node, ast.Name) else None
    return isinstance(name, str) and not name.startswith("waits_") and TOKENS_OF.search(name) is not None


def _tells(node: ast.Yield | ast.YieldFrom) -> bool:
    """A case that succeeds with results, or with rights in its reply."""
    value = node.value
    return isinstance(value, ast.Call) and _called(value) == "succeeds" and any(each.arg != "evidence" for each in value.keywords)
