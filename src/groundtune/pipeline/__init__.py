"""Stages put together; each is a function and a class of parameters."""
