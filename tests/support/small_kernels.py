"""The kernel of docs/api.md, which is outside of the package, and what is wrong in others like it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from sendright.mach.kernel.call import Result
from sendright.mach.kernel.profiles import Profile
from support.places import ROOT

FILE = ROOT / "docs" / "examples" / "kernels" / "small_kernel.py"


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small_kernel", FILE)
    assert spec
    assert spec.loader
    module = sys.modules.setdefault("small_kernel", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


SmallKernel = _example().SmallKernel


class Forgetful(SmallKernel):  # type: ignore[misc, valid-type]
    """A name without references stays."""

    def mach_port_deallocate(self, caller: int, task: int, name: int) -> Result:
        before = self.rights.get(name)
        result: Result = super().mach_port_deallocate(caller, task, name)
        if result.code == 0 and name not in self.rights:
            self.rights[name] = before
        return result


class Crashing(SmallKernel):  # type: ignore[misc, valid-type]
    """It raises an exception when a dead name is asked for."""

    def mach_port_allocate(self, caller: int, task: int, right: int) -> Result:
        if right == 4:
            raise KeyError(right)
        result: Result = super().mach_port_allocate(caller, task, right)
        return result


class WithoutBoot(SmallKernel):  # type: ignore[misc, valid-type]
    """Its first task has nothing at boot."""

    def boot(self, profile: Profile) -> None:
        super().boot(profile)
        self.rights = {}


class TwoFaults(Forgetful):
    """The fault of ``Forgetful``, and another call is wrong, too."""

    def mach_task_self(self, caller: int) -> Result:
        return Result(5)
