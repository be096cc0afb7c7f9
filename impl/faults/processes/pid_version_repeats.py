"""A pid version that comes again."""

from __future__ import annotations

from itertools import cycle

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.boot import FIRST_PID_VERSION


class PidVersionRepeats(ReferenceKernel):
    """Draws pid versions from a counter of three numbers."""

    name = "reference kernel with pid-version-repeats"

    def boot(self, profile: Profile) -> None:
        """Boot, with that counter."""
        super().boot(profile)
        self.processes.versions = cycle(range(FIRST_PID_VERSION, FIRST_PID_VERSION + 3))


FAULT = Fault(
    name="pid-version-repeats",
    title="the counter of pid versions wraps, and an image gets the version that it had before",
    history=(
        "rdar 128791723, 2024: XNU's counter of pid versions has 32 bits. A program could bring it to the point at which an exec drew the "
        "version that the process had, so that two images had one token. XNU 11417 draws again if the two are equal "
        "(exec_handle_sugid). Here the counter is short."
    ),
    kernel=PidVersionRepeats,
)
