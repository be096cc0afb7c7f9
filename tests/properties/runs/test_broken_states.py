"""What looks at states is total: whatever damage a state has, it is told, and nothing of sendright's fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

import msgspec
import pytest
from support.broken_states import FORM, Damage, Moment, damages, fields, moments, telling
from support.faulty_kernels import Faulty
from support.policies import policy
from support.report_runs import every_report

from sendright.mach.abi.rights import Disposition, Notification, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES, XNU, Profile
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Difference, Entry, Port, Snapshot, Task, all_changes, changes, differences
from sendright.mach.state.trace import LIMITS, Trace, Violation, ViolationKind, contradiction
from sendright.mach.state.view import view_of
from sendright.model.execution.oracle import Oracle, broken_by_step, broken_invariants
from sendright.model.policy.policy import Policy
from sendright.properties.check import check
from sendright.properties.coverage.situations import Scene, reached
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.policy.check import NoLabel, check_state, check_trace
from sendright.properties.provenance.authority import authority, token_paths
from sendright.properties.provenance.derivation import derive, unexplained
from sendright.properties.provenance.revocation import revoked_by_end
from sendright.properties.scripts.export import script_of
from sendright.reports.write import trace_text

THINNED = 9
"""Of the profiles but the manual's, one damage of so many is tried."""


def damaged_trace(profile: Profile, moment: Moment, damage: Damage) -> Trace:
    """The run up to the moment, with the damage after its last step."""
    last = msgspec.structs.replace(moment.steps[-1], changes=all_changes(moment.before, damage.state))
    return Trace(
        implementation="a broken kernel",
        profile=profile.name,
        **{limit: getattr(profile, limit) for limit in LIMITS},
        initial=moment.initial,
        steps=(*moment.steps[:-1], last),
        final=damage.state,
    )


class Lenient(Policy, frozen=True, kw_only=True):
    """A policy that allows everything, so that all of a run is looked at."""

    def allows(self, *edge: object) -> bool:
        return True


def labelled(trace: Trace) -> Iterator[Policy]:
    """Policies that have a label for each task and port: one that allows nothing, and one that allows everything."""
    states = trace.initial, trace.final
    tasks = dict.fromkeys([number for state in states for number in state.tasks], "a")
    ports = dict.fromkeys([number for state in states for number in state.ports], "a")
    strict = msgspec.structs.replace(policy(), children={"a": ("a",)}, ports={"a": ("a",)}, named_tasks=tasks, named_ports=ports)
    yield strict
    yield Lenient(**{field: getattr(strict, field) for field in Policy.__struct_fields__})


def tried(profile: Profile) -> Iterator[tuple[Moment, Damage]]:
    every = damages(telling(moments(profile)))
    return every if profile is MANUAL else islice(every, 0, None, THINNED)


@pytest.mark.heavy
def test_every_field_of_a_state_is_damaged() -> None:
    def short(where: str) -> tuple[str, ...]:
        return tuple([part for part in where.split(".") if part != "*"][-2:])

    damaged = {short(damage.where) for profile in (MANUAL, XNU) for _, damage in damages(telling(moments(profile)))}
    assert {short(where) for where in fields(FORM)} - damaged == set()


@pytest.mark.parametrize(
    "profile", [pytest.param(each, id=each.name, marks=() if each in (GNUMACH, XNU) else pytest.mark.heavy) for each in PROFILES.values()]
)
def test_what_looks_at_a_state_is_total(profile: Profile) -> None:
    """Invariants, step properties, derivation, token history, authority, differences, views, exports, policies, random
    calls and what the end of a task would revoke.
    """
    fails: list[str] = []
    small = near_limits(profile)
    count = 0
    for count, (moment, damage) in enumerate(tried(profile), 1):
        step = moment.steps[-1]
        try:
            broken_invariants(damage.state, profile)
            broken_by_step(moment.before, damage.state, step.task, step.made, step.code, profile)
            broken_by_step(damage.state, moment.before, step.task, step.made, step.code, profile)
            list(reached(Scene(small, moment.before, step, damage.state)))
            list(reached(Scene(small, damage.state, step, moment.before)))
            view_of(damage.state)
            trace = damaged_trace(profile, moment, damage)
            assert msgspec.json.decode(trace_text(trace), type=Trace).final.ports.keys() == damage.state.ports.keys()
            assert contradiction(trace) is None
            unexplained(trace)
            token_paths(derive(trace))
            healed = msgspec.structs.replace(step, index=len(trace.steps), changes=changes(damage.state, moment.before))
            derive(msgspec.structs.replace(trace, steps=(*trace.steps, healed), final=moment.before))
            script_of(trace, id="broken")
            if count % 3 == 0:
                for task in damage.state.tasks:
                    revoked_by_end(damage.state, task)
                calls = Calls(small, count.to_bytes(2) * BYTES_PER_CALL)
                if not calls.over(damage.state):
                    calls.next(damage.state)
            for under in labelled(trace):
                with suppress(NoLabel):
                    check_trace(under, trace, "")
                with suppress(NoLabel):
                    check_state(under, damage.state, profile.name, "")
            if damage.state.ports and count % 7 == 0:  # it takes as long as all the rest
                authority(damage.state, max(damage.state.ports), profile)
        except Exception as error:
            fails.append(f"{damage.where}: {damage.what}: {type(error).__name__}: {error}")
    assert fails == []
    assert count > 100


