"""The reward of an episode (spec §6): named terms of what was built, what was answered and how it went."""
