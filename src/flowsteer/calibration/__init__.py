"""Calibration: what operators are worth with a real LLM, as a profile of the simulated executor."""
