"""``sendright.replay``: scripts of calls with expected results, on a kernel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from sendright.api.failures import raise_unless_passed
from sendright.api.subject import KernelSource, ProfileSource, subject_of
from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import profile_for
from sendright.mach.kernel.profiles import Profile, UnknownProfile
from sendright.mach.results.checks import ReplayResult
from sendright.properties.scripts.load import BadScript, Script, load_script, parse_script
from sendright.properties.scripts.replay import CALL_SECONDS

ScriptSource: TypeAlias = str | PathLike[str] | Mapping[str, Any]
"""A file with a script, or a script itself, as ``NotConforming.script`` has it."""


def replay(kernel: KernelSource, *scripts: ScriptSource, profile: ProfileSource = None, call_seconds: float = CALL_SECONDS) -> ReplayResult:
    """Run scripts of calls on a kernel, and assert that each call does what the script expects and the specification
    says.

    - ``kernel``: as for ``check``.
    - ``scripts``: files, or scripts as dictionaries (docs/scripts.md).
    - ``profile``: instead of the one that each script names.
    - ``call_seconds``: a call that takes longer counts as hung.

    Returns the result. Raises ``NotConforming`` if a case failed or crashed, ``Undetermined`` if none could be run, and
    ``BadInput`` for what isn't a script.
    """
    __tracebackhide__ = True
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.scripts.replay import replay as run_replay

    if not scripts:
        raise BadInput("replay: no script given (name one or more)")
    subject = subject_of(kernel)
    try:
        override = profile if isinstance(profile, Profile) or profile is None else profile_for(profile, subject.build)
        read = [_read(script, number, override) for number, script in enumerate(scripts, 1)]
    except (BadScript, UnknownProfile) as error:
        raise BadInput(str(error)) from error
    result = run_replay(read, subject.build, Oracle, override, call_seconds=call_seconds)
    raise_unless_passed(result, subject)
    return result


def _read(script: ScriptSource, number: int, override: Profile | None) -> Script:
    if isinstance(script, Mapping):
        try:
            return parse_script(json.dumps(script).encode(), f"script {number}", override)
        except (TypeError, ValueError, RecursionError) as error:
            if isinstance(error, BadScript):
                raise
            raise BadInput(f"script {number}: can't be written as JSON: {error}") from error
    return load_script(Path(script), override)
