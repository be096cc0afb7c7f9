"""What a command costs before it does its work: processor time of ``--help`` and of a check of one random run.

All commands run in turn, several rounds in one run, each in a process of its own. What counts are the ratios to a bare
Python that imports the libraries: they say the same on any machine. The check is measured without the cache of the
compiled specification, and with it, in a new cache directory. A kernel given by ``--sut`` runs in a process of its own.

    python benchmarks/startup.py [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

SENDRIGHT = [sys.executable, "-c", "from sendright.cli.main import run; run()"]
CHECK = [*SENDRIGHT, "check", "-q", "-n", "1"]
LIBRARIES = "libraries"
COMMANDS = {
    LIBRARIES: [sys.executable, "-c", "import typer, rich.console, msgspec, z3, hypothesis"],
    "sendright --help": [*SENDRIGHT, "--help"],
    "sendright check --help": [*SENDRIGHT, "check", "--help"],
    "check -n 1 --no-cache": [*CHECK, "--no-cache"],
    "check -n 1": CHECK,
    "check -n 1 --sut of a class": [*CHECK, "--sut", "sendright.impl.reference:ReferenceKernel"],
}


def spent(command: list[str], home: Path) -> float:
    """Processor seconds of ``command`` and all its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    subprocess.run(command, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the medians count")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        spent(CHECK, home)  # fills the cache, and compiles all modules
        rounds = [{name: spent(command, home) for name, command in COMMANDS.items()} for _ in range(options.rounds)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in COMMANDS}
    ratios = {name: seconds / medians[LIBRARIES] for name, seconds in medians.items()}
    if options.json:
        print(json.dumps({"seconds": medians, "ratios": ratios}))
        return 0
    table = Table("command", "processor seconds", "times the libraries")
    for name, seconds in medians.items():
        table.add_row(name, f"{seconds:.2f}", f"{ratios[name]:.1f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
