"""Adapters: other kernels behind the interface ``sendright.mach.kernel.implementation``."""
