"""`sample`: drawing answers to prompts."""
