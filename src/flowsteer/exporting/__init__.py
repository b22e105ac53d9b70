"""Exporting: a workflow, with all that a run of it depends on, as a program."""
