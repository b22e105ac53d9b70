"""What a workflow is: pure data, and functions on it without any I/O."""

from flowsteer.workflow.dsl import parse_dsl, parse_structure, to_dsl

__all__ = ["parse_dsl", "parse_structure", "to_dsl"]
