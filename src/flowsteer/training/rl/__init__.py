"""Reinforcement learning: the run, TRL's trainer set to CWRPO, and the objective (spec §6)."""
