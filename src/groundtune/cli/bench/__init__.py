"""The `bench` commands."""
