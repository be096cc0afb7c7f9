"""Policy files: what they mean, and that each error is one line with its place."""

import os
from pathlib import Path

import pytest
from support.places import ROOT

from sendright.model.policy.policy import Authority, Where
from sendright.properties.policy.load import LARGEST_FILE, MOST_LABELS, BadPolicy, load_policy, parse_policy

EXAMPLES = ROOT / "docs" / "examples" / "policies"

SMALL = """
format = "sendright-policy/1"
trusted = []
[labels]
server = "a server"
client = "its children"
host = "the kernel's ports"
[groups]
all = ["server", "client"]
[boot]
"first task" = "server"
"host security port" = "host"
"privileged host port" = "host"
"device port" = "any task"
"host port" = "any task"
ledgers = "any task"
[children]
server = "client"
[[allow]]
who = "server"
may = ["control"]
to = "client"
"""

HOLDS, KEEPS, CARRIES = Where.HOLDS, Where.KEEPS, Where.CARRIES


def test_defaults_are_written_out() -> None:
    policy = parse_policy(SMALL, Path("small.toml"))
    assert policy.title == "small"
    assert policy.of_tasks == ("server", "client")
    assert policy.children == {"server": ("client",), "client": ("client",), "host": ("host",)}
    assert policy.roles["host port"] is None
    for authority in (Authority.CONTROL, Authority.SEND, Authority.SEND_ONCE, Authority.RECEIVE, Authority.SHARE):
        assert policy.allows(HOLDS, "client", authority, "client")
    assert not policy.allows(HOLDS, "client", Authority.GIVE_TOKENS, "client")
    assert not policy.allows(HOLDS, "client", Authority.CONTROL, "server")
    assert not policy.allows(HOLDS, "host", Authority.SEND, "host"), "no task has it"
    assert policy.allows(KEEPS, "server", Authority.CONTROL, "client"), "what a task may hold, the kernel may keep for it"
    assert not policy.allows(CARRIES, "client", Authority.CONTROL, "server"), "the receivers of a client's ports may not hold it"


def test_what_is_carried_is_what_every_receiver_may_hold() -> None:
    text = SMALL + '[[allow]]\nwho = "server"\nmay = "receive"\nto = "client"\n[[allow]]\nwho = "client"\nmay = "hold"\nto = "host"\n'
    policy = parse_policy(text, Path("x"))
    assert not policy.allows(CARRIES, "client", Authority.HOLD, "host"), "the server receives from clients too, and may not hold it"
    assert policy.allows(CARRIES, "client", Authority.RECEIVE, "client")
    assert policy.allows(CARRIES, "host", Authority.HOLD, "host"), "the host's special ports, for those that may hold the privileged host port"


def test_an_entry_replaces_the_default() -> None:
    policy = parse_policy(SMALL + '[[keep]]\nwho = "server"\nmay = []\nto = []\n', Path("x"))
    assert not any(edge.where == "keep" and edge.who == "server" for edge in policy.edges)
    assert any(edge.where == "keep" and edge.who == "client" for edge in policy.edges)


