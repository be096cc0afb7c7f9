"""Every planted violation is found, and nothing where nothing is planted: whatever the recorder does to the log."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from support.places import ROOT
from support.synthesized import audited, faults, write_log

from sendright.impl.synthesis import listing
from sendright.impl.synthesis.logs import FORMS, BadRequest, Recorder, log_of
from sendright.impl.synthesis.plants import PLANTS
from sendright.mach.results.audits import Severity
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.invariant import INVARIANTS
from sendright.properties.audit.audit import RULES

RECORDERS = st.builds(
    Recorder,
    form=st.sampled_from(("object", "array", "text", "dashes", "mixed")),
    wrapper=st.sampled_from(("none", "shipper")),
    drop=st.sampled_from((0.0, 0.0, 0.02, 0.2)),
    shuffle=st.booleans(),
    equal_times=st.sampled_from((0.0, 0.1, 0.6, 1.0)),
)
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""A failing log says enough; a shorter one would take minutes to find."""
ALSO = {
    "control": {"chain"},  # whoever controls a task of root's may be controlled by somebody
    "inheritance": {"control", "chain", "effective-ids"},  # a child with other ids may go on to do what it shouldn't be able to
    "effective-ids": {"control", "chain"},
    "audit-user": {"inheritance"},
    "chain": {"control"},
    "reuse": {"effective-ids", "audit-user"},  # the two processes that are told as one are different people's
}
"""What else a planted violation may bring about."""


def test_every_rule_can_be_planted() -> None:
    assert {rule for rules in FORMS.values() for rule in rules} == RULES.keys()


@pytest.mark.heavy
@settings(QUICK, max_examples=12)
@given(seed=st.integers(0, 10**6), recorder=RECORDERS)
def test_no_fault_is_found_without_a_plant(seed: int, recorder: Recorder) -> None:
    with tempfile.TemporaryDirectory() as directory:
        group = audited(write_log(Path(directory) / "log.json", 2_500, seed, (), recorder))
    assert group.records > 1_000
    assert not group.unreadable
    assert not faults(group), [finding.words for finding in group.findings]


@pytest.mark.heavy
@settings(QUICK, max_examples=30)
@given(seed=st.integers(0, 10**6), recorder=RECORDERS, plant=st.sampled_from(sorted(PLANTS)))
@example(25296, Recorder(form="dashes", wrapper="none", drop=0.2, shuffle=True, equal_times=0.1, host="mac"), "effective-ids")
def test_each_plant_is_found(seed: int, recorder: Recorder, plant: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        group = audited(write_log(Path(directory) / "log.json", 1_500, seed, [plant], recorder))
    found = faults(group)
    unsure = [finding for finding in group.findings if finding.rule == plant and "records are missing in between" in finding.words]
    if recorder.drop and unsure and plant not in found:
        return  # what was dropped may explain it, and the finding says so
    assert plant in found, [finding.words for finding in group.findings]
    assert found <= {plant} | ALSO.get(plant, set())
    worst = next(finding for finding in group.findings if finding.rule == plant)
    assert worst.severity is Severity.ERROR
    assert worst.evidence
    assert all(one.place > 0 for one in worst.evidence)
    assert plant == "reuse" or worst.path[-1].wrong


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_finding_points_at_the_records_that_tell_of_it(plant: str, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.json", 1_500, 3, [plant])
    lines = path.read_bytes().splitlines()
    finding = next(finding for finding in audited(path).findings if finding.rule == plant)
    assert finding.severity is Severity.ERROR
    for one in finding.evidence:
        message = json.loads(lines[one.place - 1])
        pids = {message["process"]["audit_token"]["pid"]}
        for content in message["event"].values():
            pids |= {value["audit_token"]["pid"] for value in content.values() if isinstance(value, dict) and "audit_token" in value}
        assert pids & {task.pid for task in finding.tasks}


@pytest.mark.parametrize("plant", sorted(listing.PLANTS.keys() - {"listed-control"}))
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.heavy) for seed in range(1, 6))])
def test_plants_in_a_listing_of_rights(plant: str, seed: int, tmp_path: Path) -> None:
    clean = audited(write_log(tmp_path / "clean.txt", 1_000, seed, form="lsmp"))
    assert clean.records
    assert not faults(clean)
    planted = audited(write_log(tmp_path / "planted.txt", 1_000, seed, [plant], form="lsmp"))
    assert plant in faults(planted) <= {plant, "counts"}


@pytest.mark.parametrize("seed", range(6))
def test_a_control_port_planted_in_a_listing_is_pointed_at(seed: int, tmp_path: Path) -> None:
    clean = audited(write_log(tmp_path / "clean.txt", 1_000, seed, form="lsmp"))
    planted = audited(write_log(tmp_path / "planted.txt", 1_000, seed, ["listed-control"], form="lsmp"))
    assert not faults(planted)
    before = {finding.words for finding in clean.findings}
    more = [finding for finding in planted.findings if finding.words not in before]
    assert [finding.rule for finding in more] == ["listed-control"]
    assert "name 0x310000" in more[0].evidence[0].words


@pytest.mark.parametrize("recorder", [Recorder(drop=0.1), Recorder(shuffle=True), Recorder(form="array"), Recorder(wrapper="shipper")])
def test_a_listing_has_no_events_that_a_recorder_could_spoil(recorder: Recorder) -> None:
    with pytest.raises(BadRequest, match="lsmp lists rights"):
        log_of("lsmp", 100, 1, (), recorder)


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    first = write_log(tmp_path / "1.json", 500, 7, ["chain"]).read_bytes()
    assert first == write_log(tmp_path / "2.json", 500, 7, ["chain"]).read_bytes()
    assert first != write_log(tmp_path / "3.json", 500, 8, ["chain"]).read_bytes()


def test_rules_stand_for_invariants_of_the_model_and_are_documented() -> None:
    known = INVARIANTS.keys() | STEP_PROPERTIES.keys() | {23}  # what follows of the others: who has a task's port has all that the task has
    page = (ROOT / "docs" / "audit.md").read_text("utf-8")
    for name, rule in RULES.items():
        assert set(rule.invariants) <= known
        entry = f"- **{name}** ({', '.join(map(str, rule.invariants))}): {rule.about}"
        assert " ".join(entry.split()) in " ".join(page.split())
