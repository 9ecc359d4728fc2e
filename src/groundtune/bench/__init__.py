"""Benchmarks, one file each, and the code that runs, scores and compares them."""
