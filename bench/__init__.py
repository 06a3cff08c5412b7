"""Measures the gateway beside its floors: ``make bench``, or ``python -m bench --help``."""
