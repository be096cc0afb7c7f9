"""Who a process is, and the calls that change it: setuid and the like."""

import pytest
from msgspec.structs import replace
from support.kernel import NOTHING, Actor, Machine, send
from support.processes import GROUP, HOST, HOST_PRIV, NO_ID, USER, check_tokens, executed, forked, host_of, process_of, spawned, user

from sendright.mach.abi.rights import Disposition, Place
from sendright.mach.kernel.profiles import PROFILES, XNU, Profile
from sendright.mach.state.boot import boot_process
from sendright.mach.state.process import NO_MEMBER

ARGUMENTS: dict[str, dict[str, int]] = {
    "issetugid": {},
    "setuid": {"uid": 5},
    "seteuid": {"euid": 5},
    "setreuid": {"ruid": 5, "euid": 5},
    "setgid": {"gid": 5},
    "setegid": {"egid": 5},
    "setregid": {"rgid": 5, "egid": 5},
    "setgroups": {"group": 5},
    "initgroups": {"group": 5, "gmuid": 5},
    "getaudit_addr": {},
}
ASKING = "issetugid", "getaudit_addr"
"""Those that change nothing."""
LISTS = "setgroups", "initgroups"
"""Those that only root may make, whatever their arguments."""
CHANGING = [call for call in ARGUMENTS if call not in ASKING]
OTHER = 999
"""An id that no process has."""
USERS = "real_user", "effective_user", "saved_user"
GROUPS = "real_group", "effective_group", "saved_group"
ONE, TWO, THREE = 11, 12, 13
"""Three ids that a process can have."""


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def users_of(actor: Actor) -> tuple[int, ...]:
    """Real, effective, saved."""
    return tuple(getattr(process_of(actor), name) for name in USERS)


def groups_of(actor: Actor) -> tuple[int, ...]:
    """Real, effective, saved."""
    return tuple(getattr(process_of(actor), name) for name in GROUPS)


def with_users() -> Actor:
    """A process with the real user ONE, and the effective and saved user THREE."""
    actor = Machine(XNU).root
    actor.does("setreuid", ruid=ONE, euid=NO_ID)
    actor = executed(actor, set_user=THREE)
    assert users_of(actor) == (ONE, THREE, THREE)
    return actor


def with_groups() -> Actor:
    """A process that isn't root, with the real group ONE, and the effective and saved group THREE."""
    actor = Machine(XNU).root
    actor.does("setregid", rgid=ONE, egid=THREE)
    actor.does("setuid", uid=USER)
    assert groups_of(actor) == (ONE, THREE, THREE)
    return actor


# who a process is


def test_the_first_tasks_of_boot_have_processes(root: Actor) -> None:
    tasks = root.machine.snapshot().tasks
    assert [tasks[number].process for number in range(3)] == [boot_process(0), boot_process(1), None]
    assert (boot_process(1).pid, boot_process(1).parent, boot_process(1).original_parent) == (2, 1, 1)
    for number in (0, 1):
        check_tokens(root.machine.booted(number))
    assert root.machine.snapshot().zombies == {}


@pytest.mark.parametrize("profile", [profile for profile in PROFILES.values() if not profile.has_processes], ids=lambda profile: profile.name)
def test_other_kernels_have_none(profile: Profile) -> None:
    machine = Machine(profile)
    assert all(task.process is None for task in machine.snapshot().tasks.values())
    assert machine.root.refused("fork") == "MIG_BAD_ID"


@pytest.mark.parametrize("call", ARGUMENTS)
def test_a_task_without_a_process_is_no_one(call: str) -> None:
    assert Machine(XNU).last_booted().refused(call, **ARGUMENTS[call]) == "ESRCH"


@pytest.mark.parametrize("call", CHANGING)
def test_only_root_takes_any_id(call: str, root: Actor) -> None:
    assert root.machine.booted(1).refused(call, **ARGUMENTS[call]) == "EPERM"
    root.does(call, **ARGUMENTS[call])
    check_tokens(root)


