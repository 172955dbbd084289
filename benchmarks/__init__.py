"""The cost of the store compared with its peers: ``python -m benchmarks quick`` or ``full``."""
