"""Makes this folder importable, so that tests of all rooms share `strategies`."""
