"""The annotation project: answers in, people's events on them, corrections and comparisons out."""
