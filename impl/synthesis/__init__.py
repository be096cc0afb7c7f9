"""Synthesizes logs: what a recorder would have written of runs of the reference kernel, with or without planted
violations.
"""
