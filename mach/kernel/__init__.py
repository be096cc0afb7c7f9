"""What a kernel under test is: the calls that it gets, and what it supports."""
