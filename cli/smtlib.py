"""``--smtlib DIR``: every obligation of a proof as an SMT-LIB 2 script, with an index."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sendright.cli.bad_input import BadInput
from sendright.mach.results.checks import ProofResult

if TYPE_CHECKING:
    from sendright.model.proof.solver.questions import Script

INDEX = "index.json"
SCRIPT_LIMIT = 16 << 20
"""Bytes of a script at most. The longest that was seen has 60,000."""


class Scripts:
    """A folder of scripts."""

    def __init__(self, directory: Path) -> None:
        """Make ``directory``, or remove the scripts of an earlier run from it. Raises BadInput if it is unfit."""
        from sendright.reports.write import check_target, clear_scripts

        self._directory = directory
        self._names: Counter[str] = Counter()
        self._index: list[dict[str, Any]] = []
        self._failed: list[str] = []
        self.written: list[Path] = []
        """The index, when it is written."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            check_target(directory / INDEX)
            clear_scripts(directory)
        except OSError as error:
            about = f"{directory / INDEX}: " if error.filename == str(directory / INDEX) else ""
            raise BadInput(f"--smtlib: {directory} can't be used: {about}{error.strerror} (choose another folder)") from error

    def add(self, script: Script) -> None:
        """Write ``script``. If that can't be done, ``finish`` says so."""
        from sendright.reports.write import write_text

        name = self._name(script)
        entry = {"file": name, "status": script.status} | {key: getattr(script, key) for key in ("call", "case", "property", "part")}
        refused = script.refused
        if len(script.text) > SCRIPT_LIMIT:
            refused = f"it would have {len(script.text):,} bytes, the limit is {SCRIPT_LIMIT:,}"
        if refused:
            self._failed.append(f"{name}: {refused}")
            return
        try:
            write_text(self._directory / name, script.text)
        except OSError as error:
            self._failed.append(f"{self._directory / name}: {error.strerror}")
            return
        self._index.append(entry)

    def finish(self, result: ProofResult) -> str:
        """Write the index. What couldn't be written, in words; empty if all was."""
        from sendright.reports.write import write_text

        index = {
            "format": "sendright-smtlib/1",
            "profile": result.profile,
            "solver": result.solver,
            "not_checked": result.assumed,
            "interrupted": result.interrupted,
            "counts": {basis.value: count for basis, count in result.counts.items()},
            "scripts": sorted(self._index, key=lambda entry: str(entry["file"])),
        }
        path = self._directory / INDEX
        try:
            self.written.append(write_text(path, msgspec.json.format(msgspec.json.encode(index), indent=1).decode() + "\n"))
        except OSError as error:
            self._failed.append(f"{path}: {error.strerror}")
        if not self._failed:
            return ""
        count = len(self._failed)
        return f"--smtlib: {count} file{' is' if count == 1 else 's are'} not written, the first: {self._failed[0]}"

    def _name(self, script: Script) -> str:
        """A name that says what the script is, and is the same in every run."""
        identity = "\n".join([script.call, script.case, script.property, str(script.part)])
        words = [re.sub(r"[^a-z0-9_]+", "-", word.lower()).strip("-")[:60] for word in (script.call, script.case, script.property)]
        name = "--".join([*words, sha256(identity.encode()).hexdigest()[:8]])
        self._names[name] += 1
        return f"{name}.smt2" if self._names[name] == 1 else f"{name}-{self._names[name]}.smt2"
