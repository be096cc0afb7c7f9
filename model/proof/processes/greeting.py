"""Whether a Dask scheduler listens at an address, asked without Dask: it would wait for a silent listener, and take an
HTTP server's answer for a length."""

from __future__ import annotations

import re
import socket

TIMEOUT = 3.0
"""Seconds after which nothing answers at an address, or doesn't speak as a Dask scheduler does."""
_LONGEST_GREETING = 1 << 20
"""Bytes of a scheduler's first message at most."""
_ADDRESS = re.compile(r"(?a:([a-z]+)://)?(\[[0-9a-fA-F:.%]+\]|[\w.-]+):(\d{1,5})/?")


class NoCluster(Exception):
    """There is no cluster at an address. The message is one line."""


class BadAddress(NoCluster):
    """The address isn't one of a Dask scheduler, whatever runs there."""


def greeted(address: str) -> None:
    """Return if what listens at ``address`` speaks first, in the way of a Dask scheduler. Raises NoCluster."""
    parts = _ADDRESS.fullmatch(address)
    scheme = (parts[1] or "tcp") if parts else ""
    if parts is None or scheme not in ("tcp", "tls", "ws", "wss", "ucx") or not 0 < int(parts[3]) < 1 << 16:
        raise BadAddress(f"{address}: not the address of a Dask scheduler (write it as tcp://HOST:PORT)")
    try:
        with socket.create_connection((parts[2].strip("[]"), int(parts[3])), TIMEOUT) as connection:
            if scheme != "tcp":
                return
            connection.settimeout(TIMEOUT)
            greeting = connection.recv(8, socket.MSG_WAITALL)
    except TimeoutError:
        raise NoCluster(f"{address}: no Dask scheduler answers there: it was silent for {TIMEOUT:g} s (check the address)") from None
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or error
        raise NoCluster(f"{address}: no Dask scheduler answers there: {words} (start one, or check the address)") from None
    if len(greeting) < 8 or int.from_bytes(greeting, "little") > _LONGEST_GREETING:
        raise NoCluster(f"{address}: no Dask scheduler answers there, but something else (check the address)")
