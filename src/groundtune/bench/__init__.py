"""Benchmarks: one file each, and what runs, scores and compares them all."""
