"""The page on plugins: its code is one plugin, which does what the page says."""

import re
from pathlib import Path

import pytest
from support.listings import blocks_of
from support.places import ROOT
from support.plugins import EXAMPLE, answered, sendright

PAGE = (ROOT / "docs" / "plugins.md").read_text()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A directory with the plugin and the profile of the page."""
    (tmp_path / "my_plugin.py").write_text("\n\n".join(blocks_of("python", PAGE)))
    [profile] = [block for block in blocks_of("toml", PAGE) if "based_on" in block]
    (tmp_path / "small.toml").write_text(profile)
    (tmp_path / "my.log").write_text("my log: 7 controls 1\n")
    return tmp_path


def test_its_code_is_a_plugin_that_adds_each_kind(written: Path) -> None:
    data = answered(sendright("audit", "--plugin", "my_plugin", "my.log", "-q", "--json", at=written, path=written), 1)
    assert [one["rule"] for one in data["findings"]] == ["first-task"]
    [plugin] = data["plugins"]
    assert plugin["name"] == "my-plugin"
    assert set(plugin["adds"]) == {
        "adapter my-kernel",
        "audit rule first-task",
        "call mach_port_is_dead",
        "fault suspend-twice",
        "invariant 1001",
        "log reader my-log",
        "profile patient-gnumach, based on gnumach",
        "step property 1002",
    }


def test_its_profile_is_one(written: Path) -> None:
    data = answered(sendright("profiles", "manual", "small.toml", "--json", at=written, path=written), 0)
    assert set(data["differences"]) == {"lacks", "null_move_code", "queue_limit", "queue_limit_max"}


def test_the_example_has_a_module_for_each_kind_on_the_page() -> None:
    shown = set(re.findall(r"^@?plugin\.(\w+)\(", "\n".join(blocks_of("python", PAGE)), re.MULTILINE))
    text = "\n".join(path.read_text() for path in (EXAMPLE / "sendright_example").glob("*.py"))
    assert shown == set(re.findall(r"^@?plugin\.(\w+)\(", text, re.MULTILINE)) - {"profile_file", "witnesses"}
    [entry] = [block for block in blocks_of("toml", PAGE) if "entry-points" in block]
    assert entry.splitlines()[0] in (EXAMPLE / "pyproject.toml").read_text()
