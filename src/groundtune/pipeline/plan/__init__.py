"""What a recipe takes before it runs: stages, tokens, hours, memory, cost, detectable effects."""
