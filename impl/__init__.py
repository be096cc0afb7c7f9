"""Kernels that sendright can check: the reference kernel, its seeded faults, and adapters to other kernels.

All of them implement the interface in ``sendright.mach.kernel.implementation``. Readers of recorded logs and a
synthesizer of logs are here too.
"""
