"""An invariant: a formula over one state."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.model.language.invariant import Variables, forall, named
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.state import State
from sendright_example.plugin import plugin


@plugin.invariant(1001, "a port set is no right")
def port_sets(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A name that is a port set has no user references and leads to no port."""
    slot = named(v)
    is_set = s.kind(slot) == KIND.PORT_SET
    yield "no references", forall([v.t, v.n], z3.Implies(is_set, s.urefs(slot) == 0))
    yield "no port", forall([v.t, v.n], z3.Implies(is_set, s.port(slot) == v.sorts.no_port))
