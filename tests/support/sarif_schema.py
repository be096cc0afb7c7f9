"""What SARIF 2.1.0 (OASIS) asks of the parts of a log that sendright writes, as a JSON Schema: no other properties, and
these with these types.
"""

from __future__ import annotations

from typing import Any


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def _array(items: Any, unique: bool = False, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": unique, "minItems": least}


_TEXT = {"type": "string"}
_MESSAGE = _object(("text",), text={"type": "string", "minLength": 1})
_BAG = {"type": "object"}
_ARTIFACT = _object((), uri={"type": "string", "format": "uri-reference"}, index={"type": "integer", "minimum": -1})
_REGION = _object(
    (), startLine={"type": "integer", "minimum": 1}, byteOffset={"type": "integer", "minimum": -1}, byteLength={"type": "integer", "minimum": 0}
)
_LOCATION = _object(
    (),
    physicalLocation=_object((), artifactLocation=_ARTIFACT, region=_REGION),
    logicalLocations=_array(_object((), fullyQualifiedName=_TEXT), unique=True),
    message=_MESSAGE,
)
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_STEP = _object((), location=_LOCATION, importance={"enum": ["important", "essential", "unimportant"]})
_ROLES = {"enum": ["analysisTarget", "attachment", "resultFile", "tracedFile", "referencedOnCommandLine"]}
_RESULT = _object(
    ("message",),
    ruleId=_TEXT,
    level=_LEVEL,
    message=_MESSAGE,
    locations=_array(_LOCATION),
    relatedLocations=_array(_LOCATION, unique=True),
    partialFingerprints={"type": "object", "additionalProperties": _TEXT},
    suppressions=_array(
        _object(
            ("kind",),
            kind={"enum": ["inSource", "external"]},
            status={"enum": ["accepted", "underReview", "rejected"]},
            justification=_TEXT,
        ),
        unique=True,
    ),
    codeFlows=_array(_object(("threadFlows",), threadFlows=_array(_object(("locations",), locations=_array(_STEP, least=1)), least=1))),
    properties=_BAG,
)
_RULE = _object(
    ("id",), id=_TEXT, shortDescription=_MESSAGE, fullDescription=_MESSAGE, help=_MESSAGE, helpUri={"type": "string", "pattern": "^[a-z]+:[^ ]+$"}
)
_INVOCATION = _object(
    ("executionSuccessful",),
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications=_array(_object(("message",), level=_LEVEL, message=_MESSAGE)),
)
_RUN = _object(
    ("tool",),
    tool=_object(("driver",), driver=_object(("name",), name=_TEXT, version=_TEXT, rules=_array(_RULE, unique=True))),
    invocations=_array(_INVOCATION),
    artifacts=_array(_object((), location=_ARTIFACT, roles=_array(_ROLES, unique=True)), unique=True),
    results=_array(_RESULT),
    properties=_BAG,
)
SARIF_SCHEMA = _object(("version", "runs"), **{"$schema": _TEXT}, version={"enum": ["2.1.0"]}, runs=_array(_RUN))
