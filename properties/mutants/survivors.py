"""The mutants that nothing notices, each with the reason why nothing is wrong with it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import msgspec

from sendright.mach.json_text import read_json


class WrongSurvivors(ValueError):
    """The file of survivors can't be read, or isn't one. The message says what is wrong with it."""


def read_survivors(path: Path | None = None) -> dict[str, str]:
    """The reason for each mutant that may survive, by the mutant's name: from a file, or from the one that comes with
    the specification.

    Raises WrongSurvivors.
    """
    try:
        text = files("sendright.properties.mutants").joinpath("survivors.json").read_bytes() if path is None else path.read_bytes()
        found = read_json(text, dict[str, str])
    except OSError as error:
        raise WrongSurvivors(f"{path}: {error.strerror} (name a JSON file of mutants and reasons)") from error
    except msgspec.DecodeError as error:
        raise WrongSurvivors(f"{path or 'survivors.json'}: {error} (it must be a JSON object: a mutant's name, and a reason)") from error
    for mutant, reason in found.items():
        if not reason.strip():
            raise WrongSurvivors(f"{path or 'survivors.json'}: {mutant} has no reason (write one, or remove it)")
    return found
