"""Audit sessions: processes share them, and their tokens tell of them only what was so when the kernel set them."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
from msgspec.structs import replace
from support.kernel import Actor, Machine
from support.processes import GROUP, NO_ID, USER, check_tokens, executed, forked, process_of, spawned, stopped

from sendright.mach.abi.tokens import ASSIGN_SESSION, DEFAULT_SESSION, FIRST_SESSION, UNSET
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.state.boot import boot_process

FIRST, SECOND = (boot_process(number).session for number in (0, 1))
"""The sessions of boot. The audit user of the first isn't set; that of the second is USER."""
NEW = FIRST_SESSION + 2
"""The first number that the kernel gives."""
FREE = 77
"""The number of no session."""
AUDITED, OTHER = 7, 8
"""Two audit users."""
NEWLY = ASSIGN_SESSION, DEFAULT_SESSION
"""The arguments for a new session."""


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def sessions_of(actor: Actor) -> dict[int, int]:
    """The sessions that there are, with their audit users."""
    return dict(actor.machine.snapshot().sessions)


def told(actor: Actor) -> tuple[int, int]:
    """What the kernel tells an actor of its session: the audit user and the number."""
    outputs = actor.does("getaudit_addr")
    return outputs["audit_user"], outputs["session"]


def in_token(actor: Actor) -> tuple[int, int]:
    """What an actor's audit token says of its session. Its process says the same."""
    process, token = process_of(actor), actor.shown.audit_token
    assert (token[0], token[6]) == (process.audit_user, process.session)
    return token[0], token[6]


def in_session(root: Actor, audit_user: int = UNSET) -> Actor:
    """A new child of root's in a new session."""
    child = forked(root)
    child.does("setaudit_addr", audit_user=audit_user)
    return child


def exits(actor: Actor) -> int:
    """Let a process exit. Its pid."""
    pid = process_of(actor).pid
    assert actor.result("exit").code == 0
    return pid


# the sessions of boot


def test_each_process_of_boot_has_a_session_of_its_own(root: Actor) -> None:
    assert (FIRST, SECOND) == (FIRST_SESSION, FIRST_SESSION + 1)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER}


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if not profile.has_processes], ids=lambda profile: profile.name)
def test_other_kernels_have_none(profile: Profile) -> None:
    root = Machine(profile).root
    assert sessions_of(root) == {}
    assert root.refused("setauid", auid=AUDITED) == "MIG_BAD_ID"
    assert root.refused("setaudit_addr", audit_user=AUDITED) == "MIG_BAD_ID"


# errors, in their order


@pytest.mark.parametrize(("call", "argument"), [("setauid", "auid"), ("setaudit_addr", "audit_user")])
def test_a_task_without_a_process_has_no_session(call: str, argument: str, root: Actor) -> None:
    assert root.machine.last_booted().refused(call, **{argument: AUDITED}) == "ESRCH"


def test_only_root_sets_an_audit_user(root: Actor) -> None:
    """Not even the one that the session has. For others another user is no error of its own."""
    other = root.machine.booted(1)
    for audit_user in (USER, OTHER, UNSET):
        assert other.refused("setauid", auid=audit_user) == "EPERM"
        for session in (*NEWLY, SECOND, FIRST, FREE):
            assert other.refused("setaudit_addr", audit_user=audit_user, session=session) == "EPERM"


def test_root_by_its_effective_user_alone(root: Actor) -> None:
    root.does("seteuid", euid=USER)
    assert root.refused("setauid", auid=AUDITED) == "EPERM"
    assert root.refused("setaudit_addr", audit_user=AUDITED) == "EPERM"
    image = executed(root.machine.booted(1), set_user=0)
    image.does("setauid", auid=USER)
    assert image.does("setaudit_addr", audit_user=AUDITED) == NEW


@pytest.mark.parametrize("audit_user", [OTHER, UNSET, 0])
def test_an_audit_user_is_set_once(audit_user: int, root: Actor) -> None:
    root.does("setauid", auid=AUDITED)
    assert root.refused("setauid", auid=audit_user) == "EINVAL"
    assert root.refused("setaudit_addr", audit_user=audit_user, session=FIRST) == "EINVAL"


@pytest.mark.parametrize("audit_user", [OTHER, UNSET])
def test_a_session_that_exists_has_its_audit_user(audit_user: int, root: Actor) -> None:
    assert root.refused("setaudit_addr", audit_user=audit_user, session=SECOND) == "EINVAL"


# the own session


def sets_by_setauid(actor: Actor, audit_user: int) -> None:
    """Set the audit user of an actor's session."""
    assert actor.does("setauid", auid=audit_user) == {}


