"""Who can obtain rights because of the process behind a task."""

import pytest
from support.agreed_runs import Recorded

from sendright.mach.kernel.profiles import XNU
from sendright.properties.provenance.authority import Reach, authority

ROOT, USER, BARE = 0, 1, 2
"""The tasks of boot: those of root's and of a user's process, and one without a process."""


def reaches(recorded: Recorded, of: int) -> list[Reach]:
    """Who can obtain a right to the port of a task."""
    state = recorded.run.snapshot
    return list(authority(state, state.tasks[of].port, XNU).tasks)


def forked(recorded: Recorded, by: int) -> int:
    recorded.does(by, "fork")
    return max(recorded.run.snapshot.tasks)


def test_root_gets_every_processs_task_and_a_user_those_of_its_own() -> None:
    recorded = Recorded(XNU)
    child, own = forked(recorded, ROOT), forked(recorded, USER)
    by_root, by_user, _, by_child, by_own = reaches(recorded, own)
    assert [each.calls for each in (by_root, by_user, by_child)] == [2, 2, 2]
    assert by_user.prevented_by is None
    assert by_own.calls == 1
    to_child = reaches(recorded, child)
    assert to_child[ROOT].calls == 2
    assert to_child[USER].calls is not None, "root may give it to the user"
    assert to_child[USER].calls > 2


@pytest.mark.parametrize("changes", [False, True])
def test_a_mark_of_changed_ids_keeps_others_of_the_user_away(changes: bool) -> None:
    recorded = Recorded(XNU)
    child = forked(recorded, ROOT)
    for call, given in (("setgid", {"gid": 20}), ("setuid", {"uid": 501})):
        recorded.does(child, call, **given)
    if not changes:  # another image has no mark
        recorded.does(child, "execve", set_user=0xFFFFFFFF, set_group=0xFFFFFFFF)
        child = max(recorded.run.snapshot.tasks)
    assert (reaches(recorded, child)[USER].calls == 2) is not changes
