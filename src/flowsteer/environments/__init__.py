"""Environments: tasks to be solved by edits in text, one call a turn, with the grade and the reward at the end."""