@pytest.mark.parametrize("call", [call for call in CHANGING if call not in LISTS])
def test_what_is_so_already_changes_nothing(call: str) -> None:
    own = USER if "uid" in call else GROUP
    actor = user()
    before = actor.machine.snapshot()
    actor.does(call, **dict.fromkeys(ARGUMENTS[call], own))
    assert actor.machine.snapshot() == before
    assert actor.does("issetugid") == 0


@pytest.mark.parametrize("call", ["setreuid", "setregid"])
def test_no_id_sets_nothing(call: str, root: Actor) -> None:
    before = root.machine.snapshot()
    root.does(call, **dict.fromkeys(ARGUMENTS[call], NO_ID))
    root.does(call)
    assert root.machine.snapshot() == before


@pytest.mark.parametrize("call", CHANGING)
def test_a_change_is_marked(call: str, root: Actor) -> None:
    assert root.does("issetugid") == 0
    root.does(call, **ARGUMENTS[call])
    assert root.does("issetugid") == 1
    assert forked(root).does("issetugid") == 1


def test_ids_have_no_sign(root: Actor) -> None:
    root.does("setuid", uid=NO_ID)
    assert users_of(root) == (NO_ID,) * 3
    assert root.shown.security_token == (NO_ID, 0)


# users


def test_setuid_of_root_sets_all_users(root: Actor) -> None:
    root.does("setuid", uid=OTHER)
    assert process_of(root) == replace(boot_process(0), **dict.fromkeys(USERS, OTHER), member=OTHER, has_changed_ids=True)
    check_tokens(root)
    assert root.refused("setuid", uid=0) == "EPERM"


@pytest.mark.parametrize("uid", [ONE, THREE])
def test_setuid_of_others_sets_the_effective_user(uid: int) -> None:
    actor = with_users()
    actor.does("setuid", uid=uid)
    assert users_of(actor) == (ONE, uid, THREE)
    check_tokens(actor)
    assert actor.refused("setuid", uid=TWO) == "EPERM"


def test_setuid_sets_the_member_unless_the_process_has_opted_out(root: Actor) -> None:
    root.does("setreuid", ruid=OTHER, euid=NO_ID)
    assert process_of(root).member == 0
    root.does("setuid", uid=0)
    assert (process_of(root).member, users_of(root)) == (0, (0, 0, 0))
    root.does("setgid", gid=GROUP)
    assert process_of(root).member == NO_MEMBER
    root.does("setuid", uid=OTHER)
    assert process_of(root).member == NO_MEMBER


def test_setuid_that_only_changes_the_member_is_a_change() -> None:
    """The effective user is the real one, but the member isn't: ``seteuid`` leaves it as it is."""
    root = Machine(XNU).root
    root.does("setreuid", ruid=USER, euid=USER)
    before = process_of(root)
    assert (before.member, before.effective_user) == (0, USER)
    made = root.machine.port(HOST).make_send_count
    root.does("setuid", uid=USER)
    assert process_of(root) == replace(before, member=USER)
    assert root.machine.port(HOST).make_send_count == made


@pytest.mark.parametrize("euid", [ONE, THREE])
def test_seteuid_goes_to_the_real_and_the_saved_user(euid: int) -> None:
    actor = with_users()
    member = process_of(actor).member
    actor.does("seteuid", euid=euid)
    assert (users_of(actor), process_of(actor).member) == ((ONE, euid, THREE), member)
    assert actor.refused("seteuid", euid=TWO) == "EPERM"


def test_seteuid_of_root_sets_the_effective_user_alone(root: Actor) -> None:
    root.does("seteuid", euid=OTHER)
    assert users_of(root) == (0, OTHER, 0)
    assert host_of(root) == HOST
    root.does("seteuid", euid=0)
    assert (users_of(root), host_of(root)) == ((0, 0, 0), HOST_PRIV)


