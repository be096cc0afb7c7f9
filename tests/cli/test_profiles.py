"""``sendright profiles``: what differs, between all or between some."""

import json
from itertools import combinations

import pytest

from sendright.cli.main import main
from sendright.mach.kernel.profiles import PROFILES
from sendright.reports.vocabulary import SWITCHES, differences


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["profiles", *arguments]) == 0
    return capsys.readouterr().out


def test_two_profiles_and_what_differs_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "osf", "gnumach")
    assert "null_parent_code" in text
    assert "audit_tokens" not in text
    assert "manual" not in text.splitlines()[1]
    assert "the same in both" in text


def test_the_differences_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, "osf", "gnumach", "--json"))
    assert [profile["name"] for profile in data["profiles"]] == ["osf", "gnumach"]
    found = data["differences"]
    assert found["null_parent_code"] == {"osf": "KERN_INVALID_ARGUMENT", "gnumach": "KERN_INVALID_TASK"}
    assert "mach_port_insert_member" not in found["lacks"]["gnumach"]  # both lack it
    assert "ledger_create" in found["lacks"]["gnumach"]


@pytest.mark.parametrize(("one", "other"), list(combinations(PROFILES, 2)))
def test_differences_are_all_and_only_those(one: str, other: str) -> None:
    a, b = PROFILES[one], PROFILES[other]
    assert set(differences((a, b))) == {switch for switch in SWITCHES if getattr(a, switch) != getattr(b, switch)}
    assert differences((a, a)) == {}


@pytest.mark.parametrize(
    ("names", "words"),
    [(["manual"], "two profiles or more"), (["manual", "manual"], "two profiles or more"), (["manual", "x"], "unknown profile 'x'")],
)
def test_names_that_say_nothing(capsys: pytest.CaptureFixture[str], names: list[str], words: str) -> None:
    assert main(["profiles", *names]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_sets_of_bits_are_hexadecimal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["profiles", "xnu", "gnumach"]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if "behaviours" in line]
    assert "0x20000001" in row
    assert str(0x20000001) not in row
