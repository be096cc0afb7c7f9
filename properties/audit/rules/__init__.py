"""The rules of an audit: a file for each subject."""