@pytest.mark.parametrize(
    ("ruid", "euid", "after"),
    [
        (NO_ID, ONE, (ONE, ONE, ONE)),  # the saved user is no argument: it follows
        (NO_ID, THREE, (ONE, THREE, THREE)),
        (THREE, ONE, (THREE, ONE, THREE)),
        (ONE, NO_ID, (ONE, THREE, THREE)),
        (THREE, NO_ID, (THREE, THREE, THREE)),
        (ONE, ONE, (ONE, ONE, ONE)),
    ],
)
def test_setreuid(ruid: int, euid: int, after: tuple[int, ...]) -> None:
    actor = with_users()
    actor.does("setreuid", ruid=ruid, euid=euid)
    assert users_of(actor) == after
    check_tokens(actor)


@pytest.mark.parametrize(("ruid", "euid"), [(TWO, NO_ID), (NO_ID, TWO), (TWO, ONE), (ONE, TWO)])
def test_setreuid_wants_one_of_the_three_users(ruid: int, euid: int) -> None:
    assert with_users().refused("setreuid", ruid=ruid, euid=euid) == "EPERM"


def test_setreuid_compares_the_saved_user_with_the_arguments_as_they_are(root: Actor) -> None:
    """A saved user 0xffffffff equals an argument -1, so it stays."""
    root.does("setreuid", ruid=ONE, euid=NO_ID)
    root.does("seteuid", euid=NO_ID)
    image = executed(root)
    image.does("seteuid", euid=ONE)
    assert users_of(image) == (ONE, ONE, NO_ID)
    before = root.machine.snapshot()
    image.does("setreuid", ruid=ONE, euid=NO_ID)
    assert root.machine.snapshot() == before


# groups


def test_setgid_of_root_sets_all_groups(root: Actor) -> None:
    root.does("setgid", gid=OTHER)
    assert process_of(root) == replace(boot_process(0), **dict.fromkeys(GROUPS, OTHER), member=NO_MEMBER, has_changed_ids=True)
    check_tokens(root)


@pytest.mark.parametrize(("call", "argument"), [("setgid", "gid"), ("setegid", "egid")])
def test_others_set_the_effective_group(call: str, argument: str) -> None:
    actor = with_groups()
    actor.does(call, **{argument: ONE})
    assert (groups_of(actor), process_of(actor).member) == ((ONE, ONE, THREE), NO_MEMBER)
    actor.does(call, **{argument: THREE})
    assert groups_of(actor) == (ONE, THREE, THREE)
    assert actor.refused(call, **{argument: TWO}) == "EPERM"


def test_setegid_of_root_sets_the_effective_group_alone(root: Actor) -> None:
    root.does("setegid", egid=OTHER)
    assert groups_of(root) == (0, OTHER, 0)


def test_another_real_or_saved_group_leaves_the_member(root: Actor) -> None:
    root.does("setregid", rgid=OTHER, egid=NO_ID)
    assert (groups_of(root), process_of(root).member) == ((OTHER, 0, 0), 0)
    root.does("setregid", rgid=NO_ID, egid=TWO)
    assert (groups_of(root), process_of(root).member) == ((OTHER, TWO, TWO), NO_MEMBER)


@pytest.mark.parametrize(
    ("rgid", "egid", "after"),
    [
        (NO_ID, ONE, (ONE, ONE, ONE)),
        (NO_ID, THREE, (ONE, THREE, THREE)),
        (THREE, ONE, (THREE, ONE, THREE)),
        (THREE, NO_ID, (THREE, THREE, THREE)),
    ],
)
def test_setregid(rgid: int, egid: int, after: tuple[int, ...]) -> None:
    actor = with_groups()
    actor.does("setregid", rgid=rgid, egid=egid)
    assert groups_of(actor) == after
    check_tokens(actor)


@pytest.mark.parametrize(("rgid", "egid"), [(TWO, NO_ID), (NO_ID, TWO), (TWO, ONE), (ONE, TWO)])
def test_setregid_wants_one_of_the_three_groups(rgid: int, egid: int) -> None:
    assert with_groups().refused("setregid", rgid=rgid, egid=egid) == "EPERM"


