"""A step property: a formula over the states before and after a step."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.model.language.invariant import Variables, forall
from sendright.model.language.sorts import LIFE, Term
from sendright.model.language.transition import Transition
from sendright_example.plugin import plugin


@plugin.step_property(1002, "the dead stay dead", of_whole_calls=True)
def ports_stay_dead(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A port that has died never lives again."""
    died = x.before.port_life(v.p) == LIFE.ENDED
    yield "ports", forall([v.p], z3.Implies(died, x.after.port_life(v.p) == LIFE.ENDED))
