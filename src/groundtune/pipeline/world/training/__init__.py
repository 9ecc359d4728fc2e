"""Trains the embedded world's models from nothing: offline, seeded, `groundtune world train`."""
