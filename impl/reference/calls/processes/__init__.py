"""The system calls and traps of processes (``bsd/kern``)."""