def sets_by_number(actor: Actor, audit_user: int) -> None:
    """The same, by the session's number."""
    session = process_of(actor).session
    assert actor.does("setaudit_addr", audit_user=audit_user, session=session) == session


Setter: TypeAlias = Callable[[Actor, int], None]
BY_EITHER_CALL = pytest.mark.parametrize("sets", [sets_by_setauid, sets_by_number])


@BY_EITHER_CALL
def test_only_the_session_changes_with_its_audit_user(sets: Setter, root: Actor) -> None:
    """The caller's credential refers to the session as before, so its tokens stay as they are."""
    before = root.machine.snapshot()
    sets(root, AUDITED)
    assert root.machine.snapshot() == replace(before, sessions={FIRST: AUDITED, SECOND: USER})
    assert (told(root), in_token(root)) == ((AUDITED, FIRST), (UNSET, FIRST))
    assert root.does("issetugid") == 0


@BY_EITHER_CALL
@pytest.mark.parametrize("audit_user", [AUDITED, UNSET])
def test_what_is_so_already_changes_nothing(sets: Setter, audit_user: int, root: Actor) -> None:
    root.does("setauid", auid=audit_user)
    before = root.machine.snapshot()
    sets(root, audit_user)
    assert root.machine.snapshot() == before


def test_an_unset_audit_user_can_be_set_after_it_was_set_to_none(root: Actor) -> None:
    root.does("setauid", auid=UNSET)
    root.does("setauid", auid=0)
    assert told(root) == (0, FIRST)


def test_all_members_are_told_at_once(root: Actor) -> None:
    child = forked(root)
    grandchild = forked(child)
    grandchild.does("setauid", auid=AUDITED)
    for actor in (root, child, grandchild):
        assert (told(actor), in_token(actor)) == ((AUDITED, FIRST), (UNSET, FIRST))
    assert child.refused("setauid", auid=OTHER) == "EINVAL"
    assert told(root.machine.booted(1)) == (USER, SECOND)


def test_a_member_that_is_not_root_is_told(root: Actor) -> None:
    child = forked(root)
    child.does("setuid", uid=USER)
    root.does("setauid", auid=AUDITED)
    assert (told(child), in_token(child)) == ((AUDITED, FIRST), (UNSET, FIRST))


# tokens that are set later


def test_a_change_of_ids_sets_the_tokens(root: Actor) -> None:
    child = forked(root)
    child.does("setauid", auid=AUDITED)
    for call, argument in (("seteuid", "euid"), ("setuid", "uid"), ("setegid", "egid"), ("setgid", "gid")):
        child.does(call, **{argument: 0})
        assert in_token(child) == (UNSET, FIRST), "a call that changes no id sets no tokens"
    assert child.does("issetugid") == 0
    child.does("seteuid", euid=USER)
    assert in_token(child) == (AUDITED, FIRST)
    check_tokens(child)
    assert in_token(root) == (UNSET, FIRST)
    root.does("setegid", egid=GROUP)
    assert in_token(root) == (AUDITED, FIRST)
    check_tokens(root)


def test_a_child_gets_the_audit_user_of_now(root: Actor) -> None:
    root.does("setauid", auid=AUDITED)
    for child in (forked(root), spawned(root), spawned(root, set_user=USER)):
        assert (in_token(child), told(child)) == ((AUDITED, FIRST),) * 2
        check_tokens(child)
    assert in_token(root) == (UNSET, FIRST)


@pytest.mark.parametrize("set_user", [NO_ID, USER])
def test_an_image_gets_the_audit_user_of_now(set_user: int, root: Actor) -> None:
    root.does("setauid", auid=AUDITED)
    image = executed(root, set_user=set_user)
    assert (in_token(image), told(image)) == ((AUDITED, FIRST),) * 2
    check_tokens(image)


def test_messages_keep_the_audit_user_that_their_senders_token_had(root: Actor) -> None:
    queue = root.port_with_send()
    root.does("setauid", auid=AUDITED)
    root.sends(queue)
    root.does("seteuid", euid=USER)
    root.sends(queue)
    assert [message.audit_token[0] for message in root.port_of(queue).queue] == [UNSET, AUDITED]


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_the_tasks_of_an_exec_have_tokens_of_before_and_after(phases: int, root: Actor) -> None:
    """Another member sets the audit user while the exec is stopped. The second phase sets the new task's tokens."""
    child = forked(root)
    number = stopped(child, phases)
    root.does("setauid", auid=AUDITED)
    tasks = root.machine.snapshot().tasks
    assert [tasks[each].audit_token[0] for each in (child.number, number)] == [UNSET, UNSET]
    assert sessions_of(root)[FIRST] == AUDITED
    assert child.goes_on().code == 0
    image = Actor(root.machine, number)
    assert in_token(image) == (AUDITED if phases == 1 else UNSET, FIRST)
    assert told(image) == (AUDITED, FIRST)


