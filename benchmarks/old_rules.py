"""How many random sequences does a live GNU Mach need to show that a rule of the specification is wrong?

Each rule here is one that the specification had, or might have had, and that GNU Mach doesn't follow. It is put back,
and ``sendright check --sut gnumach`` is made until it disagrees. The kernel isn't changed: it is right.

    python benchmarks/old_rules.py [--rule R …] [--sequences N] [--steps N] [--seed N …] [--recorded] [--json]

``--recorded`` makes the recorded runs first, as the command does. Needs ``sendright setup gnumach``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.impl.adapters.gnumach import GnuMach
from sendright.impl.adapters.gnumach.files import NotSetUp, files
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import GNUMACH, Profile
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution import system
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties import check as checking
from sendright.properties.mutants.source import TextChange, Unit, compiled, running

SEQUENCES, STEPS = 500, 30
_CONSEQUENCES = "execution.consequences:Consequences"


def _change(where: str, *texts: str) -> TextChange:
    """A change of ``module:function`` or ``module:Class.method`` of the specification: old text, new text, and so
    on.
    """
    module, _, name = where.partition(":")
    owner, _, method = name.rpartition(".")
    return TextChange(Unit(f"sendright.model.{module}", owner, method), tuple(zip(texts[::2], texts[1::2], strict=True)))


@dataclass(frozen=True)
class OldRule:
    """A rule that is put back: a changed text, or other switches of the judge's profile."""

    name: str
    words: str
    """What the specification says then."""
    item: str
    """The disagreement that a live kernel once showed, by its number in the issue's list; empty: one of the same
    kind.
    """
    change: TextChange | None = None
    switches: tuple[tuple[str, Any], ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the specification still has the text."""
        return self.change is None or self.change.node() is not None

    @contextmanager
    def put_back(self) -> Iterator[Callable[[Profile], Oracle]]:
        """In the block, the specification has the rule. Gives what makes its oracles. Raises ValueError if it doesn't
        fit the specification.
        """

        def oracle(profile: Profile) -> Oracle:
            return Oracle(msgspec.structs.replace(profile, **dict(self.switches)))

        with patch.dict(system._compiled, clear=True):
            if self.change is None:
                yield oracle
                return
            node = self.change.node()
            if node is None:
                raise ValueError(f"{self.name}: the specification has no such text")
            with running(compiled(self.change.unit, node), self.change.unit):
                yield oracle


OLD_RULES: tuple[OldRule, ...] = (
    OldRule(
        "freed-name-hears-port-deleted",
        "a name that is freed hears port-deleted, whatever dies in that call",
        "1",
        _change(
            f"{_CONSEQUENCES}._fire",
            "self.told_dead.update(fired)",
            "self.told_dead.update(request for request in fired if (NAME_SLOT, *request[1:]) not in self._released)",
        ),
    ),
    OldRule(
        "queues-end-after-all-names",
        "what is in the queues of dying ports ends after all names and places of a task",
        "1",
        _change(
            f"{_CONSEQUENCES}.__init__",
            "for step in self._starts(released, roots):\n        step()",
            "self._destroy([lambda: [step() for step in self._starts(released, roots)]])",
        ),
    ),
    OldRule(
        "messages-breadth-first",
        "the messages of a dying queue are destroyed before anything that one of them leads to",
        "2",
        _change(
            f"{_CONSEQUENCES}._kill",
            "for message in messages:\n            self._destroy([message])",
            "self._destroy(messages)",
        ),
    ),
    OldRule(
        "waiting-message-destroyed-first",
        "the message of a task that ends is destroyed before the names of the task end",
        "3",
        _change(f"{_CONSEQUENCES}._starts", "message for message in messages if roots", "message for message in () if roots"),
    ),
    OldRule(
        "waiting-message-destroyed-last",
        "the message of a task that ends is destroyed after the names of the task end",
        "3",
        _change(
            f"{_CONSEQUENCES}._starts",
            "message for message in messages if roots",
            "message for message in () if roots",
            "yield from ends if self._at_once else (partial(self._destroy, [end]) for end in ends)\n",
            "\n",
            "yield from (partial(self._end_held, slot) for slot in late)",
            "yield from (partial(self._end_held, slot) for slot in late)\n"
            "    yield from ends if self._at_once else (partial(self._destroy, [end]) for end in ends)",
        ),
    ),
    OldRule(
        "send-once-for-no-senders",
        "a port that dies with its last send right, both under one name, sends send-once instead of no-senders",
        "5",
        _change(
            f"{_CONSEQUENCES}._end_name",
            "for kind in kinds if kind in _SENDS]",
            "for kind in kinds if kind in _SENDS and not any(each in _RECEIVES for each in kinds)]",
        ),
    ),
    OldRule(
        "names-descending",
        "a task's names end from the last to the first",
        "5",
        _change(f"{_CONSEQUENCES}._end_names", "for name in sorted(under)", "for name in sorted(under, reverse=True)"),
    ),
    OldRule(
        "dead-names-before-messages",
        "a dying port's dead-name requests fire before its messages are destroyed",
        "5",
        _change(f"{_CONSEQUENCES}._kill", "queue = [partial", "self._fire(port)\n    queue = [partial"),
    ),
    OldRule(
        "no-senders-request-after-messages",
        "a dying port gives up its no-senders request after its messages are destroyed",
        "5",
        _change(
            f"{_CONSEQUENCES}._kill",
            "if asked:\n        self._tell(no_senders)",
            "pass",
            "self._fire(port)",
            "if asked:\n        self._tell(no_senders)\n    self._fire(port)",
        ),
    ),
    OldRule("places-end-last", "a task's places end after its names", "5", switches=(("places_end_first", False),)),
    OldRule(
        "answer-lost-at-full-port",
        "the kernel's answer to a plain send right whose queue is full is destroyed",
        "16",
        _change(
            "calls.messages:kernel_answer",
            "to_user = z3.And(live,",
            "to_user = z3.And(live, z3.Not(z3.And(kind == KIND.SEND, counted_messages(b, port, k.profile) >= b.qlimit(port))),",
        ),
    ),
    OldRule(
        "send-survives-rescue",
        "a name that loses a redirected receive right keeps its send right",
        "generation 4",
        switches=(("send_survives_rescue", True),),
    ),
)
"""The rules in which a live GNU Mach once disagreed with the specification, and some of the same kinds."""
BY_NAME = {rule.name: rule for rule in OLD_RULES}


@dataclass(frozen=True)
class Needed:
    """What a check made of a rule."""

    rule: str
    item: str
    seed: int
    found: bool
    sequences: int
    """How many were made until the disagreement, that one too; or all that were made."""
    calls: int
    seconds: float
    clause: str = ""


def measure(
    rule: OldRule | None, kernel: Callable[[], Implementation], sequences: int = SEQUENCES, steps: int = STEPS, seed: int = 0, recorded: bool = False
) -> Needed:
    """Check the kernel by a specification that has the rule (None: as it is), until it disagrees."""
    first = witnessed_calls(GNUMACH) if recorded else ()
    began = time.monotonic()
    with (rule or OldRule("none", "", "")).put_back() as oracle:
        result = checking.check(kernel, oracle, GNUMACH, sequences, steps, seed, first=first, exact_limits=True, minimize_seconds=0)
    found = result.verdict is Verdict.FAILED
    clause = result.failure.violations[0].clause if found and result.failure is not None else ""
    name, item = ("none", "") if rule is None else (rule.name, rule.item)
    return Needed(name, item, seed, found, result.examples, result.calls, time.monotonic() - began, clause)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rule", action="append", choices=list(BY_NAME), help="a rule (default: all)")
    parser.add_argument("--sequences", type=int, default=SEQUENCES, help=f"the most random sequences (default: {SEQUENCES})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"the most calls of one (default: {STEPS})")
    parser.add_argument("--seed", type=int, action="append", help=f"a seed of the random calls (default: {checking.SEED})")
    parser.add_argument("--recorded", action="store_true", help="the recorded runs first, as sendright check makes them")
    parser.add_argument("--json", action="store_true", help="one JSON array, for machines")
    asked = parser.parse_args(arguments)
    if asked.sequences < 1 or asked.steps < 1:
        parser.error("--sequences and --steps are at least 1")
    try:
        files()
    except NotSetUp as error:
        parser.error(str(error))
    chosen = [BY_NAME[name] for name in asked.rule or BY_NAME]
    seeds = asked.seed or [checking.SEED]
    kernel = GnuMach()
    checks = [(rule, seed) for rule in (None, *(rule for rule in chosen if rule.fits)) for seed in seeds]
    try:
        rows = [
            measure(rule, lambda: kernel, asked.sequences, asked.steps, seed, asked.recorded)
            for rule, seed in track(checks, "Checking", console=Console(stderr=True), transient=True)
        ]
    finally:
        kernel.end()
    if asked.json:
        json.dump([vars(row) for row in rows], sys.stdout)
        return
    table = Table("rule that is put back", "item", "found", "sequences", "calls", "seconds", "as")
    for name in dict.fromkeys(row.rule for row in rows):
        mine = [row for row in rows if row.rule == name]
        sequences = ", ".join(f"{row.sequences:,}" if row.found else f"none in {row.sequences:,}" for row in mine)
        found = f"{sum(row.found for row in mine)} of {len(mine)}"
        calls, seconds = (statistics.median(getattr(row, what) for row in mine) for what in ("calls", "seconds"))
        clauses = "; ".join(sorted({row.clause for row in mine if row.found}))
        table.add_row(name, mine[0].item, found, sequences, f"{calls:,.0f}", f"{seconds:.1f}", clauses)
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)
    left_out = [rule.name for rule in chosen if not rule.fits]
    if left_out:
        print(f"Not in this specification: {', '.join(left_out)}")
    if any(row.found for row in rows if row.rule == "none"):
        print("The kernel disagrees with the specification as it is, too: the rows above don't say what was found.")


if __name__ == "__main__":
    main()
