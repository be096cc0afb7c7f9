"""``sendright setup``: installs what a live kernel under test needs on this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import GNUMACH
from sendright.cli.options import Quiet
from sendright.cli.streams import write


def setup(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="What to set up: gnumach, a live GNU Mach under QEMU.")],
    quiet: Quiet = False,
) -> int:
    """Prepare this machine to check a live kernel.

    [bold]gnumach[/bold]: downloads GNU Mach, its headers and MIG from Debian's packages and verifies their checksums.
    Then builds the driver and boots the kernel once. Your own apt configuration isn't used or changed. Steps that an
    earlier run has completed are skipped. QEMU and gcc-multilib must be installed.

    [bold]Examples[/bold]

      sendright setup gnumach
      sendright setup gnumach && sendright check --sut gnumach --steps 30

    [bold]Exit status[/bold]

      0  the kernel is ready
      2  the command line is wrong, or something is missing on this machine
    """
    if what != GNUMACH:
        raise BadInput(f"setup: unknown {what!r} (choose {GNUMACH})")
    from sendright.impl.adapters.gnumach.files import NotSetUp
    from sendright.impl.adapters.gnumach.setup import set_up

    def tell(words: str) -> None:
        if not quiet:
            print(f"sendright: setup: {words}", file=sys.stderr, flush=True)

    try:
        ready = set_up(tell)
    except NotSetUp as error:
        raise BadInput(f"setup: {GNUMACH}: {error}") from error
    how = "is now ready" if ready.changed else "was already ready"
    write(f"{GNUMACH} {how} in {ready.place}; it boots in {ready.seconds_to_boot:.2f} s\n")
    return 0
