"""Asking a model the items of a benchmark and scoring its answers; opening the test split."""