def test_setregid_of_no_id_equals_no_saved_group(root: Actor) -> None:
    """Unlike ``setreuid``: a saved group 0xffffffff isn't an argument -1, so it follows the effective group."""
    root.does("setgid", gid=NO_ID)
    root.does("setegid", egid=5)
    assert groups_of(root) == (NO_ID, 5, NO_ID)
    root.does("setregid", rgid=NO_ID, egid=NO_ID)
    assert groups_of(root) == (NO_ID, 5, 5)


# lists of groups


@pytest.mark.parametrize(("arguments", "member"), [({}, NO_MEMBER), ({"gmuid": TWO}, TWO), ({"gmuid": NO_ID}, NO_ID)])
def test_a_list_sets_the_effective_group_and_the_member(arguments: dict[str, int], member: int, root: Actor) -> None:
    root.does("setregid", rgid=ONE, egid=ONE)
    root.does("setegid", egid=THREE)
    before = process_of(root)
    root.does("initgroups" if arguments else "setgroups", group=OTHER, **arguments)
    assert process_of(root) == replace(before, effective_group=OTHER, member=member)
    assert groups_of(root) == (ONE, OTHER, ONE)
    assert root.shown.security_token == (0, OTHER)
    check_tokens(root)


def test_a_process_opts_out_and_in(root: Actor) -> None:
    root.does("setgroups", group=0)
    assert process_of(root) == replace(boot_process(0), member=NO_MEMBER, has_changed_ids=True)
    root.does("setuid", uid=0)
    assert process_of(root).member == NO_MEMBER
    root.does("initgroups", group=0, gmuid=OTHER)
    assert process_of(root).member == OTHER
    root.does("setuid", uid=USER)
    assert process_of(root).member == USER


@pytest.mark.parametrize(("call", "arguments"), [("setgroups", {}), ("initgroups", {"gmuid": TWO})])
def test_the_same_list_again_changes_nothing(call: str, arguments: dict[str, int], root: Actor) -> None:
    root.does(call, group=OTHER, **arguments)
    image = executed(root)
    before = image.machine.snapshot()
    image.does(call, group=OTHER, **arguments)
    assert image.machine.snapshot() == before
    assert image.does("issetugid") == 0


def test_the_list_that_root_has_at_boot(root: Actor) -> None:
    before = root.machine.snapshot()
    root.does("initgroups", group=0, gmuid=0)
    assert root.machine.snapshot() == before


@pytest.mark.parametrize(("call", "arguments"), [("setgroups", {"group": THREE}), ("initgroups", {"group": 0, "gmuid": THREE})])
def test_either_change_is_marked(call: str, arguments: dict[str, int], root: Actor) -> None:
    """A list may change the group alone, or the member alone."""
    root.does("setgroups", group=0)
    image = executed(root)
    assert (process_of(image).member, image.does("issetugid")) == (NO_MEMBER, 0)
    image.does(call, **arguments)
    assert image.does("issetugid") == 1


@pytest.mark.parametrize("call", LISTS)
def test_only_root_sets_a_list(call: str) -> None:
    """Not even to the list that the process has; a real or saved user 0 doesn't help."""
    actor = user()
    own = {"group": GROUP} | ({"gmuid": USER} if call == "initgroups" else {})
    before = actor.machine.snapshot()
    assert actor.refused(call, **own) == "EPERM"
    root = actor.machine.root
    root.does("seteuid", euid=USER)
    assert users_of(root) == (0, USER, 0)
    assert root.refused(call, **ARGUMENTS[call]) == "EPERM"
    assert actor.machine.snapshot().tasks[1] == before.tasks[1]
    root.does("seteuid", euid=0)
    root.does(call, **ARGUMENTS[call])


def test_root_by_its_effective_user_alone(root: Actor) -> None:
    image = executed(root.machine.booted(1), set_user=0)
    image.does("setgroups", group=OTHER)
    assert (users_of(image), groups_of(image)) == ((USER, 0, 0), (GROUP, OTHER, GROUP))


# the audit session


