"""Rollouts: groups of episodes, their rewards, and the figures made of them."""
