"""Adapters: the environment and the systems inside other people's libraries; each is thin, and needs its extra."""
