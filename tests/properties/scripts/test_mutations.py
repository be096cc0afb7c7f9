"""Whatever stands in a file: it is refused in one line, or it runs."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.places import TESTS
from support.second_kernel import SecondKernel

from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.signatures import SIGNATURES
from sendright.properties.scripts.expected import KINDS
from sendright.properties.scripts.load import BadScript, parse_script
from sendright.properties.scripts.replay import replay
from sendright.properties.scripts.schema import RoutineForm, ServerForm

ORIGINALS = [json.loads(path.read_text()) for path in sorted((TESTS / "scripts").glob("*.json"))]
KEYS = [*KINDS, "as", "call", "args", "bind", "expect", "name", "task", "right", "token", "disp", "poly", "timeout", "profile", "preconditions"]
KEYS += [*ServerForm.__struct_encode_fields__, *RoutineForm.__struct_encode_fields__, "message", "server"]
STRINGS = [
    "NULL",
    "valid",
    "A",
    "B",
    "S",
    "p",
    "q",
    "host",
    "host_priv",
    "a user port",
    "dead port",
    "mach_task_self",
    "mach_task_self(B)",
    "security_token(A)",
    "audit_token(P)",
    "pid(B)",
    "RECEIVE",
    "MOVE_SEND",
    "PORT_SEND",
    "KERN_SUCCESS",
    "unchanged",
    "TASK_BOOTSTRAP_PORT",
    "MACH_PORT_UREFS_MAX-1",
    "MACH_PORT_DEAD",
    "osf",
    "gnumach",
    "",
    "\n",
]
NUMBERS = [0, 1, -1, 2, 7, 1.5, 2**31, 2**32 - 1, 2**32]
LISTS = [[], [1, 2], ["p"], ["A", "valid"], [["p", "MAKE_SEND"]], ["p", None], [1] * 8, {}, {"sender": [0, 1]}, {"name": "p"}]
POOL: list[Any] = [None, True, False, *STRINGS, *NUMBERS, *LISTS, *SIGNATURES]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or array in ``value``, with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def mutated(pick: random.Random) -> dict[str, Any]:
    script: dict[str, Any] = copy.deepcopy(pick.choice(ORIGINALS))
    script["cases"] = pick.sample(script["cases"], 2)
    for _ in range(pick.choice([1, 1, 2, 4])):
        holder, key = pick.choice(list(places(script)))
        change = pick.random()
        if change < 0.25:
            del holder[key]
        elif change < 0.5 and isinstance(holder, dict):
            holder[pick.choice(KEYS)] = copy.deepcopy(pick.choice(POOL))
        else:
            holder[key] = copy.deepcopy(pick.choice(POOL))
    return script


@pytest.mark.heavy
@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 800, 100)], ids=lambda seeds: f"{seeds.start}")
def test_a_mutated_script_is_refused_or_runs(seeds: range) -> None:
    outcomes = set()
    for seed in seeds:
        pick = random.Random(seed)
        content = json.dumps(mutated(pick)).encode()
        profile = pick.choice([None, *PROFILES.values()])
        try:
            script = parse_script(content, "mutated.json", profile)
        except BadScript as refusal:
            outcomes.add("refused" if len(str(refusal).splitlines()) == 1 else "refused in many lines")
            continue
        for case in replay([script], ReferenceKernel, SecondKernel, profile).cases:
            outcomes.add(case.verdict)
            assert case.violation is None or case.violation.kind in ("expectation", "discipline"), (seed, case.violation)
    assert outcomes == {"refused", "passed", "failed", "not_modelled"}
