"""Readers of recorded logs. ``read_recording`` yields the facts about tasks, tokens and rights in a log of any known
form.
"""
