"""Kernels that aren't written here, behind the one interface of all that can be checked."""