@pytest.mark.heavy
def test_damage_is_a_difference() -> None:
    """But for what isn't compared: serials, and whether the kernel made a message where it isn't shown."""
    for moment, damage in tried(MANUAL):
        if damage.where.endswith((".serial", ".from_kernel")) or "elsewhere" in damage.what or "another" in damage.what:
            continue  # messages may differ by their serials only
        assert differences(moment.after, damage.state), (damage.where, damage.what)


@pytest.mark.heavy
def test_reports_of_broken_states() -> None:
    """One kind of damage of each field is reported in every form."""
    reported: set[str] = set()
    for moment, damage in tried(MANUAL):
        if damage.where in reported:
            continue
        reported.add(damage.where)
        found = differences(moment.after, damage.state)
        trace = damaged_trace(MANUAL, moment, damage)
        last = len(trace.steps) - 1
        wrong: list[tuple[ViolationKind, tuple[Difference, ...], str]] = [("state", found, "; ".join(map(str, found)))]
        wrong += [("invariant", (), each.words) for each in broken_invariants(damage.state, MANUAL)]
        violations = [Violation(step=last, kind=kind, clause="a clause", words=words, differences=where) for kind, where, words in wrong]
        trace = msgspec.structs.replace(trace, violations=tuple(violations))
        every_report(_result(trace))
    assert len(reported) > 90


def _result(trace: Trace) -> CheckResult:
    return CheckResult(
        verdict=Verdict.FAILED,
        implementation=trace.implementation,
        profile=trace.profile,
        seed=0,
        examples=1,
        calls=len(trace.steps),
        seconds=1.0,
        codes={},
        cases_reached={},
        cases_missed=(),
        failure=trace,
        minimized_from=len(trace.steps),
        script=script_of(trace, id="found"),
        message="found by a test",
    )


Damages = Callable[[Snapshot], Snapshot | None]


def _task(shown: Snapshot, number: int, **parts: object) -> Snapshot:
    return msgspec.structs.replace(shown, tasks={**shown.tasks, number: msgspec.structs.replace(shown.tasks[number], **parts)})


def _port(shown: Snapshot, number: int, **parts: object) -> Snapshot:
    return msgspec.structs.replace(shown, ports={**shown.ports, number: msgspec.structs.replace(shown.ports[number], **parts)})


def _name(shown: Snapshot, *kinds: SlotKind) -> tuple[int, int, Entry] | None:
    """The first name that denotes a right of one of these kinds."""
    found = ((number, name, entry) for number, task in shown.tasks.items() for name, entry in task.names.items() if entry.kind in kinds)
    return next(found, None)


def lost(*kinds: SlotKind) -> Damages:
    """A right of these kinds that a name denoted is nowhere."""

    def damage(shown: Snapshot) -> Snapshot | None:
        found = _name(shown, *kinds)
        if found is None:
            return None
        task, name, _ = found
        return _task(shown, task, names={other: entry for other, entry in shown.tasks[task].names.items() if other != name})

    return damage


def doubled(*kinds: SlotKind) -> Damages:
    """A right of these kinds is under another name too."""

    def damage(shown: Snapshot) -> Snapshot | None:
        found = _name(shown, *kinds)
        return None if found is None else _task(shown, found[0], names={**shown.tasks[found[0]].names, 999: found[2]})

    return damage


