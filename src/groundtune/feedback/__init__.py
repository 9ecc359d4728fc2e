"""Feedback on answers: spans, corrections, and the pairs that are made of them. No torch here."""
