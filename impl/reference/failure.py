"""How a routine gives up."""

from __future__ import annotations

from sendright.mach.codes import ReturnCode


class Failure(Exception):
    """The call ends here and answers ``code``. Whoever raises it has undone, or not yet done, what it must not leave behind."""

    def __init__(self, code: ReturnCode) -> None:
        super().__init__(code)
        self.code = code
