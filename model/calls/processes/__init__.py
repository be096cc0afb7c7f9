"""The rules about processes, by subject. Importing this package declares them all."""

from sendright.model.calls.processes import by_pid, credentials, identity_tokens, lives, sessions

__all__ = ["by_pid", "credentials", "identity_tokens", "lives", "sessions"]
