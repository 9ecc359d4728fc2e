"""Recipes: the shipped ones, the commands that take one, their schemas, and what they say."""
