"""A rule for audits: a question to the tables of facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sendright.mach.results.audits import Severity
from sendright_example.plugin import plugin

if TYPE_CHECKING:
    from sendright.properties.audit.rules.rule import Suspect
    from sendright.properties.audit.store import Store


@plugin.audit_rule("first-task", invariants=(22,), title="no task controls the first one", needs=("rights",))
def first_task(store: Store) -> Iterator[Suspect]:
    """No task has a right to the control port of the task with process id 1."""
    from sendright.properties.audit.rules.rule import Suspect, evidence, rows

    for row in rows(store, "SELECT * FROM rights WHERE t_pid = 1 AND h_pid <> 1 AND right_ = 'control' AND succeeded <> 0 ORDER BY n"):
        yield Suspect(
            severity=Severity.ERROR,
            world=row.world,
            time=row.time,
            words=f"{row.who('h_')} controls the first task",
            evidence=(evidence(store, row.file, row.place, "got its control port"),),
            tasks=(row.who("t_"), row.who("h_")),
        )
