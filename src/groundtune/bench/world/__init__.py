"""Benchmarks of the embedded world."""
