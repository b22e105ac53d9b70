"""What verifiers finds by the id `flowsteer_verifiers`; see `flowsteer.adapters.verifiers`."""

from flowsteer.adapters.verifiers import DirectorEnv, DirectorHarness, DirectorTaskset

__all__ = ["DirectorEnv", "DirectorHarness", "DirectorTaskset"]
