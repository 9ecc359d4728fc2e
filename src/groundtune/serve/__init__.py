"""The OpenAI-compatible server: answers, best of n by the model's own reward, claim checks."""
