"""Training on pairs: the reference cache, the loop, checkpoints and what runs in parallel."""
