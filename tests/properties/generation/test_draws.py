"""The same seed draws the same in every process, whichever modules are imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendright.properties.generation.draws import blocks, numbers

BLOCKS = """
from hypothesis import Phase, given, seed, settings
from sendright.properties.generation.draws import blocks
runs = []
@seed(3)
@settings(database=None, max_examples=100, phases=[Phase.generate])
@given(blocks(32))
def draw(block):
    runs.append(block)
draw()
"""
CHECK = """
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import MANUAL
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import check
runs = []
check(ReferenceKernel, Oracle, MANUAL, 40, 8, seed=3, on_run=runs.append)
"""
CHECK_SERVERS = """
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import XNU
from sendright.model.execution.oracle import Oracle
from sendright.properties.servers.random_requests import NamedServer, check_servers
from sendright.properties.servers.server import Server
from sendright.properties.servers.stage import stand_up
runs = [check_servers([NamedServer("it", XNU, stand_up(Server))], ReferenceKernel, Oracle, examples=40, seed=3).cases[0]]
"""
END = """
import hashlib
print(hashlib.sha256(repr(runs).encode()).hexdigest())
"""


@pytest.mark.parametrize(
    "makes_runs",
    [
        pytest.param(BLOCKS, id="blocks"),
        pytest.param(CHECK, id="check", marks=pytest.mark.heavy),
        pytest.param(CHECK_SERVERS, id="check-server", marks=pytest.mark.heavy),
    ],
)
def test_what_is_imported_does_not_change_the_runs(makes_runs: str, tmp_path: Path) -> None:
    """Hypothesis draws constants of the modules of the user's that are imported: numbers and byte strings."""
    constants = [*range(3, 7), *(bytes([length]) * length for length in range(33))]
    (tmp_path / "noise.py").write_text(f"CONSTANTS = {constants!r}\n")

    def digest(first: str) -> str:
        command = [sys.executable, "-c", first + makes_runs + END]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, check=True, text=True
        ).stdout

    assert digest("") == digest("import noise\n")


@given(st.data(), st.integers(0, 9))
def test_numbers_have_so_many_bits(data: st.DataObject, bits: int) -> None:
    assert 0 <= data.draw(numbers(bits)) < 2**bits


def test_every_number_is_drawn() -> None:
    seen: set[int] = set()

    @given(numbers(3))
    def draw(number: int) -> None:
        seen.add(number)

    draw()
    assert seen == set(range(8))


@given(st.data())
def test_a_block_has_its_size(data: st.DataObject) -> None:
    assert len(data.draw(blocks(70))) == 70
