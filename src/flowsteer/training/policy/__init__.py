"""The policies that can be trained: models, tokenizers, and what they read of an episode."""
