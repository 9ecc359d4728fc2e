"""POPE."""
