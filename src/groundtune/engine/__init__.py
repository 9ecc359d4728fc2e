"""From encoded prompts and answers to log-probabilities of the answers' tokens: exact, and fast."""