def test_an_exec_sets_the_new_tasks_tokens_alone(root: Actor) -> None:
    child = forked(root)
    root.does("setauid", auid=AUDITED)
    number = stopped(child, 1)
    tasks = root.machine.snapshot().tasks
    assert [tasks[each].audit_token[0] for each in (child.number, number)] == [UNSET, UNSET]
    child.waits("execve", stop=True, resume=True)
    tasks = root.machine.snapshot().tasks
    assert [tasks[each].audit_token[0] for each in (child.number, number)] == [UNSET, AUDITED]


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_both_tasks_of_an_exec_are_in_its_session(phases: int, root: Actor) -> None:
    child = in_session(root, AUDITED)
    number = stopped(child, phases)
    tasks = root.machine.snapshot().tasks
    assert [tasks[each].audit_token[6] for each in (child.number, number)] == [NEW, NEW]
    assert sessions_of(root)[NEW] == AUDITED
    assert root.refused("setaudit_addr", audit_user=OTHER, session=NEW) == "EINVAL"
    assert child.goes_on().code == 0
    assert told(Actor(root.machine, number)) == (AUDITED, NEW)


# another session


@pytest.mark.parametrize("session", NEWLY)
@pytest.mark.parametrize("audit_user", [AUDITED, UNSET, USER])
def test_a_new_session(session: int, audit_user: int, root: Actor) -> None:
    child = forked(root)
    before, others = process_of(child), sessions_of(root)
    assert child.does("setaudit_addr", audit_user=audit_user, session=session) == NEW
    assert process_of(child) == replace(before, audit_user=audit_user, session=NEW)
    assert sessions_of(root) == others | {NEW: audit_user}
    assert (told(child), told(root)) == ((audit_user, NEW), (UNSET, FIRST))
    check_tokens(child)


def test_the_kernel_numbers_sessions_by_default(root: Actor) -> None:
    children = [forked(root) for _ in range(3)]
    assert [child.does("setaudit_addr", audit_user=AUDITED) for child in children] == [NEW, NEW + 1, NEW + 2]
    assert children[0].does("setaudit_addr", audit_user=OTHER) == NEW + 3


def test_numbers_that_are_taken_are_skipped(root: Actor) -> None:
    children = [forked(root) for _ in range(3)]
    assert children[0].does("setaudit_addr", audit_user=AUDITED, session=NEW + 1) == NEW + 1
    assert [child.does("setaudit_addr", audit_user=AUDITED) for child in children[1:]] == [NEW, NEW + 2]


def test_the_callers_old_number_is_still_taken(root: Actor) -> None:
    """The kernel numbers the new session before the caller leaves the old one."""
    assert root.does("setaudit_addr", audit_user=AUDITED) == NEW
    assert sessions_of(root) == {SECOND: USER, NEW: AUDITED}


def test_a_process_with_an_audit_user_gets_another_in_a_new_session(root: Actor) -> None:
    child = in_session(root, AUDITED)
    assert child.does("setaudit_addr", audit_user=OTHER) == NEW + 1
    assert (told(child), sessions_of(root)) == ((OTHER, NEW + 1), {FIRST: UNSET, SECOND: USER, NEW + 1: OTHER})


@pytest.mark.parametrize("session", [1, FREE, NEW + 10, ASSIGN_SESSION - 1])
def test_a_new_session_with_a_number_that_is_free(session: int, root: Actor) -> None:
    child = forked(root)
    assert child.does("setaudit_addr", audit_user=AUDITED, session=session) == session
    assert (told(child), in_token(child)) == ((AUDITED, session),) * 2
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, session: AUDITED}


def test_joining_a_session_with_its_audit_user(root: Actor) -> None:
    before = process_of(root)
    assert root.does("setaudit_addr", audit_user=USER, session=SECOND) == SECOND
    assert process_of(root) == replace(before, audit_user=USER, session=SECOND)
    check_tokens(root)
    assert sessions_of(root) == {SECOND: USER}


def test_joining_a_session_sets_its_audit_user_for_all(root: Actor) -> None:
    """The tokens of the one that joins are set, those of the others aren't."""
    member, other = in_session(root), forked(root)
    assert other.does("setaudit_addr", audit_user=AUDITED, session=NEW) == NEW
    assert (told(other), told(member)) == ((AUDITED, NEW),) * 2
    assert (in_token(other), in_token(member)) == ((AUDITED, NEW), (UNSET, NEW))
    assert member.refused("setauid", auid=OTHER) == "EINVAL"


