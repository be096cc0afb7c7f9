"""``sendright prove``: proves the invariants and theorems of the specification."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import DEFAULT_REPORTS, HtmlFile, Json, JunitFile, ProfileName, Quiet, ReportDirectory, SarifFile
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import Outputs, finish
from sendright.cli.streams import complain
from sendright.mach.kernel.profiles import profile_named
from sendright.reports.rerun import Rerun, script_text
from sendright.reports.write import scripts

if TYPE_CHECKING:
    from sendright.model.proof.cache import Cache


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
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes.")] = 2,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="DIR", help="Cache proofs in DIR instead of your own cache directory.", show_default=False),
    ] = None,
    reach: Annotated[
        float,
        typer.Option("--reach", metavar="SECONDS", min=0, help="How long to look for runs from boot to the counterexamples; 0: not at all."),
    ] = 3.0,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Prove everything again, and cache nothing (as CI should).")] = False,
    json: Json = False,
    quiet: Quiet = False,
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

    [bold]Examples[/bold]

      sendright prove
      sendright prove --call mach_port_insert_right --invariant 8
      sendright prove --call "copy in a right" --invariant T2
      sendright prove --json | jq '.obligations[] | select(.verdict != "PROVED")'

    [bold]Exit status[/bold]

      0    every obligation is proved, except those that this kernel is known to break
      1    an obligation is refuted, or a known break is gone
      2    the input or the command line is wrong
      4    undetermined: neither a proof nor a counterexample of an obligation was found
      130  interrupted, and nothing was refuted
    """
    kernel_profile = profile_named(profile)
    outputs = Outputs(directory=report_dir, html=html, junit=junit, sarif=sarif, json=json)
    outputs.prepare()
    from sendright.model.proof.prove import UnknownSelection
    from sendright.model.proof.prove import prove as run_prove

    chosen_properties = [_property(words) for words in invariant or []]
    kept = None if no_cache else _cache(cache)
    try:
        with ProgressBar("proving", quiet) as progress:
            result = run_prove(kernel_profile, calls=call, invariants=chosen_properties, jobs=jobs, on_progress=progress.update, cache=kept)
    except UnknownSelection as error:
        raise BadInput(f"prove: {error}") from error
    if reach and any(one.example for one in result.obligations) and not result.interrupted:
        from sendright.cli.implementations import REFERENCE, implementation_factory
        from sendright.properties.coverage.reach import with_runs

        with ProgressBar("looking for runs from boot", quiet) as progress:
            result = with_runs(result, implementation_factory(REFERENCE, None), kernel_profile, reach, progress.update)
    chosen = [word for name in call or [] for word in ("--call", name)] + [word for number in invariant or [] for word in ("--invariant", number)]
    found = scripts(result)
    replays = (shlex.join(["sendright", "replay", str(report_dir / name)]) for name in found)
    again = shlex.join(["sendright", "prove", "--profile", profile, *chosen])
    rerun = Rerun(commands=(again, *replays), scripts={name: script_text(script) for name, script in found.items()})
    return finish(result, outputs, rerun)


def _cache(named: Path | None) -> Cache | None:
    """The cache in the folder that the user named, or in their own; None, and a line that says why, if they can have
    none.

    Raises BadInput if the named folder can't be trusted.
    """
    from sendright.model.proof.cache import NoKey, open_cache
    from sendright.model.proof.own_files import Unusable

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
