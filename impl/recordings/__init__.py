"""Readers of recorded logs. ``read_recording`` yields what a log of any known form says of tasks, tokens and rights."""
