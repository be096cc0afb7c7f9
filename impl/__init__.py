"""What can be checked: the reference kernel, its seeded faults, adapters to other kernels.

Everything here answers the one interface of ``sendright.mach.implementation``.
"""