@pytest.mark.parametrize("name", ["clients", "reply"])
def test_the_examples_are_policies(name: str) -> None:
    policy = load_policy(EXAMPLES / f"{name}.toml")
    assert policy.first_task == "server"
    assert (policy.trusted == {"server"}) == (name == "clients")


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "policies.md").read_text("utf-8")
    assert (EXAMPLES / "clients.toml").read_text("utf-8") in page


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sendright-policy/1", "sendright-policy/9", "format: is 'sendright-policy/9': write format = 'sendright-policy/1'"),
        ("trusted = []", "trusted = [", "not TOML: "),
        ("trusted = []", "trust = []", "trust: unknown key (did you mean 'trusted'?)"),
        ("trusted = []", 'trusted = "host"', "trusted: 'host' isn't the label of a task"),
        ("trusted = []", "trusted = 3", "trusted: 3 is not the name of a label"),
        ('to = "client"', 'to = "clients"', "allow entry 1.to: unknown label 'clients' (did you mean 'client'?)"),
        ('to = "client"', 'to = ["client", "client"]', "allow entry 1.to: names a label twice"),
        ('to = "client"', "to = []", "allow entry 1: 'to' is not empty"),
        ('to = "client"', "", "allow entry 1: 'to' is missing"),
        ('to = "client"', 'to = "client"\nhow = "so"', "allow entry 1.how: unknown key"),
        (
            'to = "client"',
            'to = "client"\n[[allow]]\nwho = "all"\nmay = "control"\nto = "client"',
            "allow entry 2: server may control client is in entry 1 too",
        ),
        ('may = ["control"]', 'may = ["mach_port_insert_right"]', "allow entry 1.may: unknown authority 'mach_port_insert_right'"),
        ('may = ["control"]', 'may = ["contorl"]', "allow entry 1.may: unknown authority 'contorl' (did you mean 'control'?)"),
        ("[[allow]]", "[[keep]]", None),
        ('[[allow]]\nwho = "server"\nmay = ["control"]', '[[keep]]\nwho = "server"\nmay = ["share"]', "keep entry 1.may: unknown authority 'share'"),
        ('who = "server"', 'who = "host"', "allow: host may control client: 'host' isn't the label of a task"),
        ("[[allow]]", "[allow]", "allow: isn't a list of tables"),
        ('all = ["server", "client"]', 'all = ["server", "some"]\nsome = ["all"]', "groups.all: a group contains itself: all > some > all"),
        ('all = ["server", "client"]', 'client = ["server"]', "groups.client: is a label too"),
        ('all = ["server", "client"]', 'all = [["server"]]', "groups.all: ['server'] is not the name of a label"),
        ('format = "sendright-policy/1"', "", "format: is missing: write format = 'sendright-policy/1'"),
        ('all = ["server", "client"]', "all = []", "groups.all: isn't a list of labels and groups"),
        ('client = "its children"', 'client = "its children"\nextra = "unused"', "labels.extra: nothing has this label"),
        ('client = "its children"', 'client = "its children"\nclient = "again"', "not TOML: "),
        ('client = "its children"', "client = 3", "labels.client: isn't text in quotes"),
        ('client = "its children"', '"any task" = ""', "labels.any task: can't be a name"),
        ('client = "its children"', """'c"' = ''""", "labels.c\": can't be a name"),
        ('client = "its children"', '"" = ""', "labels.: can't be a name"),
        ('"first task" = "server"\n', "", "boot: 'first task' has no label"),
        ('"privileged host port" = "host"\n', "", "boot: 'privileged host port' has no label"),
        ('"host security port" = "host"', '"host security port" = "any task"', "boot.host security port: a policy that lets 'any task' have"),
        ('"first task"', '"last task" = "server"\n"first task"', "boot.last task: unknown"),
        ('server = "client"\n[[', 'server = "client"\nall = "client"\n[[', "children.all: 'server' is given twice, by 'server' too"),
        ("[children]", '[tasks]\none = "client"\n[children]', "tasks.one: isn't a number"),
        ("[children]", '[tasks]\n1 = "client"\n01 = "client"\n[children]', "tasks.01: 1 is given twice"),
        ("[labels]", "[label]", "label: unknown key (did you mean 'labels'?)"),
    ],
)
def test_an_error_is_one_line_with_its_place(old: str, new: str, words: str | None) -> None:
    assert old in SMALL
    text = SMALL.replace(old, new, 1)
    if words is None:
        parse_policy(text, Path("p.toml"))
        return
    with pytest.raises(BadPolicy) as error:
        parse_policy(text, Path("p.toml"))
    assert str(error.value).startswith(f"p.toml: {words}"), str(error.value)
    assert "\n" not in str(error.value)


def test_too_large_is_said(tmp_path: Path) -> None:
    labels = "\n".join(f'l{number} = ""' for number in range(MOST_LABELS))
    with pytest.raises(BadPolicy, match="labels: 27 labels are too many"):
        parse_policy(SMALL.replace("[labels]", f"[labels]\n{labels}"), Path("p"))
    groups = "\n".join(f'g{number} = ["g{number + 1}"]' for number in range(3000))
    with pytest.raises(BadPolicy, match="groups: 3001 groups are too many"):
        parse_policy(SMALL.replace("[groups]", f"[groups]\n{groups}"), Path("p"))
    entries = '[[allow]]\nwho = "client"\nmay = "hold"\nto = "host"\n' * 501
    with pytest.raises(BadPolicy, match="allow: 502 entries are too many"):
        parse_policy(SMALL + entries, Path("p"))
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(BadPolicy, match="is larger than 1,024 KiB"):
        load_policy(large)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'title = "\xe4"')
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 100_000)
    for path, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "none.toml", "no such file"),
        (pipe, "is not a regular file"),
        (Path(os.devnull), "is not a regular file"),
        (Path("/dev/zero"), "is not a regular file"),
        (latin, "not UTF-8 (byte 0xe4 at position 9)"),
        (deep, "not TOML"),
        (Path("a\0b"), "can't be read"),
    ):
        with pytest.raises(BadPolicy) as error:
            load_policy(path)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