def freed(shown: Snapshot) -> Snapshot | None:
    """A port is gone, and the rights to it aren't."""
    found = _name(shown, SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
    return None if found is None else msgspec.structs.replace(shown, ports={n: port for n, port in shown.ports.items() if n != found[2].port})


def unended(shown: Snapshot) -> Snapshot | None:
    """A task is gone, and its port isn't."""
    return msgspec.structs.replace(shown, tasks={n: task for n, task in shown.tasks.items() if n != 1}) if 1 in shown.tasks else None


def queued(change: Callable[[Port], tuple[object, ...]]) -> Damages:
    """A queue with messages is another one."""

    def damage(shown: Snapshot) -> Snapshot | None:
        number = next((number for number, port in shown.ports.items() if port.queue), None)
        return None if number is None else _port(shown, number, queue=change(shown.ports[number]))

    return damage


def member(change: Callable[[Task, int], dict[str, object]]) -> Damages:
    """A port set with members is another one."""

    def damage(shown: Snapshot) -> Snapshot | None:
        number = next((number for number, task in shown.tasks.items() if task.sets), None)
        return None if number is None else _task(shown, number, **change(shown.tasks[number], next(iter(shown.tasks[number].sets))))

    return damage


def requested(shown: Snapshot) -> Snapshot | None:
    """A dead-name request is at the name of a port set. (Beside a free name one is about to fire: no invariant forbids
    it.)
    """
    found = _name(shown, SlotKind.PORT_SET)
    number = next((number for number, task in shown.tasks.items() if task.requests), None)
    if found is None or number is None:
        return None
    return _task(shown, found[0], requests={found[1]: next(iter(shown.tasks[number].requests.values()))})


RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
BROKEN: dict[str, tuple[Damages, str]] = {
    "a receive right nowhere": (lost(*RECEIVES), "invariant 1:"),
    "two receive rights": (doubled(*RECEIVES), "invariant 1:"),
    "a send right nowhere": (lost(SlotKind.SEND), "invariant 8:"),
    "a send-once right nowhere": (lost(SlotKind.SEND_ONCE), "invariant 9:"),
    "two send-once rights": (doubled(SlotKind.SEND_ONCE), "invariant 9:"),
    "one send right under two names": (doubled(SlotKind.SEND), "invariant"),
    "a port freed while there are rights": (freed, "invariant"),
    "a task that is gone and has a port": (unended, "invariant"),
    "a message queued nowhere": (queued(lambda port: ()), "invariant"),
    "a message queued twice": (queued(lambda port: (*port.queue, *port.queue)), "invariant 21:"),
    "a member that is gone": (member(lambda task, pset: {"sets": {pset: (997,)}}), "invariant"),
    "a member of a set that is gone": (member(lambda task, pset: {"names": {n: e for n, e in task.names.items() if n != pset}}), "invariant"),
    "a request for a port set": (requested, "invariant 11:"),
}


@pytest.mark.heavy
@pytest.mark.parametrize("broken", BROKEN)
def test_a_kernel_with_a_broken_state_fails(broken: str) -> None:
    """The check ends with a finding that names the invariant, and reports it in every form."""
    damage, invariant = BROKEN[broken]

    def kernel() -> Implementation:
        return Faulty(1, show=lambda shown: damage(shown) or shown)

    result = check(kernel, Oracle, MANUAL, 1, 1, first=[CALLS], minimize_seconds=1)
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None
    assert result.failure.violations[0].kind == "state"
    found = [violation.clause for violation in result.failure.violations if violation.kind == "invariant"]
    assert any(clause.startswith(invariant) for clause in found), found
    assert contradiction(result.failure) is None
    assert invariant in every_report(result)


OWN = 6  # the name that mach_task_self gives, after the bootstrap task's five
WATCHED = {
    "task": OWN,
    "name": 8,
    "variant": Notification.DEAD_NAME,
    "sync": 0,
    "notify": 8,
    "notify_disposition": Disposition.MAKE_SEND_ONCE,
}
CALLS = [
    (0, Call("mach_task_self", {})),
    (0, Call("task_create", {"parent_task": OWN})),
    (0, Call("mach_port_allocate", {"task": OWN, "right": Right.RECEIVE})),
    (0, Call("mach_port_allocate", {"task": OWN, "right": Right.PORT_SET})),
    (0, Call("mach_port_move_member", {"task": OWN, "member": 8, "after": 9})),
    (0, Call("mach_port_insert_right", {"task": OWN, "name": 8, "poly": 8, "disposition": Disposition.MAKE_SEND})),
    (0, Call("mach_msg_send", {"dest": 8, "dest_disposition": Disposition.MAKE_SEND_ONCE})),
    (0, Call("mach_port_extract_right", {"task": OWN, "name": 8, "disposition": Disposition.MAKE_SEND_ONCE})),
    (0, Call("mach_port_request_notification", WATCHED)),
]
