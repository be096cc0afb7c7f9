"""Rights to tasks' ports that stay: a switch that no profile sets, so it is proved here."""

from __future__ import annotations

import msgspec
import pytest

from sendright.mach.kernel.profiles import PROFILES, XNU
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.invariant import of_profile
from sendright.model.language.rule import COPY_IN, DELIVER
from sendright.model.proof.prove import prove

STAYS = msgspec.structs.replace(XNU, name="xnu-immovable", task_ports_stay=True)
CALLS = (COPY_IN, DELIVER, "mach_port_extract_right", "mach_ports_register", "task_set_special_port", "host_set_special_port")


@pytest.mark.parametrize("calls", [("mach_ports_register",), pytest.param(CALLS, marks=pytest.mark.heavy)], ids=["one call", "all"])
def test_rights_to_tasks_ports_stay_where_the_switch_says_so(calls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, STAYS.name, STAYS)
    result = prove(STAYS, calls=calls, invariants=[118], jobs=0)
    assert result.verdict is Verdict.PROVED
    assert {obligation.call for obligation in result.obligations} >= set(calls)


def test_they_move_elsewhere() -> None:
    """There the invariant is about inspect and read ports."""
    assert "inspect or read port" in of_profile(118, XNU).about
    assert "inspect or read port" not in of_profile(118, STAYS).about
