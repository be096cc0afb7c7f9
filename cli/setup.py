"""``sendright setup``: what a kernel to be checked needs on this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import GNUMACH
from sendright.cli.options import Quiet
from sendright.cli.streams import write


def setup(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="'gnumach': a live GNU Mach under QEMU.")],
    quiet: Quiet = False,
) -> int:
    """Make this machine ready to check a live kernel.

    [bold]gnumach[/bold]: kernel, headers and MIG are fetched from Debian's packages, with an apt configuration of their own, and compared with known
    sums; the driver is built, and the kernel booted once. QEMU and gcc-multilib must be installed. What is there already isn't made again.

    [bold]Example[/bold]

      sendright setup gnumach && sendright check --sut gnumach --steps 30
    """
    if what != GNUMACH:
        raise BadInput(f"setup: {what!r} is nothing that can be set up (choose {GNUMACH})")
    from sendright.impl.adapters.gnumach.files import NotSetUp
    from sendright.impl.adapters.gnumach.setup import set_up

    def tell(words: str) -> None:
        if not quiet:
            print(f"sendright: setup: {words}", file=sys.stderr, flush=True)

    try:
        ready = set_up(tell)
    except NotSetUp as error:
        raise BadInput(f"setup: {GNUMACH}: {error}") from error
    how = "made ready" if ready.changed else "was ready"
    write(f"{GNUMACH} {how} in {ready.place}; it boots in {ready.seconds_to_boot:.2f} s\n")
    return 0
