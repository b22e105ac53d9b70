"""What runs inside a sandbox with full CPython; the package never imports it."""
