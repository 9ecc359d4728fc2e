"""Compute exact log-probabilities of answer tokens from encoded prompts and answers, fast."""
