"""The kinds of things that a plugin adds: how each is checked, and where it goes."""
