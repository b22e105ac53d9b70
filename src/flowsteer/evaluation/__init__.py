"""Evaluation: systems side by side on the same tasks, with honest statistics."""
