"""Who can obtain rights because of the process behind a task."""

import pytest
from support.agreed_runs import Recorded

from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.snapshot import Slot
from sendright.properties.provenance.authority import Reach, authority
from sendright.properties.provenance.derivation import derive
from sendright.properties.provenance.nodes import RightNode

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


def with_token(recorded: Recorded, child: int, by: int = ROOT) -> int:
    """A task makes an identity token of a child, and gives up its other rights to it: its name for the token."""
    me, process = recorded.does(by, "mach_task_self"), recorded.run.snapshot.tasks[child].process
    assert process is not None
    control = recorded.does(by, "task_for_pid", target_tport=me, pid=process.pid)
    token = recorded.does(by, "task_create_identity_token", task=control)
    recorded.does(by, "mach_port_deallocate", task=me, name=control)
    return token


def test_a_token_gives_what_the_control_port_gives_until_another_image_runs() -> None:
    recorded = Recorded(XNU)
    child = forked(recorded, USER)
    with_token(recorded, child)
    recorded.does(ROOT, "seteuid", euid=502)  # now it gets no port by a pid
    assert reaches(recorded, child)[ROOT].calls == 1
    recorded.does(child, "setuid", uid=501)
    recorded.does(child, "execve", set_user=0, set_group=0xFFFFFFFF)
    image = max(recorded.run.snapshot.tasks)
    assert reaches(recorded, image)[ROOT].calls != 1


@pytest.mark.parametrize("flavor", range(4))
def test_a_right_that_a_token_gives_has_a_source(flavor: int) -> None:
    recorded = Recorded(XNU)
    token = with_token(recorded, forked(recorded, ROOT))
    name = recorded.does(ROOT, "task_identity_token_get_task_port", token=token, flavor=flavor)
    graph = derive(recorded.run.trace()).graph
    last = max(node.step for node in graph if isinstance(node, RightNode) and node.slot == Slot("name", ROOT, name))
    [right] = [node for node in graph if isinstance(node, RightNode) and node.slot == Slot("name", ROOT, name) and node.step == last]
    assert [edge["how"] for _, _, edge in graph.in_edges(right, data=True)] == ["given by token"]
