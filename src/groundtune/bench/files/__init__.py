"""Reads, checks and writes answer files, data files and other evaluators' logs."""
