"""Broken scripts, traces, policies, caches and reports: a few here; ``benchmarks/fuzz_inputs.py`` reads them by the
hour.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from random import Random

import pytest
from support.benchmarks import benchmark

from sendright.cli.streams import complain

fuzz = benchmark("fuzz_inputs")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def seeds(place: Path) -> dict[str, list[bytes]]:
    with contextlib.redirect_stdout(io.StringIO()):
        found: dict[str, list[bytes]] = fuzz.seeds(place)
    return found


@pytest.mark.parametrize("kind", fuzz.CHECKS)
def test_broken_inputs(kind: str, place: Path, seeds: dict[str, list[bytes]]) -> None:
    random = Random(kind)
    for _ in range(3):
        fuzz.check(kind, fuzz.broken(random, random.choice(seeds[kind]), seeds[kind]), place)


def test_each_kind_is_read_where_it_is_whole(place: Path, seeds: dict[str, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    real = fuzz.sendright
    monkeypatch.setattr(fuzz, "sendright", lambda command: statuses.append(real(command)) or statuses[-1])
    kinds = fuzz.CHECKS.keys() - {"view", "cache"}  # these two no command reads
    for kind in kinds:
        fuzz.check(kind, seeds[kind][0], place)
    assert statuses == [0] * len(kinds), "one command for each"


@pytest.mark.parametrize(
    ("status", "lines"),
    [(3, ["a crash"]), (2, []), (2, ["one", "two"]), (0, ["a word too many", "or two"]), (0, ["Traceback"]), (2, ["internal error"])],
)
def test_what_a_command_may_not_do_is_found(status: int, lines: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(_: object) -> int:
        for line in lines:
            complain(line)
        return status

    monkeypatch.setattr(fuzz, "sendright", bad)
    with pytest.raises(fuzz.Broken):
        fuzz.check("script", b"{}", place)


def test_a_cache_that_believes_every_line_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz.ProvedQueries, "is_proved", lambda *_: True)
    with pytest.raises(fuzz.Broken, match="a cache proves"):
        fuzz.check("cache", b"anything", place)
