"""Systems behind an OpenAI-compatible endpoint; it needs the extra `serve`."""
