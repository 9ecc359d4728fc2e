"""The benchmarks of the embedded world."""
