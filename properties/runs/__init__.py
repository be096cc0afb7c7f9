"""One run of calls on an implementation, judged as it is made."""
