"""``sendright prove``: proves the invariants and theorems of the specification."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.baselines import read_baseline
from sendright.cli.clusters import cluster, greet
from sendright.cli.options import (
    DEFAULT_REPORTS,
    BaselineFile,
    Format,
    HtmlFile,
    Json,
    JunitFile,
    OutputFormat,
    ProfileName,
    Quiet,
    ReportDirectory,
    SarifFile,
    Verbose,
)
from sendright.cli.plugins import command_line, profile_given
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import Outputs, finish
from sendright.cli.smtlib import Scripts
from sendright.cli.streams import complain
from sendright.mach.results.checks import ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.rerun import Rerun, script_text

if TYPE_CHECKING:
    from sendright.model.proof.solver.cache import Cache


def prove(
    call: Annotated[
        list[str] | None,
        typer.Option("--call", "-c", metavar="CALL", help="Prove only this call, or a rule that calls share. Can be repeated."),
    ] = None,
    invariant: Annotated[
        list[str] | None,
        typer.Option("--invariant", "-i", metavar="N", help="Prove only this invariant (8, I8 or S22) or theorem (T1). Can be repeated."),
    ] = None,
    profile: ProfileName = "manual",
    theorem: Annotated[
        list[int] | None,
        typer.Option("--theorem", metavar="N", help="Prove only this theorem (as --invariant TN). Can be repeated.", show_default=False),
    ] = None,
    redundant: Annotated[bool, typer.Option("--redundant", help="Find the clauses of invariants that follow from the others.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes.")] = 2,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="DIR", help="Cache proofs in DIR instead of your own cache directory.", show_default=False),
    ] = None,
    second_solver: Annotated[
        str | None,
        typer.Option("--second-solver", metavar="NAME", help="Ask this solver every question again: cvc5. It must confirm every answer."),
    ] = None,
    smtlib: Annotated[
        Path | None,
        typer.Option("--smtlib", metavar="DIR", help="Write every obligation to DIR, as an SMT-LIB 2 script for any solver, with an index."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="ADDRESS", help="Use the Dask cluster at tcp://…, whose workers need the same sendright. No proofs are cached."),
    ] = None,
    reach: Annotated[
        float,
        typer.Option("--reach", metavar="SECONDS", min=0, help="How long to look for runs from boot to the counterexamples; 0: not at all."),
    ] = 3.0,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Prove everything again, and cache nothing (as CI should).")] = False,
    baseline: BaselineFile = None,
    form: OutputFormat = Format.text,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    report_dir: ReportDirectory = DEFAULT_REPORTS,
    html: HtmlFile = None,
    junit: JunitFile = None,
    sarif: SarifFile = None,
) -> int:
    """Prove that every call keeps every invariant, for any number of tasks, ports, names and messages.

    An obligation is one case of a call and one invariant. If sendright can't prove it, it looks for a concrete state
    and call that break the invariant: then the obligation is REFUTED. If it finds none, the obligation is UNDETERMINED,
    and never counts as proved. For a refuted one, it also looks for a run of calls from boot that breaks the same.

    Proofs are cached in your own cache directory and rerun only when their formulas or the prover change. An entry
    counts only if your own key made it, so that no checkout can bring proofs along.

    With [bold]--second-solver[/bold] nothing is answered from the cache. If the second solver contradicts the first
    one, the result is FAILED. A question that it can't answer within its limit is UNDETERMINED.

    [bold]Examples[/bold]

      sendright prove
      sendright prove --call mach_port_insert_right --invariant 8
      sendright prove --call "copy in a right" --invariant T2
      sendright prove --theorem 4
      sendright prove --redundant
      sendright prove --call mach_port_deallocate --second-solver cvc5
      sendright prove --call mach_port_deallocate --smtlib questions
      sendright prove --json | jq '.obligations[] | select(.verdict != "PROVED")'

    [bold]Exit status[/bold]

      0    every obligation is proved, except those that this kernel is known to break
      1    an obligation is refuted, a known break is gone, or two solvers contradict each other
      2    the input or the command line is wrong
      3    a worker, the Dask scheduler or the second solver died or hung
      4    undetermined: neither a proof nor a counterexample of an obligation was found
      130  interrupted, and nothing was refuted
    """
    kernel_profile = profile_given(profile)
    profile = kernel_profile.name
    known = read_baseline(baseline)
    outputs = Outputs(directory=report_dir, html=html, junit=junit, sarif=sarif, json=json, form=form, baseline=known, verbose=verbose)
    outputs.prepare([baseline] if baseline else [])
    invariant = [*(invariant or []), *(f"T{number}" for number in theorem or [])]
    if redundant:
        return _redundant(profile, outputs, call, invariant, quiet)
    if on is not None and cache is not None:
        raise BadInput("--cache: a cluster uses no cache (leave out --cache or --on)")
    greet(on)
    from sendright.model.proof.prove import UnknownSelection, proof_tasks
    from sendright.model.proof.prove import prove as run_prove
    from sendright.model.proof.solver.questions import Also

    chosen_properties = [_property(words) for words in invariant or []]
    try:
        proof_tasks(kernel_profile, call, chosen_properties)
    except UnknownSelection as error:
        raise BadInput(f"prove: {error}") from error
    also = Also(second_solver=_second_solver(second_solver), scripts=smtlib is not None)
    scripts = None if smtlib is None else Scripts(smtlib)
    kept = None if no_cache or on is not None else open_own_cache(cache)
    with ProgressBar("proving", quiet) as progress, cluster(on) as found:
        result = run_prove(
            kernel_profile,
            calls=call,
            invariants=chosen_properties,
            jobs=jobs,
            on_progress=progress.update,
            cache=kept,
            also=also,
            on_script=scripts.add if scripts else None,
            on=found,
        )
    failed = [*_crashed(result), *filter(None, [scripts.finish(result) if scripts else ""])]
    if reach and any(one.example for one in result.obligations) and not result.interrupted:
        from sendright.cli.implementations import REFERENCE, implementation_factory
        from sendright.properties.coverage.reach import with_runs

        with ProgressBar("looking for runs from boot", quiet) as progress:
            result = with_runs(result, implementation_factory(REFERENCE, None), kernel_profile, reach, progress.update)
    chosen = [word for name in call or [] for word in ("--call", name)] + [word for number in invariant or [] for word in ("--invariant", number)]
    chosen += ["--second-solver", second_solver] if second_solver else []
    from sendright.reports.write import scripts as scripts_of

    runs = scripts_of(result)
    replays = (command_line(["sendright", "replay", str(report_dir / name)]) for name in runs)
    again = command_line(["sendright", "prove", "--profile", profile, *chosen])
    rerun = Rerun(commands=(again, *replays), scripts={name: script_text(script) for name, script in runs.items()})
    return finish(result, outputs, rerun, also_written=scripts.written if scripts else (), failed=failed)


def _second_solver(name: str | None) -> str | None:
    """``name``, if it is a second solver that is installed. Raises BadInput."""
    from sendright.model.proof.solver.second_solver import SECOND_SOLVERS, NoSecondSolver, second_solver_version

    if name is None:
        return None
    if name not in SECOND_SOLVERS:
        raise BadInput(f"--second-solver: unknown solver {name!r} (choose {' or '.join(SECOND_SOLVERS)})")
    try:
        second_solver_version(name)
    except NoSecondSolver as error:
        raise BadInput(f"--second-solver: {error}") from error
    return name


def _crashed(result: ProofResult) -> list[str]:
    """What died, and what isn't decided for that reason, in words."""
    lost = [one for one in result.obligations if one.verdict is Verdict.CRASHED]
    words = [f"{len(lost):,} proof task{'s are' if len(lost) > 1 else ' is'} {lost[0].scope}"] if lost else []
    unconfirmed = [one.second for one in result.obligations if one.second is not None and one.second.verdict is Verdict.CRASHED]
    if unconfirmed:
        words.append(f"{result.second_solver}: {unconfirmed[0].words}, so {len(unconfirmed):,} obligations are not confirmed")
    return words


