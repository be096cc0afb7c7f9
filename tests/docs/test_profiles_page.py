"""``docs/profiles.md`` and ``docs/processes.md`` beside the specification: for each call and profile, the same errors
in the same order.

Page and rules are compared as sequences of return codes. An *error* is any code but KERN_SUCCESS and the two codes of a
call that waits. Of each rule that a call runs through, and of each table in the call's section, the test takes the
cases that the profile has, up to the last error. A case among them that isn't an error ends the call without one, so it
counts as KERN_SUCCESS. Equal neighbours count once.
"""

import re
from collections.abc import Iterable
from itertools import groupby

import pytest
from support.places import ROOT

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.model.language.rule import ARRAY, BODY, COPY_IN, RESUMED_RECEIVE, RULES
from sendright.model.language.sequences import rules_of
from sendright.model.proof.relevance import cases_of
from sendright.reports.vocabulary import differences

PAGE = "\n".join((ROOT / "docs" / page).read_text("utf-8") for page in ("profiles.md", "processes.md"))
HEADER = ["when", "code", *PROFILES, "evidence"]
SUCCESS = ReturnCode.KERN_SUCCESS.name
NO_ERRORS = {SUCCESS, ReturnCode.MACH_SEND_IN_PROGRESS.name, ReturnCode.MACH_RCV_IN_PROGRESS.name}
YES, NO = "✓", "–"


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    titles, texts = parts[1::2], parts[2::2]
    assert len(set(titles)) == len(titles)
    return dict(zip(titles, texts, strict=True))


def _tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of errors in ``text``: their rows, each as cells by column."""
    tables = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        if "code" in header:
            assert header == HEADER, header
            tables.append([dict(zip(header, row, strict=True)) for row in rows])
    return tables


def _up_to_the_last_error(codes: Iterable[str]) -> list[str]:
    """``codes`` up to the last error, those that are no errors as KERN_SUCCESS."""
    kept = [SUCCESS if code in NO_ERRORS else code for code in codes]
    while kept and kept[-1] == SUCCESS:
        del kept[-1]
    return kept


def _once(codes: list[str]) -> list[str]:
    return [code for code, _ in groupby(codes)]


def _errors_of(section: str, profile: Profile) -> list[str]:
    codes = [[row["code"].strip("`") for row in table if row[profile.name] == YES] for table in _tables(section)]
    return _once([code for table in codes for code in _up_to_the_last_error(table)])


def _in_the_specification(call: str, profile: Profile) -> list[str]:
    found: list[str] = []
    for rule in _rules_in_the_order_of_tests(call, profile):
        codes = (SUCCESS if case.code is None else case.code.name for case in cases_of(rule, profile))
        found += _up_to_the_last_error(codes)
    return _once(found)


def _rules_in_the_order_of_tests(call: str, profile: Profile) -> list[str]:
    rules = list(rules_of(call, profile))
    if call not in RULES:  # it is made of other calls, and their sections have its errors
        return [rule for rule in rules if all(rule not in rules_of(other, profile) for other in SIGNATURES if other != call)]
    if call == "mach_port_extract_right":
        rules.remove(COPY_IN)  # its own rule has tested whether the name fits
    if call == "mach_msg_send":
        rules.remove(COPY_IN)  # it runs for each right of the body
        rules.insert(max(rules.index(BODY), rules.index(ARRAY)) + 1, COPY_IN)
    if call == "mach_msg_receive":
        rules.remove(RESUMED_RECEIVE)  # while it waits, before it takes a message
        rules.insert(1, RESUMED_RECEIVE)
    return rules


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_page_has_each_calls_errors_in_their_order(profile: Profile) -> None:
    served = [call for call in SIGNATURES if profile.serves(call)]
    sections = _sections()
    differing = {call: (_errors_of(sections[call], profile), _in_the_specification(call, profile)) for call in served}
    assert {call: pair for call, pair in differing.items() if pair[0] != pair[1]} == {}


def test_each_call_has_a_section_and_names_the_profiles_that_lack_it() -> None:
    sections = _sections()
    for call in SIGNATURES:
        lacking = [name for name, profile in PROFILES.items() if not profile.serves(call)]
        assert re.findall(r"^Not in: (.*)\.$", sections[call], re.MULTILINE) == ([", ".join(f"`{name}`" for name in lacking)] if lacking else []), (
            call
        )
        for row in (row for table in _tables(sections[call]) for row in table):
            marks = {name: row[name] for name in PROFILES}
            assert set(marks.values()) <= {YES, NO}, (call, row)
            assert YES in marks.values(), (call, row)
            assert all(marks[name] == NO for name in lacking), (call, row)
            assert row["code"].strip("`") in ReturnCode.__members__, (call, row)


@pytest.mark.parametrize(
    ("of", "to"),
    [
        pytest.param(r"^(\| .* `KERN_INVALID_NAME` .*\n)", "", id="an error is missing"),
        pytest.param(r"^(\| .* `KERN_INVALID_NAME` .*\n)(\| .*\n)", r"\2\1", id="two errors change places"),
        pytest.param(r"^(\| .* `KERN_SUCCESS` .*) – \| ✓ \| \|$", r"\1 – | – | |", id="a profile lacks a case"),
        pytest.param(r"^(\| .* `KERN_SUCCESS` \|) – ", r"\1 ✓ ", id="a profile has a case too many"),
    ],
)
def test_a_wrong_table_is_found(of: str, to: str) -> None:
    right = _sections()["mach_port_deallocate"]
    wrong, changes = re.subn(of, to, right, count=1, flags=re.MULTILINE)
    assert changes == 1
    assert any(_errors_of(wrong, profile) != _in_the_specification("mach_port_deallocate", profile) for profile in PROFILES.values())


def test_its_lines_are_short_in_tables_too() -> None:
    assert [line for line in PAGE.splitlines() if len(line) > 120] == []


def test_the_page_names_every_switch_in_which_profiles_differ() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text()
    assert [switch for switch in differences(list(PROFILES.values())) if f"`{switch}`" not in page] == []
