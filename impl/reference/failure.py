"""The exception by which a call's routine fails."""

from __future__ import annotations

from sendright.mach.abi.codes import ReturnCode


class Failure(Exception):
    """Ends the call with the return code ``code``. Code that raises it must first undo what the call must not leave
    behind.
    """

    def __init__(self, code: ReturnCode) -> None:
        super().__init__(code)
        self.code = code
