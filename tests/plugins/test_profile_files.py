"""Profiles as files of switches: what they mean, and what is said of wrong ones."""

import json
from pathlib import Path

import pytest
from support.plugins import answered, sendright

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Place
from sendright.mach.extensions import PluginError
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.profile_files import FILE_LIMIT, add_profile, profile_from, read_profile, remove_profile
from sendright.mach.kernel.profiles import GNUMACH, PROFILES, HostSelf, Profile, UnknownProfile, profile_named
from sendright.mach.signatures.processes import PROCESS_CALLS

HEAD = 'name = "mine"\nbased_on = "gnumach"\n'


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mine.toml").write_text(text)
    return tmp_path / "mine.toml"


@pytest.mark.fast
def test_switches_of_every_kind_are_read(tmp_path: Path) -> None:
    text = HEAD + (
        'title = "Mine"\nmany_sets = true\nqueue_limit = 7\nresume_at_zero_code = "KERN_SUCCESS"\nhost_self = "SLOT"\n'
        'lacks = ["mach_port_rename"]\nattributes_told = [1, 2]\nbootstrap_names = ["host_priv"]\nstate_flavours = [1]\n'
        '[special_ports]\n1 = "KERNEL"\n4 = "BOOTSTRAP"\n'
    )
    profile = read_profile(written(tmp_path, text))
    assert (profile.name, profile.title, profile.based_on) == ("mine", "Mine", "gnumach")
    assert (profile.many_sets, profile.queue_limit, profile.resume_at_zero_code) == (True, 7, ReturnCode.KERN_SUCCESS)
    assert (profile.host_self, profile.lacks, profile.attributes_told) == (HostSelf.SLOT, frozenset({"mach_port_rename"}), frozenset({1, 2}))
    assert profile.special_ports == {1: Place.KERNEL, 4: Place.BOOTSTRAP}
    assert (profile.bootstrap_names, profile.state_flavours) == (("host_priv",), frozenset({1}))
    assert profile.registered_ports == GNUMACH.registered_ports


@pytest.mark.fast
@pytest.mark.parametrize("base", [each.name for each in PROFILES.values() if not each.has_processes])
def test_a_kernel_that_says_what_it_lacks_gets_no_processes(tmp_path: Path, base: str) -> None:
    """Its own list of missing calls takes the place of its base's."""
    profile = read_profile(written(tmp_path, f'name = "mine"\nbased_on = "{base}"\nlacks = ["mach_port_rename"]\n'))
    assert not any(profile.serves(call) for call in PROCESS_CALLS)


