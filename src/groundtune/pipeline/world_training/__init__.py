"""Trains the embedded world's models from nothing, offline and seeded. `groundtune world train` runs it."""
