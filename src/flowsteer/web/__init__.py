"""What the package's own servers share; it needs the extra `serve` or `view`."""
