"""JSON Schemas of what ``--json`` prints and of the files that sendright writes, from the structs themselves."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sendright.mach.results.audits import AuditResult
from sendright.mach.results.checks import CheckResult, ProofResult, ReplayResult, TraceabilityResult
from sendright.mach.results.comparisons import CompareResult
from sendright.mach.results.mutants import ClausesResult, MutantsResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.state.trace import Trace
from sendright.properties.scripts.schema import script_schema

SHAPES: dict[str, tuple[str, type]] = {
    "check": ("`sendright check --json`", CheckResult),
    "replay": ("`sendright replay --json`", ReplayResult),
    "prove": ("`sendright prove --json`", ProofResult),
    "policy": ("`sendright policy --json`", PolicyResult),
    "compare": ("`sendright compare --json`", CompareResult),
    "audit": ("`sendright audit --json`", AuditResult),
    "mutants": ("`sendright mutants --json`", MutantsResult),
    "clauses": ("`sendright mutants --clauses --json`", ClausesResult),
    "trace-spec": ("`sendright trace-spec --json`", TraceabilityResult),
    "trace": ("a trace: `--trace FILE`, `sendright-report/trace.json`", Trace),
}
"""Name of the schema -> what has that shape, and the struct."""
LEFT_OUT = {"CaseResult": {"trace"}, "CheckedRun": {"trace"}}
"""Members that the command line leaves out, unless an option asks for them."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of the shape called ``name``. Raises KeyError."""
    what, struct = SHAPES[name]
    schema: dict[str, Any] = msgspec.json.schema(struct)
    for title, members in LEFT_OUT.items():
        if title in schema.get("$defs", {}):
            definition = schema["$defs"][title]
            definition["required"] = [member for member in definition.get("required", []) if member not in members]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": what.replace("`", ""), **schema}


def schemas() -> dict[str, str]:
    """File name -> the text of the schema, for all shapes and for scripts."""
    found = {name: schema_of(name) for name in SHAPES} | {"script": script_schema()}
    return {f"{name}.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in found.items()}


def members(name: str) -> list[tuple[str, str, str]]:
    """The members of a shape: name, type and what the source says of it, of its outermost object."""
    struct = SHAPES[name][1]
    definition = schema_of(name)["$defs"][struct.__name__]
    required = set(definition.get("required", []))
    return [(member, _type(about), "always" if member in required else "") for member, about in definition["properties"].items()]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"array of {_type(items)}" if isinstance(items, dict) and items else "array"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    return str(schema.get("type", "any"))
