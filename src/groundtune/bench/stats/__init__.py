"""Estimates, intervals, tests of differences and statistical power."""
