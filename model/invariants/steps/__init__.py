"""The step properties, by subject. Importing this package declares them all."""

from sendright.model.invariants.steps import (
    arrivals,
    codes,
    contents,
    failures,
    given,
    ledgers,
    locality,
    memory,
    messages,
    precedence,
    processes,
    references,
    rights,
    shortages,
    tasks,
    tokens,
)
from sendright.model.language.step_property import STEP_PROPERTIES

__all__ = [
    "STEP_PROPERTIES",
    "arrivals",
    "codes",
    "contents",
    "failures",
    "given",
    "ledgers",
    "locality",
    "memory",
    "messages",
    "precedence",
    "processes",
    "references",
    "rights",
    "shortages",
    "tasks",
    "tokens",
]
