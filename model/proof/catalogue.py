"""The numbers and titles of all that is proved."""

from __future__ import annotations

from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.invariant import INVARIANTS
from sendright.model.proof.properties import (
    RELATIONAL,
)

SPECIFICATION = "the specification"
"""In the place of a call: what is decided of all rules together."""


def known_invariants() -> dict[int, str]:
    """Every number that ``--invariant`` takes, with its title."""
    titles = {number: invariant.title for number, invariant in INVARIANTS.items()}
    for number, step in STEP_PROPERTIES.items():
        titles[number] = f"{titles[number]}; {step.title}" if number in titles else step.title
    return dict(sorted((titles | RELATIONAL).items()))
