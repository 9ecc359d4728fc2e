"""Pairs from answers that are corrected, extended and reworded under two labelers."""