def test_joining_a_session_that_stays_without_an_audit_user(root: Actor) -> None:
    member, other = in_session(root), forked(root)
    other.does("setaudit_addr", audit_user=UNSET, session=NEW)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, NEW: UNSET}
    member.does("setauid", auid=AUDITED)
    assert (told(other), in_token(other)) == ((AUDITED, NEW), (UNSET, NEW))


def test_another_session_is_no_marked_change_of_ids(root: Actor) -> None:
    root.does("setaudit_addr", audit_user=AUDITED)
    assert root.does("issetugid") == 0
    root.does("setegid", egid=GROUP)
    assert root.does("issetugid") == 1
    root.does("setaudit_addr", audit_user=AUDITED)
    assert root.does("issetugid") == 1


def test_another_session_changes_nothing_else(root: Actor) -> None:
    """The host port is set, too, but it is what it was: only root makes the call."""
    before = root.machine.snapshot()
    root.does("setaudit_addr", audit_user=AUDITED)
    process = replace(boot_process(0), audit_user=AUDITED, session=NEW)
    task = replace(before.tasks[0], process=process, audit_token=process.audit_token)
    assert root.machine.snapshot() == replace(before, tasks={**before.tasks, 0: task}, sessions={SECOND: USER, NEW: AUDITED})


def test_children_are_in_the_session_of_their_parent(root: Actor) -> None:
    parent = in_session(root, AUDITED)
    for child in (forked(parent), spawned(parent), executed(parent)):
        assert (told(child), in_token(child)) == ((AUDITED, NEW),) * 2


# the end of a session


def test_a_session_ends_when_its_last_process_leaves(root: Actor) -> None:
    member = in_session(root, AUDITED)
    other = forked(member)
    member.does("setaudit_addr", audit_user=UNSET, session=FIRST)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, NEW: AUDITED}
    other.does("setaudit_addr", audit_user=UNSET, session=FIRST)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER}


def test_a_zombie_keeps_its_session(root: Actor) -> None:
    member = in_session(root, AUDITED)
    pid = exits(member)
    state = root.machine.snapshot()
    assert state.zombies[member.number].session == NEW
    assert state.sessions == {FIRST: UNSET, SECOND: USER, NEW: AUDITED}
    assert root.refused("setaudit_addr", audit_user=OTHER, session=NEW) == "EINVAL"
    root.does("wait4", pid=pid)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER}


def test_a_session_in_which_only_a_zombie_is_can_be_joined(root: Actor) -> None:
    pid = exits(in_session(root))
    other = forked(root)
    other.does("setaudit_addr", audit_user=AUDITED, session=NEW)
    root.does("wait4", pid=pid)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, NEW: AUDITED}


def test_the_number_can_be_used_again_with_another_audit_user(root: Actor) -> None:
    pid = exits(in_session(root, AUDITED))
    root.does("wait4", pid=pid)
    other = forked(root)
    assert other.does("setaudit_addr", audit_user=OTHER, session=NEW) == NEW
    assert (told(other), in_token(other)) == ((OTHER, NEW),) * 2
    assert forked(root).does("setaudit_addr", audit_user=AUDITED) == NEW + 1


def test_the_kernel_gives_a_number_of_boot_again(root: Actor) -> None:
    """Its counter begins with the lowest number: it hasn't come by this one yet."""
    exits(root.machine.booted(1))
    root.does("wait4", pid=boot_process(1).pid)
    assert sessions_of(root) == {FIRST: UNSET}
    assert root.does("setaudit_addr", audit_user=AUDITED) == SECOND
    assert sessions_of(root) == {SECOND: AUDITED}
    assert root.does("setaudit_addr", audit_user=OTHER) == NEW


def test_the_session_of_an_orphan_ends_with_it(root: Actor) -> None:
    parent = forked(root)
    orphan = in_session(parent, AUDITED)
    exits(parent)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, NEW: AUDITED}
    exits(orphan)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER}


def test_the_session_of_a_zombie_ends_when_its_parent_exits(root: Actor) -> None:
    parent = in_session(root, AUDITED)
    child = in_session(parent, OTHER)
    exits(child)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, NEW: AUDITED, NEW + 1: OTHER}
    exits(parent)
    assert sessions_of(root) == {FIRST: UNSET, SECOND: USER, NEW: AUDITED}


def test_sessions_of_earlier_snapshots_stay(root: Actor) -> None:
    earlier = [root.machine.snapshot().sessions]
    root.does("setauid", auid=AUDITED)
    earlier.append(root.machine.snapshot().sessions)
    root.does("setaudit_addr", audit_user=OTHER)
    assert earlier == [{FIRST: UNSET, SECOND: USER}, {FIRST: AUDITED, SECOND: USER}]
