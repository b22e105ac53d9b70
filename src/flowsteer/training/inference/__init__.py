"""Inference of a policy in training: sampling engines, KV cache, trajectories, weight sync, processes."""
