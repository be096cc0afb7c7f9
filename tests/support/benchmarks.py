"""A benchmark of this repository, as a module."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from support.places import ROOT


def benchmark(name: str) -> ModuleType:
    file = ROOT / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module
