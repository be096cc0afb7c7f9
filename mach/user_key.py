"""The user's own key, by which sendright recognizes what it wrote into a cache itself.

It lies in the user's data directory, outside every cache: a cache that comes with its own key isn't trusted.
"""

from __future__ import annotations

import os
import secrets

from sendright.mach.own_files import Unusable, folder_in, read_own, write_secret

KEY_BYTES = 32


def key_of_user() -> bytes:
    """The key. It is made when it is needed for the first time. Raises Unusable."""
    import platformdirs

    file = folder_in(platformdirs.user_data_path, "sendright") / "proofs.key"
    try:
        if not os.path.lexists(file):
            write_secret(file, secrets.token_bytes(KEY_BYTES))
        key = read_own(file, KEY_BYTES, secret=True)
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror} (make it readable for yourself, or remove it)") from error
    if len(key) != KEY_BYTES:
        raise Unusable(f"{file} is not a key of sendright's (remove it)")
    return key
