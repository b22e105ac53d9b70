"""Training a Director: reward, rollouts, cold start, and the trainer (spec §6)."""
