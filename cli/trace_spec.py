"""``sendright trace-spec``: shows which cases, proofs and tests cover each clause of the specification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.calls import known_call
from sendright.cli.options import Json, ProfileName, Quiet
from sendright.cli.plugins import profile_given
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import conclude
from sendright.cli.streams import show, show_json
from sendright.mach.results.verdicts import exit_status


def trace_spec(
    call: Annotated[str | None, typer.Option("--call", "-c", metavar="CALL", help="Show only the clauses of this call.")] = None,
    profile: ProfileName = "manual",
    tests: Annotated[
        Path, typer.Option("--tests", metavar="DIR", help="Directory of the tests and their answers.json. If there is none, tests are not required.")
    ] = Path("tests"),
    evidence: Annotated[bool, typer.Option("--evidence", "-e", help="Show what each clause rests on, in place of what covers it.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Print each clause of the specification, with the cases, the proved properties and the tests that cover it.

    A clause is one statement about a call: an error that it returns, or an effect that it has. For
    host_security_create_task_token, the sentences of its manual page are clauses too, paraphrased. A test covers a
    clause if it expects the clause's answer of the reference kernel, as recorded in answers.json. A clause that lacks
    a case, a property or a test is reported as not covered.

    Among the proved properties, "decided" means: exactly one case of the call applies to each state and arguments.

    With --evidence: how we know that this profile's kernels do what a clause says. That is a run of a live kernel, a
    run of a kernel's own code, a test of the kernel's test suite, a function that we read in its source, a manual page,
    or a decision of ours with its reason. Only a clause that rests on none of these is reported then, and fails.

    [bold]Examples[/bold]

      sendright trace-spec
      sendright trace-spec --call host_security_create_task_token
      sendright trace-spec --evidence --profile gnumach --call mach_port_deallocate
      sendright trace-spec --json | jq '.problems'

    [bold]Exit status[/bold]

      0  every clause is covered
      1  a clause is not covered; with --evidence: has no evidence
      2  the command line is wrong, or the tests can't be read
    """
    kernel_profile = profile_given(profile)
    profile = kernel_profile.name
    if call is not None and not kernel_profile.serves(known_call("trace-spec", call)):
        raise BadInput(f"trace-spec: the profile {profile} doesn't serve {call}")
    from sendright.properties.coverage.tests_found import find_tests
    from sendright.properties.coverage.traceability import trace_specification
    from sendright.reports.traceability import trace_lines

    try:
        found = find_tests(tests)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"trace-spec: {tests}: the tests can't be read: {error}") from error
    with ProgressBar("trace-spec", quiet) as bar:
        result = trace_specification(kernel_profile, found, call, evidence, bar.update)
    return conclude(exit_status(result.verdict), lambda: show_json(msgspec.to_builtins(result)) if json else show(*trace_lines(result, evidence)))
