"""``sendright.audit``: looks for stolen tokens and rights in logs of real machines."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from sendright.cli.bad_input import BadInput
from sendright.mach.results.audits import AuditResult, Severity


def audit(*logs: str | PathLike[str], form: str | None = None, same_host: bool = False, fail_on: str = "warning", jobs: int = 1) -> AuditResult:
    """Find tasks in recorded logs that have a token, or a right to another task, that they should not have.

    - ``logs``: files that eslogger, praudit, Santa, lsmp or sendright wrote (docs/recordings.md).
    - ``form``: the format of all of them. Default: each log's is detected.
    - ``same_host``: whether all logs are of one host. Default: each is of a host of its own.
    - ``fail_on``: with a finding of this severity (``error``, ``warning`` or ``note``), or a worse one, the verdict is
      FAILED.
    - ``jobs``: the number of processes.

    Returns the result, whatever it says: a finding in a log isn't an exception. ``findings`` has what was found, each
    with its evidence; ``verdict`` the verdict. Raises ``BadInput`` if no log can be read, or the extra
    ``sendright[audit]`` isn't installed.
    """
    from sendright.cli.audit import known_form, needs_the_store, nothing_read
    from sendright.properties.audit.audit import Log
    from sendright.properties.audit.many import audit_logs

    needs_the_store()
    if not logs:
        raise BadInput("no log given (name one or more)")
    if form is not None:
        known_form(form)
    severities = {severity.word: severity for severity in Severity}
    if fail_on not in severities:
        raise BadInput(f"fail_on: unknown severity {fail_on!r} (choose one of {', '.join(severities)})")
    if not isinstance(jobs, int) or jobs < 1:
        raise BadInput(f"jobs: {jobs!r} is not a number of processes from 1 on")
    paths = list(dict.fromkeys([fspath(log) for log in logs]))
    each = [Log(path, form, str(Path(path).absolute())) for path in paths]
    groups = [tuple(each)] if same_host else [(log,) for log in each]
    result = audit_logs(groups, fail_on=severities[fail_on], jobs=jobs)
    if result.interrupted:
        raise KeyboardInterrupt
    words = nothing_read(result, len(paths))
    if words is not None:
        raise BadInput(words)
    return result