def _redundant(profile: str, outputs: Outputs, call: list[str] | None, invariant: list[str], quiet: bool) -> int:
    """``prove --redundant``: the clauses that follow from the others. Raises BadInput for a selection."""
    if call or invariant:
        raise BadInput("prove: --redundant looks at all invariants (leave out --call, --invariant and --theorem)")
    from sendright.model.proof.redundant import redundant

    with ProgressBar("proving", quiet) as progress:
        result = redundant(profile_given(profile), progress.update)
    return finish(result, outputs, Rerun(commands=(command_line(["sendright", "prove", "--profile", profile, "--redundant"]),)))


def open_own_cache(named: Path | None) -> Cache | None:
    """The cache in the folder that the user named, or in their own; None, and a line that says why, if they can have
    none.

    Raises BadInput if the named folder can't be trusted.
    """
    from sendright.mach.own_files import Unusable
    from sendright.model.proof.solver.cache import NoKey, open_cache

    try:
        opened = open_cache(named)
    except (Unusable, NoKey) as error:
        if named is not None and isinstance(error, Unusable):
            raise BadInput(f"--cache: {error}") from error
        complain(f"proofs are not cached: {error}")
        return None
    if not os.access(opened.folder, os.W_OK):
        complain(f"new proofs are not cached: {opened.folder} can't be written to (make it writable, or choose another folder with --cache)")
    return opened


def _property(words: str) -> int | str:
    """The invariant's number, or the theorem (``T1``), that ``words`` name; both may be written as in tables. Raises
    BadInput."""
    parts = re.fullmatch(r"(?i)(i|s|t|invariant|step invariant|theorem)?\s*(\d{1,4})", words.strip())
    if parts is None:
        raise BadInput(f"--invariant: {words!r} is neither an invariant nor a theorem (write it as 8, I8, S22 or T1)")
    return f"T{int(parts[2])}" if (parts[1] or "").lower() in ("t", "theorem") else int(parts[2])
