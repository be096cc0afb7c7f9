"""A base class for kernels that are written in Python: a method for each call that the kernel has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, NotMade
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.view import View, ViewPart


class Kernel(ABC):
    """A kernel under test, as a class with a method for each call that it has.

        class MyKernel(sendright.Kernel):
            shows = frozenset()  # only which names there are, and what kinds of rights they are

            def boot(self, profile): ...
            def snapshot(self): ...  # a View or a Snapshot
            def mach_port_deallocate(self, caller, task, name): ...

    A method for a call has the call's name. It gets the number of the calling task and then the call's arguments, by
    their names (``sendright calls`` lists both), and returns a ``Result``. It may raise ``NotMade`` if it can't make
    the call. Any other exception counts as a crash of the kernel.

    sendright finds the methods by itself and makes only these calls. It reports which calls it left out. The class is a
    convenience: any object that has what ``Implementation`` describes will do.
    """

    name: str = "kernel"
    """Its name in reports. Default: the name of the class."""
    profiles: ClassVar[tuple[str, ...]] = ()
    """The profiles that it can boot as, the default first; empty: any."""
    shows: ClassVar[frozenset[ViewPart] | None] = None
    """If ``snapshot`` returns a ``View``: the parts that it shows. None: it returns a whole ``Snapshot``."""
    shortages: ClassVar[bool] = False
    """Whether ``call`` can let an allocation fail, as ``Call.shortage`` says. Then override ``call``."""
    limits: ClassVar[bool] = True
    """Whether it boots with the limits of the profile that ``boot`` gets. False: it has its own."""
    recovers: ClassVar[bool] = False
    """Whether booting restores it completely after any crash."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    @property
    def capabilities(self) -> Capabilities:
        """What the kernel supports, as the class says."""
        return Capabilities(
            profiles=self.profiles,
            calls=frozenset(name for name in SIGNATURES if callable(getattr(self, name, None))),
            shows=self.shows,
            shortages=self.shortages,
            limits=self.limits,
            recovers=self.recovers,
        )

    @abstractmethod
    def boot(self, profile: Profile) -> None:
        """Start from scratch, as a kernel of this ``profile``."""

    @abstractmethod
    def snapshot(self) -> Snapshot | View:
        """The state between two calls: all of it, or the parts of a view that ``shows`` names."""

    def call(self, task: int, call: Call) -> Result:
        """Make ``call`` as task number ``task``: run the method of the call's name."""
        if call.resume:
            return self.resume(task, call.name)
        method = getattr(self, call.name, None) if call.name in SIGNATURES else None
        if method is None:
            return Result(ReturnCode.MIG_BAD_ID)
        result: Result = method(task, **call.arguments)
        return result

    def resume(self, task: int, name: str) -> Result:
        """Let ``task`` go on with its pending call of this ``name``. Override it if calls of the kernel can wait.

        Raises NotMade.
        """
        raise NotMade(f"{self.name} can't resume {name}")