def test_a_task_that_is_created_inherits_as_that_of_a_process_does(tmp_path: Path) -> None:
    """XNU's kernel makes both in one way, but xnu has no task_create. In a kernel that has it, no right to a kernel
    object's port comes to the child's place for the bootstrap port. The specification judges each step.
    """
    written(tmp_path, 'name = "mine"\nbased_on = "xnu"\nlacks = ["host_security_create_task_token", "host_security_set_task_token"]\n')
    calls: list[tuple[str, dict[str, object], dict[str, str]]] = [
        ("mach_host_self", {}, {"port": "host"}),
        ("task_set_special_port", {"task": "mach_task_self", "which": 4, "port": "host"}, {}),
        ("task_create", {"parent_task": "mach_task_self", "ledgers": [], "inherit_memory": 0}, {"child_task": "child"}),
        ("fork", {}, {"child": "C"}),
        ("task_get_special_port", {"task": "child", "which": 4}, {"port": "none"}),
    ]
    steps = [{"as": "T1", "call": call, "args": given, "bind": bound, "expect": {"ret": "KERN_SUCCESS"}} for call, given, bound in calls]
    gone = {"as": "T1", "call": "mach_port_type", "args": {"task": "mach_task_self", "name": "none"}, "expect": {"ret": "KERN_INVALID_NAME"}}
    script = {"format": "mach-cases/1", "cases": [{"id": "r", "profile": "mine", "steps": [*steps, gone]}]}
    (tmp_path / "create.json").write_text(json.dumps(script))
    assert answered(sendright("replay", "create.json", "--profile", "mine.toml", "--json", at=tmp_path), 0)["passed"] == 1


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "isn't TOML"),
        ('based_on = "xnu"', "name: must be letters"),
        ('name = "a b"\nbased_on = "xnu"', "name: must be letters"),
        ('name = "mine"', "based_on: must name a profile"),
        ('name = "mine"\nbased_on = "osff"', "(did you mean osf?)"),
        (HEAD + "queue_limt = 3", "unknown switch 'queue_limt' (did you mean queue_limit?)"),
        (HEAD + "queue_limit = 'x'", "queue_limit: expected `int`, got `str`"),
        (HEAD + "queue_limit = true", "queue_limit: expected `int`, got `bool`"),
        (HEAD + "queue_limit = -1", "queue_limit: must be from 0 to"),
        (HEAD + "boot_tasks = 1000000000", "boot_tasks: must be from 1 to 64"),
        (HEAD + "queue_limit = 99999999999999999999999", "queue_limit"),
        (HEAD + "queue_limit = 20", "queue_limit: 20 is more than queue_limit_max, which is 16"),
        (HEAD + "many_sets = 1", "many_sets: expected `bool`, got `int`"),
        (HEAD + 'null_parent_code = "KERN_INVALID_TSK"', "(did you mean KERN_INVALID_TASK?)"),
        (HEAD + 'host_self = "SLOTS"', "'SLOTS' is none of"),
        (HEAD + 'lacks = ["mach_port_renam"]', "unknown call 'mach_port_renam' (did you mean mach_port_rename? sendright calls lists all)"),
        (HEAD + 'lacks_arguments = ["task_create.ledger"]', "(did you mean task_create.ledgers?)"),
        (HEAD + 'bootstrap_names = ["root"]', "bootstrap_names: 'root' is unknown"),
        (HEAD + "processes = 5", "processes: 5 is more than boot_tasks"),
        (HEAD + "has_processes = true", "has_processes: isn't modelled for a kernel that is based on gnumach (base it on xnu)"),
        (
            'name = "mine"\nbased_on = "xnu"\nlacks = ["mach_port_rename", "host_security_set_task_token"]',
            "so lacks must name host_security_create_task_token (or write has_processes = false)",
        ),
        (HEAD + "x = " + "[" * 5000, "isn't TOML"),
        (HEAD + "#" * FILE_LIMIT, "has more than"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(PluginError) as told:
        read_profile(file)
    assert str(told.value).startswith(f"{file}: ")
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.fast
def test_every_switch_of_every_profile_can_be_written() -> None:
    """A profile that says all that another one says is that one, under its name."""
    for profile in list(PROFILES.values()):
        switches = {name: getattr(profile, name) for name in Profile.__struct_fields__ if name not in ("name", "title", "based_on")}
        again = profile_from({"name": "again", "based_on": "manual", **switches})
        assert {name: getattr(again, name) for name in switches} == switches


@pytest.mark.fast
def test_a_profile_is_added_once_and_is_based_on_ones_own() -> None:
    mine = profile_from({"name": "mine", "based_on": "gnumach"})
    try:
        add_profile(mine)
        add_profile(mine)
        assert (profile_named("mine"), base_of("mine"), base_of("gnumach")) == (mine, "gnumach", "gnumach")
        with pytest.raises(PluginError, match="two have this name"):
            add_profile(profile_from({"name": "mine", "based_on": "osf"}))
        assert profile_from({"name": "more", "based_on": "mine"}).based_on == "gnumach"
        with pytest.raises(UnknownProfile, match="did you mean mine"):
            profile_named("mines")
    finally:
        remove_profile("mine")
    with pytest.raises(PluginError, match="sendright has one of this name"):
        add_profile(profile_from({"name": "osf", "based_on": "manual"}))
    assert "mine" not in PROFILES


def test_commands_take_a_file_for_a_profile(tmp_path: Path) -> None:
    written(tmp_path, HEAD + 'resume_at_zero_code = "KERN_SUCCESS"\n')
    proving = ("prove", "-q", "--no-cache", "--json", "-j", "1", "--profile", "mine.toml", "--call", "task_resume", "--invariant", "3")
    data = answered(sendright(*proving, at=tmp_path), 0)
    assert (data["verdict"], data["profile"]) == ("PROVED", "mine")
    assert data["plugins"] == [{"name": "mine", "version": "", "source": "mine.toml", "adds": ["profile mine, based on gnumach"]}]
    steps = [{"as": "A", "call": "task_resume", "args": {}, "expect": {"ret": "KERN_SUCCESS"}}]
    (tmp_path / "resume.json").write_text(json.dumps({"format": "mach-cases/1", "cases": [{"id": "r", "profile": "mine", "steps": steps}]}))
    replayed = answered(sendright("replay", "resume.json", "--profile", "mine.toml", "--json", at=tmp_path), 0)
    assert replayed["passed"] == 1
    unknown = sendright("prove", "--profile", "nowhere.toml", at=tmp_path)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
