"""Benchmarks that anyone can run: ratios within one run, never bare times."""
