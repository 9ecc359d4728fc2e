"""`rl`: reinforcement learning from rewards of sampled answers."""