@pytest.mark.parametrize("number", [0, 1])
def test_getaudit_addr_tells_the_words_of_the_audit_token(number: int) -> None:
    actor = Machine(XNU).booted(number)
    token = actor.shown.audit_token
    assert actor.does("getaudit_addr") == {"audit_user": token[0], "session": token[6]}


def test_an_audit_session_outlives_changes_of_ids(root: Actor) -> None:
    told = root.does("getaudit_addr")
    root.does("setgroups", group=GROUP)
    root.does("setuid", uid=USER)
    before = root.machine.snapshot()
    assert root.does("getaudit_addr") == told
    assert root.machine.snapshot() == before
    for actor in (forked(root), spawned(root, set_user=7), executed(root)):
        assert actor.does("getaudit_addr") == told


# the host port


def test_the_host_port_follows_the_effective_user(root: Actor) -> None:
    before = {port: root.machine.port(port) for port in (HOST, HOST_PRIV)}
    root.does("seteuid", euid=USER)
    after = {port: root.machine.port(port) for port in (HOST, HOST_PRIV)}
    assert root.shown.places[Place.HOST] == send(HOST)
    assert after[HOST] == replace(before[HOST], send_rights=before[HOST].send_rights + 1)
    assert after[HOST_PRIV] == replace(before[HOST_PRIV], send_rights=before[HOST_PRIV].send_rights - 1)


def test_messages_keep_the_tokens_that_their_sender_had(root: Actor) -> None:
    queue = root.port_with_send()
    root.sends(queue)
    root.does("setuid", uid=USER)
    root.sends(queue)
    assert [message.security_token[0] for message in root.port_of(queue).queue] == [0, USER]


# pid_for_task


@pytest.mark.parametrize("which", [3, 5, 6])
def test_pid_for_task_takes_any_port_that_stands_for_the_task(which: int, root: Actor) -> None:
    other = root.machine.booted(1)
    assert root.does("pid_for_task", task=other.seen_as) == 2
    assert root.does("pid_for_task", task=root.does("task_get_special_port", task=other.seen_as, which=which)) == 2
    assert root.does("pid_for_task") == 1


def test_pid_for_task_wants_a_task(root: Actor) -> None:
    for name in (0, 1, NOTHING, NO_ID, root.port(), root.port_with_send(), root.dead_name()):
        assert root.refused("pid_for_task", task=name) == "KERN_FAILURE"


def test_a_resume_port_stands_for_no_task(root: Actor) -> None:
    other = root.machine.booted(1)
    names = set(root.names)
    root.does("task_suspend", task=other.seen_as)
    (token,) = set(root.names) - names
    assert root.refused("pid_for_task", task=token) == "KERN_FAILURE"


def test_pid_for_task_does_not_look(root: Actor) -> None:
    last = root.machine.last_booted()
    root.does("task_terminate", task=last.seen_as)
    assert root.names[last.seen_as].is_unlooked
    assert root.refused("pid_for_task", task=last.seen_as) == "KERN_FAILURE"
    assert root.names[last.seen_as].is_unlooked


def test_a_task_without_a_process_has_no_pid(root: Actor) -> None:
    last = root.machine.last_booted()
    assert root.refused("pid_for_task", task=last.seen_as) == "KERN_FAILURE"
    assert last.refused("pid_for_task") == "KERN_FAILURE"


def test_a_task_without_a_process_can_ask_for_anothers_pid(root: Actor) -> None:
    last = root.machine.last_booted()
    name = root.does("task_get_special_port", task=root.me, which=3)
    given = root.gives(last, name, Disposition.COPY_SEND)
    assert last.does("pid_for_task", task=given) == 1


# what ends a process's task


def test_task_terminate_does_not_end_a_process(root: Actor) -> None:
    child = forked(root)
    assert root.refused("task_terminate") == "KERN_FAILURE"
    assert root.refused("task_terminate", task=root.machine.booted(1).seen_as) == "KERN_FAILURE"
    assert child.refused("task_terminate") == "KERN_FAILURE"
