"""The calls of the reference kernel: a file for each subject."""
